// Makes the receipt vectors beside this folder by running the TypeScript SDK; deterministic.
//
//   npm install --no-save @bsv/sdk@2.1.0 && node tests/vectors/generate/receipt.mjs [folder to write into]

import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { PrivateKey, ProtoWallet, Utils } from '@bsv/sdk'

const folder = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'))
const madeBy = '@bsv/sdk 2.1.0 (TypeScript), tests/vectors/generate/receipt.mjs'

const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const keyOf = (name) => PrivateKey.fromHex(sha256(name))
const identityOf = (name) => keyOf(name).toPublicKey().toString()

// RFC 8785 for objects of short ASCII texts and small whole numbers, which is all that a receipt has.
const canonical = (value) =>
  typeof value === 'object'
    ? `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`
    : JSON.stringify(value)

// Deterministic CBOR of an array of texts (up to 255 bytes) and byte strings (24 to 255 bytes).
const head = (major, length) => (length < 24 ? [major | length] : [major | 24, length])
const cbor = (items) =>
  Buffer.concat([
    Buffer.from(head(0x80, items.length)),
    ...items.flatMap((item) => {
      const data = Buffer.from(item)
      return [Buffer.from(head(typeof item === 'string' ? 0x60 : 0x40, data.length)), data]
    })
  ])

const receipt = async ({ good, quantity, method, satoshis }) => {
  const text = `${good.kind}/${good.name}${quantity === 1 ? '' : ` x ${quantity}`}`
  const txid = sha256(`payment for ${text}`)
  const buyer = identityOf('a buyer')
  const id = sha256(cbor(['receipt', Buffer.from(txid, 'hex'), Buffer.from(buyer, 'hex'), text]))
  const body = {
    version: 1,
    id,
    network: sha256('a chain'),
    producer: identityOf('a producer'),
    gateway: identityOf('a gateway'),
    buyer,
    good: { ...good, documentHash: sha256(`document of ${text}`) },
    quantity,
    method,
    price: satoshis,
    satoshis,
    txid,
    issued: 1800000000,
    allowance: { downloads: 10, bytes: 10485760, until: 1802592000 }
  }
  const data = Utils.toArray(canonical(body), 'utf8')
  const key = { protocolID: [2, 'data receipt'], keyID: id, counterparty: 'anyone' }
  const { signature } = await new ProtoWallet(keyOf('a gateway')).createSignature({ data, ...key })
  const { valid } = await new ProtoWallet('anyone').verifySignature({
    data,
    signature,
    ...key,
    counterparty: body.gateway
  })
  if (!valid) throw new Error('anyone could not check it')
  return canonical({ ...body, signature: Buffer.from(signature).toString('hex') })
}

const made = [
  { good: { kind: 'dataset', name: 'crypto/btc-history' }, quantity: 1, method: 'brc105', satoshis: 2500 },
  { good: { kind: 'dataset', name: 'tables' }, quantity: 50, method: 'native', satoshis: 2100000000000000 },
  { good: { kind: 'stream', name: 'btc_live' }, quantity: 60, method: 'brc121', satoshis: 900 },
  { good: { kind: 'tier', name: 'gold' }, quantity: 1, method: 'brc41', satoshis: 1 }
]
const receipts = []
for (const each of made) receipts.push(await receipt(each))

writeFileSync(
  join(folder, 'receipt.json'),
  `${JSON.stringify({ what: 'receipts, signed by the key of SHA-256 of "a gateway"', madeBy, receipts }, null, 1)}\n`
)
