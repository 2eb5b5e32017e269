// Makes the token and framing vectors beside this folder by running the TypeScript SDK; deterministic.
//
//   npm install --no-save @bsv/sdk@2.1.0 && node tests/vectors/generate/tokens.mjs [folder to write into]

import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import {
  Beef,
  HTTPSOverlayBroadcastFacilitator,
  HTTPSOverlayLookupFacilitator,
  LockingScript,
  MerklePath,
  OverlayAdminTokenTemplate,
  P2PKH,
  PrivateKey,
  ProtoWallet,
  PushDrop,
  StorageUtils,
  SymmetricKey,
  Transaction,
  Utils
} from '@bsv/sdk'

const folder = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'))
const madeBy = '@bsv/sdk 2.1.0 (TypeScript), tests/vectors/generate/tokens.mjs'

const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts.map((p) => Buffer.from(p)))).digest()
const hex = (bytes) => Buffer.from(bytes).toString('hex')
const bytes = (text) => [...Buffer.from(text, 'hex')]
const utf8 = (text) => [...Buffer.from(text, 'utf8')]
const keyOf = (name) => PrivateKey.fromHex(hex(sha256(name)))
const varint = (value) => new Utils.Writer().writeVarIntNum(value).toArray()
const filled = (length, seed) => Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff)

// What the SDK takes for random (IVs) is counted up, so that two runs write the same bytes.
let drawn = 0
globalThis.crypto.getRandomValues = (array) => {
  for (let at = 0; at < array.length; at += 32) array.set(sha256('random', String(drawn++)).subarray(0, array.length - at), at)
  return array
}

function write (name, about, cases) {
  writeFileSync(join(folder, name), JSON.stringify({ about, madeBy, ...cases }, null, 1) + '\n')
}

// A token as owners make it: counterparty anyone, forSelf.
async function token (root, protocol, keyID, fields) {
  const wallet = new ProtoWallet(root)
  const signed = fields.map((field) => [...field])
  const locking = await new PushDrop(wallet).lock(fields.map((f) => [...f]), [2, protocol], keyID, 'anyone', true)
  const decoded = PushDrop.decode(LockingScript.fromHex(locking.toHex()))
  return {
    identity: root.toPublicKey().toString(),
    protocol,
    keyID,
    fields: signed.map(hex),
    lockingKey: decoded.lockingPublicKey.toString(),
    signature: hex(decoded.fields.at(-1)),
    locking: locking.toHex()
  }
}

async function pushdrop () {
  const root = keyOf('pushdrop')
  const sizes = [2, 75, 76, 255, 256, 400]
  const tokens = []
  for (let count = 1; count <= 4; count++) {
    tokens.push(await token(root, 'data catalog record', `dataset ${count}`, sizes.slice(0, count).map(filled)))
  }
  tokens.push(await token(root, 'data catalog record', 'dataset all', sizes.map(filled)))
  const numbers = await token(root, 'uhrp advertisement', '1', [[1], [15], [0x81], [17], [0x80]])
  const large = []
  for (const size of [65535, 65536]) {
    const made = await token(root, 'data catalog record', 'dataset large', [filled(size, 3)])
    large.push({ size, seed: 3, lockingKey: made.lockingKey, signature: made.signature, lockingSha256: hex(sha256(bytes(made.locking))) })
  }
  write('pushdrop.json', 'PushDrop.lock of fields and signature, and what PushDrop.decode makes of it', { tokens, numbers, large })
}

async function derivation () {
  const cases = []
  for (const [name, protocol, keyID] of [
    ['alice', 'data catalog record', 'producer'],
    ['alice', 'data catalog record', 'dataset btc/2024-01.csv'],
    ['bob', 'data catalog record', `advertisement ${'a'.repeat(253)}`],
    ['bob', 'uhrp advertisement', '1'],
    ['carol', 'service host interconnect', '1']
  ]) {
    const root = keyOf(name)
    const wallet = new ProtoWallet(root)
    const args = { protocolID: [2, protocol], keyID }
    const data = utf8(`signed by ${name}`)
    const owner = await wallet.getPublicKey({ ...args, counterparty: 'anyone', forSelf: true })
    const anyone = await new ProtoWallet('anyone').getPublicKey({ ...args, counterparty: root.toPublicKey().toString() })
    if (owner.publicKey !== anyone.publicKey) throw new Error('owner and anyone disagree')
    const { signature } = await wallet.createSignature({ ...args, counterparty: 'anyone', data })
    cases.push({
      root: root.toHex(),
      identity: root.toPublicKey().toString(),
      protocol,
      keyID,
      child: owner.publicKey,
      data: hex(data),
      signature: hex(signature),
      addressMain: root.toPublicKey().toAddress('mainnet'),
      addressTest: root.toPublicKey().toAddress('testnet'),
      p2pkh: new P2PKH().lock(root.toPublicKey().toAddress()).toHex()
    })
  }
  write('derivation.json', 'getPublicKey {counterparty anyone, forSelf}, createSignature {counterparty anyone}, addresses', { cases })
}

async function record () {
  const root = keyOf('record')
  const anchor = (mh, i, parents) =>
    parents.length === 0
      ? bytes(`a2616958${'24'}${i}626d685820${mh}`)
      : bytes(`a3616958${'24'}${i}6170${(0x80 + parents.length).toString(16)}${parents.map((p) => `5820${p}`).join('')}626d685820${mh}`)
  const cases = []
  for (const [kind, name, parents] of [
    ['producer', 'acme', 0],
    ['dataset', 'btc/2024-01.csv', 0],
    ['dataset', 'x', 3],
    ['stream', 'ticks', 1],
    ['advertisement', 'a'.repeat(253), 0]
  ]) {
    const mh = hex(sha256('document', name))
    const txid = hex(sha256('spent', name))
    const vout = name.length
    const i = hex([...bytes(txid)].reverse()) + hex([vout, 0, 0, 0])
    const hashes = Array.from({ length: parents }, (_, n) => hex(sha256('parent', String(n))))
    const body = anchor(mh, i, hashes)
    const fields = [utf8('DLM1'), bytes(root.toPublicKey().toString()), utf8(kind), utf8(name), body]
    const made = await token(root, 'data catalog record', kind === 'producer' ? 'producer' : `${kind} ${name}`, fields)
    cases.push({ kind, name, documentHash: mh, spends: `${txid}.${vout}`, parents: hashes, anchor: hex(body), ...made })
  }
  write('record.json', 'record tokens (DLM1), anchors written by hand, locked and signed by PushDrop', { cases })
}

async function spending () {
  const root = keyOf('spending')
  const wallet = new ProtoWallet(root)
  const source = new Transaction()
  source.addInput({ sourceTXID: hex(sha256('nowhere')), sourceOutputIndex: 0, unlockingScript: LockingScript.fromHex('51') })
  const locking = await new PushDrop(wallet).lock([filled(40, 1)], [2, 'data catalog record'], 'producer', 'anyone', true)
  source.addOutput({ lockingScript: locking, satoshis: 1 })
  source.addOutput({ lockingScript: new P2PKH().lock(root.toPublicKey().toAddress()), satoshis: 1000 })
  const tx = new Transaction()
  tx.addInput({
    sourceTransaction: source,
    sourceOutputIndex: 0,
    unlockingScriptTemplate: new PushDrop(wallet).unlock([2, 'data catalog record'], 'producer', 'anyone')
  })
  tx.addInput({ sourceTransaction: source, sourceOutputIndex: 1, unlockingScriptTemplate: new P2PKH().unlock(root) })
  tx.addOutput({ lockingScript: new P2PKH().lock(root.toPublicKey().toAddress()), satoshis: 900 })
  await tx.sign()
  write('spending.json', 'a transaction that spends a PushDrop output and a P2PKH output; inputs in that order', {
    identity: root.toPublicKey().toString(),
    source: source.toHex(),
    transaction: tx.toHex(),
    unlocking: tx.inputs.map((input) => input.unlockingScript.toHex())
  })
}

async function brc2 () {
  const symmetric = []
  for (const size of [1, 15, 16, 17, 32, 100, 1000]) {
    const key = size === 17 ? '00'.repeat(3) + hex(sha256('key', '17')).slice(6) : hex(sha256('key', String(size)))
    const plaintext = filled(size, size & 0xff)
    const encrypted = new SymmetricKey(key, 16).encrypt(plaintext)
    if (hex(new SymmetricKey(key, 16).decrypt(encrypted)) !== hex(plaintext)) throw new Error('not its own inverse')
    symmetric.push({ key, plaintext: hex(plaintext), iv: hex(encrypted.slice(0, 32)), encrypted: hex(encrypted) })
  }
  const root = keyOf('brc2')
  const other = keyOf('brc2 other').toPublicKey().toString()
  const wallet = new ProtoWallet(root)
  const wrapped = []
  for (const counterparty of ['self', other]) {
    const args = { protocolID: [2, 'data catalog sealed'], keyID: '1', counterparty }
    const { ciphertext } = await wallet.encrypt({ ...args, plaintext: filled(32, 9) })
    const key = wallet.keyDeriver.deriveSymmetricKey(args.protocolID, args.keyID, counterparty).toHex().padStart(64, '0')
    wrapped.push({ root: root.toHex(), protocol: 'data catalog sealed', keyID: '1', counterparty, key, plaintext: hex(filled(32, 9)), encrypted: hex(ciphertext) })
  }
  write('brc2.json', 'SymmetricKey.encrypt, and ProtoWallet.encrypt with the key that it derives', { symmetric, wrapped })
}

async function uhrp () {
  const urls = ['', 'a', 'hello'].map((text) => {
    const hash = [...sha256(text)]
    return { sha256: hex(hash), url: StorageUtils.getURLForHash(hash) }
  })
  const bad = [urls[1].url.slice(0, -1), urls[1].url.replace('X', 'Y'), 'uhrp:', Utils.toBase58Check(bytes(urls[0].sha256), [0xce, 0x01])]
  for (const url of bad) if (StorageUtils.isValidURL(url)) throw new Error(`valid after all: ${url}`)
  const root = keyOf('uhrp')
  const tokens = []
  for (const size of [1, 15, 17, 128, 129, 252, 253, 65536, 11000000000]) {
    const url = 'https://storage.example/cdn/' + size
    const hash = sha256('stored', String(size))
    const fields = [bytes(root.toPublicKey().toString()), [...hash], utf8(url), varint(1767225600), varint(size)]
    tokens.push({ sha256: hex(hash), url, expires: 1767225600, size, ...(await token(root, 'uhrp advertisement', '1', fields)) })
  }
  const lost = PushDrop.decode(LockingScript.fromHex((await token(root, 'uhrp advertisement', '1', [varint(16)])).locking)).fields[0]
  if (lost.length !== 0) throw new Error('the SDK has learnt to read 16')
  write('uhrp.json', 'StorageUtils URLs; UHRP advertisement tokens', { urls, bad, tokens })
}

// Catches what a facilitator sends, and answers it.
function caught (answer, headers = {}) {
  const seen = {}
  const fetch = async (url, options) => {
    Object.assign(seen, { url, ...options })
    return { ok: true, headers: new Headers(headers), json: async () => answer, arrayBuffer: async () => Uint8Array.from(answer).buffer }
  }
  return { seen, fetch }
}

async function submission () {
  const cases = []
  for (const [topics, beefSize, offChain] of [
    [['tm_data_catalog'], 60, undefined],
    [['tm_data_catalog', 'tm_uhrp'], 252, filled(10, 5)],
    [['tm_ship'], 253, []],
    [['tm_data_catalog'], 70000, filled(300, 1)]
  ]) {
    const { seen, fetch } = caught({})
    globalThis.fetch = fetch
    await new HTTPSOverlayBroadcastFacilitator(fetch).send('https://host.example', { beef: filled(beefSize, 2), topics, offChainValues: offChain })
    cases.push({
      topics,
      beefSize,
      beefSeed: 2,
      offChain: offChain && hex(offChain),
      headers: Object.fromEntries(Object.entries(seen.headers).map(([name, value]) => [name.toLowerCase(), value])),
      bodySha256: hex(sha256(seen.body)),
      bodyStart: hex(seen.body.slice(0, 16))
    })
  }
  write('submission.json', 'what HTTPSOverlayBroadcastFacilitator sends to /submit; beef is bytes (i * 7 + seed) & 255', { cases })
}

async function answer () {
  const root = keyOf('answer')
  const transactions = [0, 1].map((n) => {
    const tx = new Transaction()
    tx.addInput({ sourceTXID: hex(sha256('earlier', String(n))), sourceOutputIndex: 0, unlockingScript: LockingScript.fromHex('51') })
    for (let vout = 0; vout < (n === 0 ? 2 : 300); vout++) tx.addOutput({ lockingScript: LockingScript.fromHex('51'), satoshis: 1 + n })
    return tx
  })
  const leaves = transactions.map((tx, offset) => ({ offset, hash: tx.id('hex'), txid: true }))
  for (const tx of transactions) tx.merklePath = new MerklePath(100, [leaves])
  const merged = new Beef()
  for (const tx of transactions) merged.mergeTransaction(tx)
  const entries = [
    { txid: transactions[0].id('hex'), vout: 0, context: '' },
    { txid: transactions[0].id('hex'), vout: 1, context: hex(filled(260, 4)) },
    { txid: transactions[1].id('hex'), vout: 299, context: '00' }
  ]
  const writer = new Utils.Writer().writeVarIntNum(entries.length)
  for (const { txid, vout, context } of entries) {
    writer.write(bytes(txid)).writeVarIntNum(vout).writeVarIntNum(context.length / 2).write(bytes(context))
  }
  const beef = merged.toBinary()
  const body = [...writer.toArray(), ...beef]
  const { seen, fetch } = caught(body, { 'content-type': 'application/octet-stream' })
  const read = await new HTTPSOverlayLookupFacilitator(fetch).lookup('https://host.example', { service: 'ls_data_catalog', query: {} })
  write('answer.json', 'an aggregated look-up answer, and what HTTPSOverlayLookupFacilitator reads from it', {
    requestHeaders: seen.headers,
    body: hex(body),
    beef: hex(beef),
    entries,
    read: read.outputs.map(({ outputIndex, context, beef }) => ({
      outputIndex,
      context: context === undefined ? null : hex(context),
      txid: Transaction.fromBEEF(beef).id('hex')
    })),
    json: { type: 'output-list', outputs: [{ beef: [...transactions[0].toBEEF()], outputIndex: 1, context: [1, 2, 255] }] },
    jsonBeef: hex(transactions[0].toBEEF())
  })
}

// SHIP and SLAP, as WalletAdvertiser makes them, and as trackers refuse them: other counterparties, and whose key is not whose.
async function advertisement () {
  const protocols = { SHIP: 'service host interconnect', SLAP: 'service lookup availability' }
  const root = keyOf('advertisement')
  const identity = root.toPublicKey().toString()
  const fields = (protocol, url, name, owner = identity) => [utf8(protocol), bytes(owner), utf8(url), utf8(name)]
  const tokens = []
  for (const [protocol, url, name] of [
    ['SHIP', 'https://data.example.com', 'tm_data_crypto_price_feeds'],
    ['SLAP', 'https://data.example.com', 'ls_data_crypto_price_feeds'],
    ['SHIP', 'https://data.example.com:8443', 'tm_a'],
    ['SLAP', 'https://data.example.com', 'ls_' + 'a'.repeat(47)],
    ['SHIP', 'https+bsvauth+smf://host.example/', 'tm_ship'],
    ['SLAP', 'https+rtt://host.example', 'ls_slap'],
    ['SLAP', 'wss://host.example/live?feed=1', 'ls_slap'],
    ['SHIP', 'js8c+bsvauth+smf:?lat=40&long=-130&freq=40meters&radius=1000miles', 'tm_ship']
  ]) {
    tokens.push({ protocol, url, name, ...(await token(root, protocols[protocol], '1', fields(protocol, url, name))), protocol })
  }
  const good = fields('SHIP', 'https://data.example.com', 'tm_ship')
  const made = async (why, list, protocolID, counterparty, forSelf, keyID = '1') => {
    const locking = await new PushDrop(new ProtoWallet(root)).lock(list, [2, protocolID], keyID, counterparty, forSelf)
    return { why, locking: locking.toHex() }
  }
  const template = new OverlayAdminTokenTemplate(new ProtoWallet(root))
  const refused = [
    { why: 'counterparty self, as OverlayAdminTokenTemplate', locking: (await template.lock('SHIP', 'https://data.example.com', 'tm_ship')).toHex() },
    await made('counterparty anyone without forSelf', good, protocols.SHIP, 'anyone', false),
    await made('the key of the other protocol', good, protocols.SLAP, 'anyone', true),
    await made('another key ID', good, protocols.SHIP, 'anyone', true, '2'),
    await made("another's identity key", fields('SHIP', 'https://data.example.com', 'tm_ship', keyOf('other').toPublicKey().toString()), protocols.SHIP, 'anyone', true),
    await made('a field too many', [...good, utf8('more')], protocols.SHIP, 'anyone', true),
    await made('a field too few', good.slice(0, 3), protocols.SHIP, 'anyone', true),
    await made('a digit in the name', fields('SHIP', 'https://data.example.com', 'tm_btc2'), protocols.SHIP, 'anyone', true),
    await made('a service by SHIP', fields('SHIP', 'https://data.example.com', 'ls_ship'), protocols.SHIP, 'anyone', true),
    await made('http', fields('SHIP', 'http://data.example.com', 'tm_ship'), protocols.SHIP, 'anyone', true),
    await made('localhost', fields('SHIP', 'https://localhost:8080', 'tm_ship'), protocols.SHIP, 'anyone', true),
    await made('a path', fields('SHIP', 'https://data.example.com/overlay', 'tm_ship'), protocols.SHIP, 'anyone', true)
  ]
  write('advertisement.json', 'SHIP and SLAP tokens, PushDrop.lock with counterparty anyone and forSelf; and such as must be refused', { tokens, refused })
}

for (const make of [pushdrop, derivation, record, spending, brc2, uhrp, submission, answer, advertisement]) await make()
