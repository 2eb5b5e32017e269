// A second implementation of docs/protocol.md: rebuilds its examples with the reference SDK, node:crypto, and what the page says.
//
// Question: [{ name, given, then }]. Answer: { name: then }. Of transactions, which outputs there are is taken from `then`: how an
// apply is laid out is the writer's choice, and what is held here is what readers depend on, from keys to transaction ids.

import { createCipheriv, hkdfSync } from 'node:crypto'
import { answer, hex, question, sdk, sha256 } from './peer.mjs'

const { Beef, LockingScript, P2PKH, PrivateKey, ProtoWallet, PublicKey, PushDrop, StorageUtils, Transaction, Utils } = sdk

const bytes = text => [...Buffer.from(text, 'hex')]
const utf8 = text => [...Buffer.from(text)]
const base64 = data => Buffer.from(data).toString('base64')
const varint = value => new Utils.Writer().writeVarIntNum(value).toArray()
const identityOf = secret => PrivateKey.fromHex(secret).toPublicKey().toString()
const walletOf = secret => new ProtoWallet(PrivateKey.fromHex(secret))

// 0. Bytes and keys

const json = value => {
  if (Array.isArray(value)) return `[${value.map(json).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  return `{${Object.keys(value).sort().map(key => `${JSON.stringify(key)}:${json(value[key])}`).join(',')}}`
}

const head = (major, count) => {
  const width = count < 24 ? 0 : count < 2 ** 8 ? 1 : count < 2 ** 16 ? 2 : count < 2 ** 32 ? 4 : 8
  const digits = width === 0 ? '' : BigInt(count).toString(16).padStart(2 * width, '0')
  return [(major << 5) | (width === 0 ? count : 24 + Math.log2(width)), ...bytes(digits)]
}

// Byte strings are { hex }; a Map is a map whose keys may be byte strings.
const cbor = value => {
  if (value === null) return [0xf6]
  if (typeof value === 'boolean') return [value ? 0xf5 : 0xf4]
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === 'string') return [...head(3, utf8(value).length), ...utf8(value)]
  if (Array.isArray(value)) return [...head(4, value.length), ...value.flatMap(cbor)]
  if (typeof value.hex === 'string') return [...head(2, value.hex.length / 2), ...bytes(value.hex)]
  const entries = value instanceof Map ? [...value] : Object.entries(value)
  const pairs = entries.map(([key, item]) => [cbor(key), cbor(item)])
  pairs.sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
  return [...head(5, pairs.length), ...pairs.flat(2)]
}

const derived = (key, info) => new Uint8Array(hkdfSync('sha256', Buffer.from(key), Buffer.alloc(0), info, 32))

const aes = (key, nonce, plaintext, bound) => {
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key), Buffer.from(nonce))
  if (bound !== undefined) cipher.setAAD(Buffer.from(bound))
  return [...cipher.update(Buffer.from(plaintext)), ...cipher.final(), ...cipher.getAuthTag()]
}

const box = (key, plaintext, nonce, bound) => {
  const padded = [...utf8(json(plaintext)), 0x80]
  while (padded.length % 64 !== 0) padded.push(0)
  return [...bytes(nonce), ...aes(key, bytes(nonce), padded, bound)]
}

// BRC-2 with an IV that is given; that the SDK itself opens it is seen to.
const encrypted = async (secret, protocol, keyID, counterparty, plaintext, iv) => {
  const wallet = walletOf(secret)
  const key = wallet.keyDeriver.deriveSymmetricKey([2, protocol], keyID, counterparty).toHex().padStart(64, '0')
  const ciphertext = [...bytes(iv), ...aes(bytes(key), bytes(iv), plaintext)]
  const opened = await wallet.decrypt({ ciphertext, protocolID: [2, protocol], keyID, counterparty })
  if (hex(opened.plaintext) !== hex(plaintext)) throw new Error('the SDK opens something else')
  return ciphertext
}

const mac = async (secret, protocol, data) =>
  (await walletOf(secret).createHmac({ data, protocolID: [2, protocol], keyID: '1', counterparty: 'self' })).hmac

const publicKey = async (secret, protocol, keyID, counterparty, forSelf) =>
  (await walletOf(secret).getPublicKey({ protocolID: [2, protocol], keyID, counterparty, forSelf })).publicKey

const p2pkh = key => new P2PKH().lock(PublicKey.fromString(key).toAddress()).toHex()

const encodings = given => ({ json: json(given.json), sha256: sha256(utf8(json(given.json))), cbor: hex(cbor(given.cbor)) })

const keys = async given => {
  const made = []
  for (const { protocol, keyID, counterparty } of given.keys) {
    const key = await publicKey(given.secret, protocol, keyID, counterparty, true)
    made.push({ public: key, p2pkh: p2pkh(key) })
  }
  return { identity: identityOf(given.secret), keys: made }
}

// 2. Record tokens, and 8. advertisements

const outpoint = text => {
  const [txid, vout] = text.split('.')
  return hex([...bytes(txid).reverse(), ...new Utils.Writer().writeUInt32LE(Number(vout)).toArray()])
}

const pushdrop = async (secret, protocol, keyID, fields) => {
  const script = await new PushDrop(walletOf(secret)).lock(fields, [2, protocol], keyID, 'anyone', true)
  const decoded = PushDrop.decode(LockingScript.fromHex(script.toHex()))
  return { script: script.toHex(), lockingKey: decoded.lockingPublicKey.toString(), signature: decoded.fields.at(-1) }
}

const recordToken = async ({ secret, kind, name, documentHash, spends, parents }) => {
  const p = parents.length === 0 ? {} : { p: parents.map(parent => ({ hex: parent })) }
  const anchor = cbor({ i: { hex: outpoint(spends) }, mh: { hex: documentHash }, ...p })
  const keyID = kind === 'producer' ? kind : `${kind} ${name}`
  const fields = [utf8('DLM1'), bytes(identityOf(secret)), utf8(kind), utf8(name), anchor]
  const { script, lockingKey, signature } = await pushdrop(secret, 'data catalog record', keyID, fields)
  return { anchor: hex(anchor), keyID, lockingKey, signature: hex(signature), script }
}

const AD_PROTOCOLS = { SHIP: 'service host interconnect', SLAP: 'service lookup availability' }

const adScript = async (secret, { protocol, url, name }) => {
  const fields = [utf8(protocol), bytes(identityOf(secret)), utf8(url), utf8(name)]
  return (await pushdrop(secret, AD_PROTOCOLS[protocol], '1', fields)).script
}

const advertisements = async given => ({ scripts: await Promise.all(given.tokens.map(ad => adScript(given.secret, ad))) })

const storageAdvert = async ({ secret, stored, url, expires }) => {
  const data = bytes(stored)
  const fields = [bytes(identityOf(secret)), bytes(sha256(data)), utf8(url), varint(expires), varint(data.length)]
  const signed = fields.map(field => [...field])
  const { script, lockingKey, signature } = await pushdrop(secret, 'uhrp advertisement', '1', fields)
  return { uhrp: StorageUtils.getURLForHash(bytes(sha256(data))), fields: [...signed, signature].map(hex), script, lockingKey }
}

// 3. Documents

const document = given => ({ documentHash: sha256(utf8(json(given))), bytes: utf8(json(given)).length })

const sealedRecord = ({ seed, kind, name, plaintext, nonce }) =>
  ({ box: hex(box(derived(bytes(seed), `seal | ${kind} | ${name}`), plaintext, nonce, cbor([kind, name]))) })

const sealedState = async ({ secret, readers, plaintext, dataKey, ivs, nonce }) => {
  const wrapped = new Map()
  for (const [index, reader] of [...readers].sort().entries()) {
    const other = reader === identityOf(secret) ? 'self' : reader
    const key = await encrypted(secret, 'data catalog sealed', '1', other, bytes(dataKey), ivs[index])
    wrapped.set({ hex: reader }, { hex: hex(key) })
  }
  const c = { hex: hex(box(bytes(dataKey), plaintext, nonce, cbor({ v: 1, w: wrapped }))) }
  const sealed = cbor({ v: 1, w: wrapped, c })
  return { sealed: hex(sealed), sha256: sha256(sealed), size: sealed.length }
}

// RFC 6962 as it is written: the left tree is the largest power of two that is smaller.
const tree = leaves => {
  if (leaves.length < 2) return leaves.length === 0 ? sha256([]) : sha256([0, ...leaves[0]])
  const left = 2 ** Math.ceil(Math.log2(leaves.length) - 1)
  return sha256([1, ...bytes(tree(leaves.slice(0, left))), ...bytes(tree(leaves.slice(left)))])
}

const path = (leaves, index) => {
  if (leaves.length < 2) return []
  const left = 2 ** Math.ceil(Math.log2(leaves.length) - 1)
  return index < left
    ? [...path(leaves.slice(0, left), index), tree(leaves.slice(left))]
    : [...path(leaves.slice(left), index - left), tree(leaves.slice(0, left))]
}

const stateRoot = given => {
  const leaves = given.map(({ kind, name, documentHash }) => hex(cbor([kind, name, { hex: documentHash }])))
  const ordered = all => [...all].sort().map(bytes)
  const proof = leaf => [...leaves].sort().indexOf(leaf)
  return {
    leaves,
    roots: Array.from({ length: given.length + 1 }, (_, count) => tree(ordered(leaves.slice(0, count)))),
    proofs: leaves.map(leaf => ({ index: proof(leaf), path: path(ordered(leaves), proof(leaf)) }))
  }
}

// 4. Transactions

// Signs inputs { outpoint, satoshis, script, protocol, keyID, counterparty } to outputs { satoshis, script }.
const signed = async (secret, inputs, outputs) => {
  const wallet = walletOf(secret)
  const made = new Transaction()
  for (const { outpoint, satoshis, script, protocol, keyID, counterparty } of inputs) {
    const [sourceTXID, vout] = outpoint.split('.')
    const locking = LockingScript.fromHex(script)
    const isMoney = script.startsWith('76a914')
    const child = isMoney ? wallet.keyDeriver.derivePrivateKey([2, protocol], keyID, counterparty) : undefined
    const unlockingScriptTemplate = isMoney
      ? new P2PKH().unlock(child, 'all', false, satoshis, locking)
      : new PushDrop(wallet).unlock([2, protocol], keyID, 'anyone', 'all', false, satoshis, locking)
    made.addInput({ sourceTXID, sourceOutputIndex: Number(vout), sequence: 0xffffffff, unlockingScriptTemplate })
  }
  for (const { satoshis, script } of outputs) made.addOutput({ satoshis, lockingScript: LockingScript.fromHex(script) })
  await made.sign()
  return made
}

const applied = async (given, then) => {
  const coins = new Map(given.coins.map(coin => [coin.outpoint, { ...coin, counterparty: 'self' }]))
  const told = []
  for (const { role, spends, outputs, fee, raw } of then) {
    const lock = async ({ protocol, keyID }) => {
      if (protocol === 'data catalog coin') return p2pkh(await publicKey(given.secret, protocol, keyID, 'self', true))
      const ad = (given.ads ?? []).find(ad => AD_PROTOCOLS[ad.protocol] === protocol)
      if (ad !== undefined) return await adScript(given.secret, ad)
      const [kind, name] = keyID === 'producer' ? [keyID, given.name] : keyID.split(' ')
      const documentHash = role === 'lock' ? given.pendingDocument : given.documents[`${kind}/${name}`]
      return (await recordToken({ secret: given.secret, kind, name, documentHash, spends: spends[0], parents: [] })).script
    }
    const scripts = await Promise.all(outputs.map(lock))
    const inputs = spends.map(spent => coins.get(spent))
    const made = await signed(given.secret, inputs, outputs.map(({ satoshis }, index) => ({ satoshis, script: scripts[index] })))
    const txid = made.id('hex')
    outputs.forEach((output, index) =>
      coins.set(`${txid}.${index}`, { ...output, outpoint: `${txid}.${index}`, script: scripts[index], counterparty: 'self' }))
    const paid = inputs.reduce((sum, coin) => sum + coin.satoshis, 0) - outputs.reduce((sum, output) => sum + output.satoshis, 0)
    told.push({ role, txid, spends, outputs, fee: paid, ...(raw === undefined ? {} : { raw: made.toHex() }) })
  }
  return told
}

// 6. Content

const sealedContent = ({ seed, dataset, plaintext }) => {
  const plain = utf8(plaintext)
  const key = derived(bytes(seed), `overlay-content-v1 | ${dataset} | ${sha256(plain)}`)
  const last = [...Array(11).fill(0), 1]
  const stored = aes(derived(key, `overlay-stream-v1 | ${2 ** 20} | ${plain.length}`), last, plain)
  return {
    contentKey: hex(key),
    keyCommitment: sha256([...utf8('overlay-key'), ...key]),
    digest: sha256([...derived(key, 'salt'), ...plain]),
    stored: hex(stored),
    part: { uhrp: StorageUtils.getURLForHash(bytes(sha256(stored))), sha256: sha256(stored), size: stored.length }
  }
}

const delivery = async ({ gatewaySecret, buyerSecret, receipt, contentKey, iv }) =>
  ({ key: base64(await encrypted(gatewaySecret, 'data content delivery', receipt, identityOf(buyerSecret), bytes(contentKey), iv)) })

// 7. Payments

const quotes = async ({ gatewaySecret, buyer, good, satoshis, random, expires }) => {
  const nonce = [...bytes(random), ...new Utils.Writer().writeUInt32BE(expires).toArray()]
  const prefix = async use =>
    base64([...nonce, ...await mac(gatewaySecret, 'payment quotes', cbor([use, { hex: hex(nonce) }, { hex: buyer }, good, satoshis]))])
  return { request: await prefix('brc-105 derivation prefix'), template: await prefix('native template quote') }
}

const grant = async ({ gatewaySecret, receipt, record, expires }) => {
  const start = [...bytes(receipt), ...new Utils.Writer().writeUInt32BE(expires).toArray()]
  const seal = await mac(gatewaySecret, 'content grants', cbor(['content grant', { hex: hex(start) }, record]))
  return { grant: Buffer.from([...start, ...seal]).toString('base64url') }
}

const BRC29 = '3241645161d8'

const payment = async ({ buyerSecret, gatewaySecret, prefix, suffix, satoshis, spends, beef }) => {
  const script = p2pkh(await publicKey(buyerSecret, BRC29, `${prefix} ${suffix}`, identityOf(gatewaySecret), false))
  const whole = Beef.fromBinary(bytes(beef))
  const [source, vout] = spends.split('.')
  const { satoshis: has, lockingScript } = whole.findTxid(source).tx.outputs[vout]
  const coin = { outpoint: spends, satoshis: has, script: lockingScript.toHex(), protocol: 'data catalog coin', keyID: 'funding', counterparty: 'self' }
  const made = await signed(buyerSecret, [coin], [{ satoshis, script }])
  whole.mergeRawTx(made.toBinary())
  const transaction = base64(whole.toBinaryAtomic(made.id('hex')))
  return { script, txid: made.id('hex'), 'x-bsv-payment': JSON.stringify({ derivationPrefix: prefix, derivationSuffix: suffix, transaction }) }
}

const simplePayment = async ({ buyerSecret, gatewaySecret, nonce, time, vout, beef }) => {
  const suffix = base64(utf8(String(time)))
  const headers = {
    'x-bsv-beef': base64(bytes(beef)),
    'x-bsv-sender': identityOf(buyerSecret),
    'x-bsv-nonce': nonce,
    'x-bsv-time': String(time),
    'x-bsv-vout': String(vout)
  }
  return { suffix, script: p2pkh(await publicKey(buyerSecret, BRC29, `${nonce} ${suffix}`, identityOf(gatewaySecret), false)), headers }
}

// Largest remainder, in ten-thousandths.
const apportioned = (total, splits, gateway) => {
  const parts = splits.map(({ to, share }, index) => {
    const exact = total * Math.round(Number(share) * 10000)
    return { index, payee: to === 'producer' ? gateway : to, satoshis: Math.floor(exact / 10000), left: exact % 10000 }
  })
  let over = total - parts.reduce((sum, part) => sum + part.satoshis, 0)
  for (const part of [...parts].sort((one, other) => other.left - one.left || one.index - other.index)) part.satoshis += over-- > 0 ? 1 : 0
  return parts.filter(({ satoshis }) => satoshis > 0).map(({ payee, satoshis }) => ({ payee, satoshis }))
}

const nativeTemplate = async ({ gatewaySecret, buyer, good, satoshis, quote, expires, splits }) => {
  const gateway = identityOf(gatewaySecret)
  const portions = apportioned(satoshis, splits, gateway)
  const shares = portions.map(portion => [{ hex: portion.payee }, portion.satoshis])
  const id = sha256(cbor(['native payment template 1', { hex: gateway }, { hex: buyer }, good, satoshis, quote, expires, shares]))
  const outputs = []
  for (const [index, portion] of portions.entries()) {
    const isOurs = portion.payee === gateway
    const key = await publicKey(gatewaySecret, BRC29, `${id} ${index}`, isOurs ? buyer : portion.payee, isOurs)
    outputs.push({ satoshis: portion.satoshis, script: p2pkh(key), to: isOurs ? 'producer' : 'payee' })
  }
  const named = portions.map(({ payee }, index) => ({ keyID: `${id} ${index}`, counterparty: payee === gateway ? buyer : gateway }))
  return { portions, template: { id, expires, satoshis, outputs }, keys: named }
}

const receipt = async given => {
  const { gatewaySecret, good, quantity, txid, buyer, ...said } = given
  const named = `${good.kind}/${good.name}` + (quantity === 1 ? '' : ` x ${quantity}`)
  const id = sha256(cbor(['receipt', { hex: txid }, { hex: buyer }, named]))
  const body = { version: 1, id, gateway: identityOf(gatewaySecret), good, quantity, txid, buyer, ...said }
  const { signature } = await walletOf(gatewaySecret).createSignature({
    data: utf8(json(body)), protocolID: [2, 'data receipt'], keyID: id, counterparty: 'anyone'
  })
  return { receipt: { ...body, signature: hex(signature) } }
}

const payouts = async ({ gatewaySecret, producerSecret, buyerSecret, prefix, suffix, satoshisPerByte, beef }) => {
  const whole = Beef.fromBinary(bytes(beef))
  const { satoshis: has, lockingScript } = whole.findTxid(whole.atomicTxid).tx.outputs[0]
  const coin = {
    outpoint: `${whole.atomicTxid}.0`, satoshis: has, script: lockingScript.toHex(), protocol: BRC29, keyID: `${prefix} ${suffix}`, counterparty: identityOf(buyerSecret)
  }
  const counterparty = identityOf(gatewaySecret)
  const satoshis = has - satoshisPerByte * (16 + 148 + 34)
  const paid = async (secret, protocol, keyID) => {
    const script = p2pkh(await publicKey(gatewaySecret, protocol, keyID, identityOf(secret), false))
    const made = await signed(gatewaySecret, [coin], [{ satoshis, script }])
    if (script !== p2pkh(await publicKey(secret, protocol, keyID, counterparty, true))) throw new Error('who is paid has another key')
    return { protocol, keyID, counterparty, satoshis, txid: made.id('hex'), raw: made.toHex() }
  }
  return {
    settlement: await paid(producerSecret, 'data catalog coin', `settle ${coin.outpoint} 0`),
    refund: await paid(buyerSecret, BRC29, `${whole.atomicTxid} refund`)
  }
}

const bundle = async given => {
  const { derivationPrefix: prefix, derivationSuffix: suffix, transaction } = JSON.parse(given['x-bsv-payment'])
  const { buyer, good, price, satoshis, accept } = given
  const beef = { hex: Buffer.from(transaction, 'base64').toString('hex') }
  const entry = { method: 'brc105', buyer, prefix, suffix, vout: 0, beef, good, price, satoshis, accept, terms: null, returned: null }
  const plain = cbor({ version: 1, payments: [entry] })
  return { plaintext: hex(plain), sealed: hex(await encrypted(given.gatewaySecret, 'gateway coin bundle', '1', 'self', plain, given.iv)) }
}

const REBUILT = {
  encodings,
  keys,
  'record-token': recordToken,
  'off-chain-values': given => ({ values: hex(cbor(given.documents.map(each => ({ hex: each })))) }),
  'record-document': document,
  'sealed-record': sealedRecord,
  'state-root': stateRoot,
  'root-document': document,
  'sealed-state': sealedState,
  genesis: applied,
  update: applied,
  'large-set': applied,
  'sealed-content': sealedContent,
  'key-delivery': delivery,
  quotes,
  payment,
  'simple-payment': simplePayment,
  'native-template': nativeTemplate,
  receipt,
  grant,
  payouts,
  bundle,
  advertisements,
  'storage-advert': storageAdvert
}

const told = {}
for (const { name, given, then } of question()) told[name] = await REBUILT[name](given, then)
answer(told)
