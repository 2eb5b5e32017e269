// Writes the vectors for transactions, signature hashes, BUMP and BEEF, as the TypeScript SDK sees them.
//
//   NODE_PATH=/path/to/node_modules node tests/vectors/generate/bitcoin.mjs
//
// Keys and inputs are fixed, signatures are deterministic (RFC 6979): running it again changes nothing.

import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url) // unlike import, require reads NODE_PATH
const {
  Beef, BEEF_V1, BEEF_V2, LockingScript, MerklePath, P2PKH, PrivateKey, Transaction, TransactionSignature, UnlockingScript, Utils
} = require('@bsv/sdk')

const folder = join(dirname(fileURLToPath(import.meta.url)), '..')
const hex = bytes => Utils.toHex(Array.from(bytes))
const sha256 = data => createHash('sha256').update(data).digest()
const filler = (block, index) => sha256(`${block} ${index}`).toString('hex')

const write = (name, vectors) => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.json`), JSON.stringify({ madeBy: '@bsv/sdk 2.1.0 (TypeScript), tests/vectors/generate/bitcoin.mjs', vectors }, null, 1) + '\n')
}

const key = new PrivateKey(7)
const lock = new P2PKH().lock(key.toAddress())

const funding = (index, amounts) => new Transaction(1,
  [{ sourceTXID: filler('coin', index), sourceOutputIndex: index, unlockingScript: UnlockingScript.fromHex('51'), sequence: 0xffffffff }],
  amounts.map(satoshis => ({ satoshis, lockingScript: lock })))

const spend = async (coins, amounts, { sequence = 0xffffffff, lockTime = 0, version = 1 } = {}) => {
  const tx = new Transaction(version,
    coins.map(([sourceTransaction, sourceOutputIndex]) => ({
      sourceTransaction,
      sourceTXID: sourceTransaction.id('hex'), // without it, Beef sorts children before their parents
      sourceOutputIndex,
      sequence,
      unlockingScriptTemplate: new P2PKH().unlock(key)
    })),
    amounts.map(satoshis => ({ satoshis, lockingScript: lock })), lockTime)
  await tx.sign()
  return tx
}

// A block's tree, and the path of one of its transactions, which the SDK then checks, combines and serialises.

const parent = (left, right) => {
  const bytes = Buffer.concat([Buffer.from(left, 'hex').reverse(), Buffer.from(right, 'hex').reverse()])
  return Buffer.from(sha256(sha256(bytes))).reverse().toString('hex')
}

const tree = txids => {
  const levels = [txids]
  while (levels.at(-1).length > 1) {
    const row = levels.at(-1)
    levels.push(row.filter((_, i) => i % 2 === 0).map((left, i) => parent(left, row[2 * i + 1] ?? left)))
  }
  return levels
}

const pathOf = (txids, index, height) => {
  if (txids.length === 1) return MerklePath.fromCoinbaseTxidAndHeight(txids[0], height)
  const path = tree(txids).slice(0, -1).map((row, level) => {
    const sibling = (index >> level) ^ 1
    return [sibling < row.length ? { offset: sibling, hash: row[sibling] } : { offset: sibling, duplicate: true }]
  })
  path[0].push({ offset: index, hash: txids[index], txid: true })
  path[0].sort((a, b) => a.offset - b.offset)
  return new MerklePath(height, path)
}

const pathsOf = (txids, indexes, height) => {
  const [first, ...others] = indexes.map(index => pathOf(txids, index, height))
  others.forEach(other => first.combine(other))
  return first
}

const bumps = [[1, [0]], [2, [0]], [2, [0, 1]], [3, [2]], [5, [4]], [5, [0, 4]], [8, [3, 4, 5]], [11, [2, 5, 8]], [11, [10]], [300, [0, 7, 255, 299]]]
  .map(([size, indexes]) => {
    const height = 800_000 + size
    const txids = Array.from({ length: size }, (_, i) => filler(height, i))
    const path = pathsOf(txids, indexes, height)
    return { height, block: height, size, indexes, bump: path.toHex(), root: path.computeRoot(txids[indexes[0]]) }
  })
write('bump', bumps)

// Transactions

const a = funding(0, [1000, 2000])
const b = funding(1, [1000, 1001, 1002, 1259])
const child = await spend([[a, 0], [b, 3]], [1, 2000, 3])
const grandchild = await spend([[child, 1], [a, 1]], [3500])
const waiting = await spend([[a, 0]], [900], { sequence: 0, lockTime: 850_000, version: 2 })
const bare = new Transaction(2, [], [], 0xffffffff)
const many = new Transaction(1, [], Array.from({ length: 253 }, (_, i) => ({ satoshis: i, lockingScript: LockingScript.fromHex('51') })))
const wide = new Transaction(1, [{ sourceTXID: filler('coin', 9), sourceOutputIndex: 0xffffffff, unlockingScript: UnlockingScript.fromHex(''), sequence: 1 }],
  [{ satoshis: 2_100_000_000_000_000, lockingScript: LockingScript.fromHex('006a4d2c01' + '5a'.repeat(300)) }, { satoshis: 0, lockingScript: LockingScript.fromHex('') }])

write('transactions', Object.entries({ a, b, child, grandchild, waiting, bare, many, wide }).map(([name, tx]) => ({
  name,
  raw: tx.toHex(),
  txid: tx.id('hex'),
  version: tx.version,
  lockTime: tx.lockTime,
  inputs: tx.inputs.map(i => ({ txid: i.sourceTXID, vout: i.sourceOutputIndex, unlocking: i.unlockingScript.toHex(), sequence: i.sequence })),
  outputs: tx.outputs.map(o => ({ satoshis: o.satoshis, locking: o.lockingScript.toHex() }))
})))

// Signature hashes

const preimage = (tx, index, scope) => {
  const input = tx.inputs[index]
  const spent = input.sourceTransaction.outputs[input.sourceOutputIndex]
  return {
    raw: tx.toHex(),
    index,
    sighash: scope,
    satoshis: spent.satoshis,
    locking: spent.lockingScript.toHex(),
    preimage: hex(TransactionSignature.format({
      sourceTXID: input.sourceTransaction.id('hex'),
      sourceOutputIndex: input.sourceOutputIndex,
      sourceSatoshis: spent.satoshis,
      transactionVersion: tx.version,
      otherInputs: tx.inputs.filter((_, i) => i !== index),
      inputIndex: index,
      outputs: tx.outputs,
      inputSequence: input.sequence,
      subscript: spent.lockingScript,
      lockTime: tx.lockTime,
      scope
    }))
  }
}

const scopes = [0x41, 0x42, 0x43, 0xc1, 0xc2, 0xc3]
write('sighash', [[child, 0], [child, 1], [grandchild, 1], [waiting, 0]].flatMap(([tx, index]) => scopes.map(scope => preimage(tx, index, scope))))

// BEEF

const inBlock = (height, size, index, tx) => {
  const txids = Array.from({ length: size }, (_, i) => i === index ? tx.id('hex') : filler(height, i))
  tx.merklePath = pathOf(txids, index, height)
}
inBlock(700_005, 5, 4, a)
inBlock(700_011, 11, 2, b)

const described = (name, beef, bytes, subject) => ({
  name,
  beef: hex(bytes),
  subject,
  transactions: beef.txs.filter(t => !t.isTxidOnly).map(t => ({ txid: t.txid, bump: t.bumpIndex ?? null })),
  known: beef.txs.filter(t => t.isTxidOnly).map(t => t.txid),
  roots: beef.bumps.map(p => [p.blockHeight, p.computeRoot()])
})

const whole = format => {
  const beef = new Beef(format)
  beef.mergeTransaction(grandchild)
  beef.sortTxs()
  return beef
}
const last = grandchild.id('hex')
const v1 = whole(BEEF_V1)
const v2 = whole(BEEF_V2)
const known = whole(BEEF_V2)
known.makeTxidOnly(b.id('hex'))
const other = await spend([[b, 1]], [500])
const atomic = whole(BEEF_V2)
atomic.mergeTransaction(other)
const atomicBytes = atomic.toBinaryAtomic(last)

write('beef', [
  described('empty', new Beef(BEEF_V2), new Beef(BEEF_V2).toBinary(), null),
  described('v1', v1, v1.toBinary(), null),
  described('v2', v2, v2.toBinary(), null),
  described('known', known, known.toBinary(), null),
  described('atomic', Beef.fromBinary(atomicBytes), atomicBytes, last)
])
