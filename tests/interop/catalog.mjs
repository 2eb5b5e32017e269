// Reads a producer's catalog from a host, as any TypeScript program would, and checks every record by the SDK alone.
//
// Question: { host, headers }. Answer: { resolver, aggregated, plain }, each a list of records and what was found about them.

import { Headers, answer, cbor, hex, question, sdk, sha256 } from './peer.mjs'

const { HTTPSOverlayLookupFacilitator, LookupResolver, ProtoWallet, PushDrop, Transaction } = sdk
const { host, headers } = question()
const service = 'ls_data_catalog'
const anyone = new ProtoWallet('anyone')
const tracker = new Headers(headers)

const text = bytes => Buffer.from(bytes).toString('utf8')

const outpoint = bytes => `${hex([...bytes.slice(0, 32)].reverse())}.${Buffer.from(bytes).readUInt32LE(32)}`

const record = async ({ beef, outputIndex, context }) => {
  const tx = Transaction.fromBEEF(beef)
  const { lockingScript, satoshis } = tx.outputs[outputIndex]
  const { fields, lockingPublicKey } = PushDrop.decode(lockingScript)
  const [magic, identity, kind, name, anchor, signature] = fields
  const key = {
    protocolID: [2, 'data catalog record'],
    keyID: text(kind) === 'producer' ? 'producer' : `${text(kind)} ${text(name)}`,
    counterparty: hex(identity)
  }
  const signed = await anyone.verifySignature({ data: fields.slice(0, 5).flat(), signature, ...key })
  const { publicKey } = await anyone.getPublicKey(key)
  const { i, mh } = cbor(anchor).value
  const documents = text(kind) === 'producer' ? cbor(context).value : [context]
  return {
    magic: text(magic),
    identity: hex(identity),
    kind: text(kind),
    name: text(name),
    outpoint: `${tx.id('hex')}.${outputIndex}`,
    satoshis,
    verified: await tx.verify(tracker),
    signed: signed.valid,
    locked: publicKey === lockingPublicKey.toString(),
    spends: tx.inputs.some(input => `${input.sourceTXID ?? input.sourceTransaction.id('hex')}.${input.sourceOutputIndex}` === outpoint(i)),
    anchor: hex(mh),
    documents: documents.map(sha256),
    document: JSON.parse(text(documents[0]))
  }
}

const records = async outputs => await Promise.all(outputs.map(record))

const facilitator = new HTTPSOverlayLookupFacilitator(fetch, true)
const resolver = new LookupResolver({ facilitator, slapTrackers: [host], hostOverrides: { [service]: [host] } })
const resolved = await resolver.query({ service, query: {} })

const aggregated = await facilitator.lookup(host, { service, query: {} })

const reply = await fetch(`${host}/lookup`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ service, query: {} })
})
const plain = await reply.json()

answer({
  resolver: await records(resolved.outputs),
  aggregated: await records(aggregated.outputs),
  plain: await records(plain.outputs)
})
