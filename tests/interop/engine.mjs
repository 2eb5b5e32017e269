// The reference's overlay engine behind a small express server, with storage in memory, until its stdin is closed.
//
// Question, the first line of stdin: { headers, topics: [...] }. Answer: { url } once it listens. A topic takes every output that
// pushes DLM1 or SHIP; its look-up service is named as it is, with ls_ for tm_, and lists what is unspent. Beside the routes of the
// reference's server stand POST /-/sync { topic, peer }, which has the engine sync, and GET /-/held?topic, what it keeps.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { Headers } from './peer.mjs'

const require = createRequire(import.meta.url)
const express = require('express')
const { Engine } = require('@bsv/overlay')
// The engine has an SDK of its own, and its transactions are of that one.
const { Transaction } = createRequire(require.resolve('@bsv/overlay'))('@bsv/sdk')

console.info = console.warn = console.error = console.log = () => {} // stdout is for the answer

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { headers, topics } = JSON.parse((await lines.next()).value)

// The engine's Storage interface, as its Knex storage behaves.
class Memory {
  outputs = []
  applied = new Set()
  interactions = new Map()
  clock = 0

  async insertOutput (output) {
    this.outputs.push({ ...output })
  }

  async findOutput (txid, outputIndex, topic, spent) {
    return this.outputs.find(each => each.txid === txid && each.outputIndex === outputIndex &&
      (topic === undefined || each.topic === topic) && (spent === undefined || each.spent === spent)) ?? null
  }

  async findOutputsForTransaction (txid) {
    return this.outputs.filter(each => each.txid === txid)
  }

  async findUTXOsForTopic (topic, since, limit) {
    const found = this.outputs.filter(each => each.topic === topic && !each.spent && !(since > 0 && each.score < since))
    found.sort((one, other) => one.score - other.score)
    return limit > 0 ? found.slice(0, limit) : found
  }

  async deleteOutput (txid, outputIndex, topic) {
    this.outputs = this.outputs.filter(each => each.txid !== txid || each.outputIndex !== outputIndex || each.topic !== topic)
  }

  async markUTXOAsSpent (txid, outputIndex, topic) {
    const output = await this.findOutput(txid, outputIndex, topic)
    if (output !== null) output.spent = true
  }

  async updateConsumedBy (txid, outputIndex, topic, consumedBy) {
    const output = await this.findOutput(txid, outputIndex, topic)
    if (output !== null) output.consumedBy = consumedBy
  }

  async updateTransactionBEEF (txid, beef) {
    for (const output of await this.findOutputsForTransaction(txid)) output.beef = beef
  }

  async insertAppliedTransaction ({ txid, topic }) { this.applied.add(`${txid} ${topic}`) }
  async doesAppliedTransactionExist ({ txid, topic }) { return this.applied.has(`${txid} ${topic}`) }
  async updateLastInteraction (host, topic, since) { this.interactions.set(`${host} ${topic}`, since) }
  async getLastInteraction (host, topic) { return this.interactions.get(`${host} ${topic}`) ?? 0 }
}

const isToken = output => /^21[0-9a-f]{66}ac(04444c4d31|0453484950)/.test(output.lockingScript.toHex())

const manager = {
  async identifyAdmissibleOutputs (beef, previousCoins) {
    const outputs = Transaction.fromBEEF(beef).outputs
    return { outputsToAdmit: outputs.flatMap((output, index) => isToken(output) ? [index] : []), coinsToRetain: [] }
  },
  async getDocumentation () { return '# Tokens' },
  async getMetaData () { return { name: 'Tokens', shortDescription: 'Of a test.' } }
}

const storage = new Memory()
const service = topic => ({
  admissionMode: 'locking-script',
  spendNotificationMode: 'none',
  async outputAdmittedByTopic () {},
  async outputSpent () {},
  async lookup () {
    return (await storage.findUTXOsForTopic(topic)).map(({ txid, outputIndex }) => ({ txid, outputIndex }))
  },
  async getDocumentation () { return '# Tokens' },
  async getMetaData () { return { name: 'Tokens', shortDescription: 'Of a test.' } }
})

const each = make => Object.fromEntries(topics.map(make))
const none = each(topic => [topic, false])
const engine = new Engine(
  each(topic => [topic, manager]),
  each(topic => [topic.replace('tm_', 'ls_'), service(topic)]),
  storage, new Headers(headers), undefined, undefined, undefined, undefined, undefined, none
)

const app = express()
app.use(express.json({ limit: '10mb' }))
app.use(express.raw({ type: 'application/octet-stream', limit: '10mb' }))
const answering = work => async (request, response) => {
  try {
    response.status(200).json(await work(request))
  } catch (error) {
    response.status(400).json({ status: 'error', message: error.message })
  }
}

// BRC-22 as the reference's server reads it: with off-chain values the BEEF has its length in front.
const framed = body => {
  const wide = { 253: 2, 254: 4 }[body[0]] ?? 0
  const length = wide === 0 ? body[0] : body.readUIntLE(1, wide)
  const at = 1 + wide
  return { beef: [...body.subarray(at, at + length)], offChain: [...body.subarray(at + length)] }
}
app.post('/submit', (request, response) => {
  const { beef, offChain } = request.headers['x-includes-off-chain-values'] === 'true'
    ? framed(request.body)
    : { beef: [...request.body] }
  const taggedBEEF = { beef, topics: JSON.parse(request.headers['x-topics']) }
  engine.submit(taggedBEEF, steak => response.status(200).json(steak), 'current-tx', offChain)
    .catch(error => response.status(400).json({ status: 'error', message: error.message }))
})
app.post('/lookup', answering(request => engine.lookup(request.body)))
app.get('/listTopicManagers', answering(() => engine.listTopicManagers()))
app.get('/listLookupServiceProviders', answering(() => engine.listLookupServiceProviders()))
app.post('/requestSyncResponse', answering(request =>
  engine.provideForeignSyncResponse(request.body, request.headers['x-bsv-topic'])))
app.post('/requestForeignGASPNode', answering(({ body: { graphID, txid, outputIndex } }) =>
  engine.provideForeignGASPNode(graphID, txid, outputIndex)))

app.post('/-/sync', answering(async ({ body: { topic, peer } }) => {
  engine.syncConfiguration = { ...none, [topic]: [peer] }
  await engine.startGASPSync()
  return { since: await storage.getLastInteraction(peer, topic) }
}))
app.get('/-/held', answering(async ({ query: { topic } }) =>
  (await storage.findUTXOsForTopic(topic)).map(({ txid, outputIndex, beef }) => ({
    outpoint: `${txid}.${outputIndex}`,
    proven: Transaction.fromBEEF(beef).merklePath !== undefined
  }))))

const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` }) + '\n')
})
await lines.next()
process.exit(0)
