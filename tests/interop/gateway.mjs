// Finds a producer's gateway by SLAP, reads its records there, and walks the history of one with the SDK's Historian.
//
// Question: { tracker, host, capability, name, local }. Answer: { found, root, histories, local }: what the gateway answers for the
// capability, the producer's two documents, the versions of the record `name` as each way of asking links them, and whether the
// SDK's local preset (which asks one host for everything) finds the capability's records as well.

import { Historian, answer, cbor, hex, question, sdk, sha256 } from './peer.mjs'

const { HTTPSOverlayLookupFacilitator, LookupResolver, PushDrop, Transaction } = sdk
const { tracker, host, service, name } = question()

const text = bytes => Buffer.from(bytes).toString('utf8')

// Answers that come from another place than the SDK believes are sent there.
class At extends HTTPSOverlayLookupFacilitator {
  constructor (place) {
    super(fetch, true)
    this.place = place
    this.asked = new Set()
  }

  async lookup (url, question, timeout) {
    this.asked.add(url)
    return await super.lookup(this.place ?? url, question, timeout)
  }
}

const version = (tx, outputIndex, wanted) => {
  const { fields } = PushDrop.decode(tx.outputs[outputIndex].lockingScript)
  if (text(fields[0]) !== 'DLM1' || text(fields[2]) !== 'dataset' || text(fields[3]) !== wanted) return undefined
  return hex(cbor(fields[4]).value.mh)
}

const walk = async beef => await new Historian(version).buildHistory(Transaction.fromBEEF(beef), name)

const facilitator = new At()
const resolver = new LookupResolver({ facilitator, slapTrackers: [tracker] })

const { outputs } = await resolver.query({ service, query: {} })
const found = outputs.map(({ beef, outputIndex, context }) => ({
  outpoint: `${Transaction.fromBEEF(beef).id('hex')}.${outputIndex}`,
  context: hex(context)
}))

const [root] = (await resolver.query({ service, query: { kind: 'producer' } })).outputs
const documents = cbor(root.context).value

const histories = {}
const one = async (way, outputs) => { histories[way] = await Promise.all(outputs.map(({ beef }) => walk(beef))) }
for (const history of [1, 2, 5]) {
  await one(`resolver ${history}`, (await resolver.query({ service, query: { name, history } })).outputs)
}
const plain = await fetch(`${host}/lookup`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ service: 'ls_data_catalog', query: { name, history: 2 } })
})
await one('plain', (await plain.json()).outputs)

const local = new LookupResolver({ networkPreset: 'local', facilitator: new At(host) })
const { outputs: locally } = await local.query({ service, query: {} })

answer({
  asked: [...facilitator.asked],
  found,
  root: documents.map(sha256),
  histories,
  local: locally.map(({ beef, outputIndex }) => `${Transaction.fromBEEF(beef).id('hex')}.${outputIndex}`)
})
