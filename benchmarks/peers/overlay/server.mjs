// The reference Engine behind express, with the routes that its own express package has. It keeps SHIP tokens: the topic
// manager checks key and signature of each, as the public one does; its look-up service answers from memory.
// Argument: {"storage": path of an SQLite file}. Prints {"url", "storage"} when it listens, ends when standard input does.
import { Engine } from '@bsv/overlay'
import { KnexStorage } from '@bsv/overlay/storage/knex/KnexStorage'
import { Beef, ProtoWallet, PushDrop, Transaction, Utils } from '@bsv/sdk'
import express from 'express'
import knex from 'knex'

const PROTOCOL = [2, 'service host interconnect']
const NAME = /^(?=.{1,50}$)tm_[a-z]+(?:_[a-z]+)*$/
const asked = JSON.parse(process.argv[2])

async function isLinked (lockingKey, fields, signature) {
  const wallet = new ProtoWallet('anyone')
  const key = { protocolID: PROTOCOL, keyID: '1', counterparty: Utils.toHex(fields[1]) }
  const { valid } = await wallet.verifySignature({ data: fields.flat(), signature, ...key })
  return valid && (await wallet.getPublicKey(key)).publicKey === lockingKey.toString()
}

async function isAdmissible (output) {
  try {
    const { fields, lockingPublicKey } = PushDrop.decode(output.lockingScript)
    if (fields.length !== 5 || Utils.toUTF8(fields[0]) !== 'SHIP') return false
    if (new URL(Utils.toUTF8(fields[2])).protocol !== 'https:' || !NAME.test(Utils.toUTF8(fields[3]))) return false
    return await isLinked(lockingPublicKey, fields.slice(0, 4), fields[4])
  } catch {
    return false
  }
}

const manager = {
  async identifyAdmissibleOutputs (beef) {
    const outputsToAdmit = []
    for (const [index, output] of Transaction.fromBEEF(beef).outputs.entries()) {
      if (await isAdmissible(output)) outputsToAdmit.push(index)
    }
    return { outputsToAdmit, coinsToRetain: [] }
  },
  getDocumentation: async () => '',
  getMetaData: async () => ({ name: 'SHIP', shortDescription: '' })
}

const byIdentity = new Map()
const everything = []
const lookup = {
  admissionMode: 'locking-script',
  spendNotificationMode: 'none',
  outputAdmittedByTopic ({ txid, outputIndex, lockingScript }) {
    const identity = Utils.toHex(PushDrop.decode(lockingScript).fields[1])
    if (!byIdentity.has(identity)) byIdentity.set(identity, [])
    byIdentity.get(identity).push({ txid, outputIndex })
    everything.push({ txid, outputIndex })
  },
  outputEvicted () {},
  lookup: async ({ query }) => (query.identityKey ? byIdentity.get(query.identityKey) ?? [] : everything).slice(-query.limit),
  getDocumentation: async () => '',
  getMetaData: async () => ({ name: 'SHIP', shortDescription: '' })
}

// Its own migrations are for MySQL only; these are the tables and indexes that they end with.
async function sqlite (filename) {
  const database = knex({ client: 'better-sqlite3', connection: { filename }, useNullAsDefault: true })
  await database.schema.createTable('outputs', table => {
    table.increments()
    table.string('txid', 64)
    table.integer('outputIndex')
    table.binary('outputScript')
    table.string('topic')
    table.integer('satoshis')
    table.text('outputsConsumed', 'longtext').defaultTo('[]')
    table.text('consumedBy', 'longtext').defaultTo('[]')
    table.boolean('spent').defaultTo(false)
    table.integer('blockHeight').unsigned()
    table.bigInteger('score')
    table.index(['txid', 'outputIndex', 'topic'])
    table.index(['topic', 'score'])
  })
  await database.schema.createTable('transactions', table => {
    table.increments()
    table.binary('beef')
    table.string('txid', 64).unique()
  })
  await database.schema.createTable('applied_transactions', table => {
    table.increments()
    table.string('txid', 64)
    table.string('topic')
    table.index(['txid', 'topic'])
  })
  return new KnexStorage(database)
}

// Everything that an Engine asks of its storage while it takes transactions that spend no admitted output, and answers.
function memory () {
  const outputs = new Map()
  const applied = new Set()
  const place = (txid, index) => `${txid}.${index}`
  return {
    findOutput: async (txid, index) => outputs.get(place(txid, index)) ?? null,
    insertOutput: async output => { outputs.set(place(output.txid, output.outputIndex), output) },
    insertAppliedTransaction: async ({ txid, topic }) => { applied.add(`${txid} ${topic}`) },
    doesAppliedTransactionExist: async ({ txid, topic }) => applied.has(`${txid} ${topic}`)
  }
}

async function open () {
  try {
    return { storage: await sqlite(asked.storage), name: 'SQLite, journal delete, synchronous FULL' }
  } catch (error) {
    if (!['ERR_DLOPEN_FAILED', 'MODULE_NOT_FOUND'].includes(error.code) && !/bindings/.test(error.message)) throw error
    return { storage: memory(), name: 'in memory: better-sqlite3 could not be built' }
  }
}

const { storage, name } = await open()
const engine = new Engine({ tm_ship: manager }, { ls_ship: lookup }, storage, 'scripts only', undefined, undefined, undefined, undefined, undefined, { tm_ship: false })

async function submit (request, response) {
  const topics = JSON.parse(request.headers['x-topics'])
  let isAnswered = false
  const steak = await engine.submit({ beef: Array.from(request.body), topics }, ready => {
    isAnswered = true
    response.status(200).json(ready)
  })
  if (!isAnswered) response.status(200).json(steak)
}

async function answer (request, response) {
  const found = await engine.lookup(request.body)
  if (request.headers['x-aggregation'] !== 'yes') return response.status(200).json(found)
  const beef = new Beef()
  const writer = new Utils.Writer()
  writer.writeVarIntNum(found.outputs.length)
  for (const output of found.outputs) {
    const transaction = Transaction.fromBEEF(output.beef)
    writer.write(transaction.id())
    writer.writeVarIntNum(output.outputIndex)
    writer.writeVarIntNum(output.context?.length ?? 0)
    if (output.context?.length) writer.write(output.context)
    beef.mergeTransaction(transaction)
  }
  writer.write(beef.toBinary())
  response.setHeader('Content-Type', 'application/octet-stream')
  response.status(200).send(Buffer.from(writer.toArray()))
}

const handled = handler => (request, response) => {
  handler(request, response).catch(error => response.status(400).json({ status: 'error', message: String(error) }))
}

const app = express()
app.use(express.json({ limit: '1gb' }))
app.use(express.raw({ limit: '1gb', type: 'application/octet-stream' }))
app.post('/submit', handled(submit))
app.post('/lookup', handled(answer))
const listener = app.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${listener.address().port}`, storage: name }))
})
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
