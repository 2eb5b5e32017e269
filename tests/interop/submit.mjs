// Submits a producer's transaction to a host once more, by the SDK's broadcaster and by plain fetch.
//
// Question: { host }. Answer: { broadcast, steak }.

import { answer, cbor, hex, question, sdk } from './peer.mjs'

const { HTTPSOverlayBroadcastFacilitator, HTTPSOverlayLookupFacilitator, TopicBroadcaster, Transaction } = sdk
const { host } = question()
const topic = 'tm_data_catalog'

// The local preset sends to http://localhost:8080; this world may be elsewhere.
class Facilitator extends HTTPSOverlayBroadcastFacilitator {
  constructor () {
    super(fetch, true)
  }

  async send (_, tagged) {
    return await super.send(host, tagged)
  }
}

const lookup = new HTTPSOverlayLookupFacilitator(fetch, true)
const { outputs } = await lookup.lookup(host, { service: 'ls_data_catalog', query: { kind: 'producer' } })
const [{ beef, context }] = outputs
const tx = Transaction.fromBEEF(beef)
tx.metadata.set('OffChainValues', [...context]) // a root's context is what a submission brings: a CBOR array of documents

const broadcaster = new TopicBroadcaster([topic], { networkPreset: 'local', facilitator: new Facilitator() })
const broadcast = await broadcaster.broadcast(tx)

const reply = await fetch(`${host}/submit`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/octet-stream', 'X-Topics': JSON.stringify([topic]) },
  body: new Uint8Array(tx.toBEEF())
})

answer({ broadcast, txid: tx.id('hex'), outputs: tx.outputs.length, steak: await reply.json(), documents: cbor(context).value.map(hex) })
