// Opens a root's sealed document as a gateway written in TypeScript would: by its own key, and by the producer's.
//
// Question: { sealed (hex), secret (the producer's private key, hex) }. Answer: { recipients, opened: { producer, gateway } }.

import { createDecipheriv } from 'node:crypto'
import { answer, cbor, question, sdk } from './peer.mjs'

const { KeyDeriver, PrivateKey, ProtoWallet } = sdk
const { sealed, secret } = question()
const data = [...Buffer.from(sealed, 'hex')]
const { value: { c, w }, ends } = cbor(data)
const head = Buffer.from([0xa2, ...data.slice(ends.c)]) // the same map without its ciphertext

const open = async (key, counterparty) => {
  const { plaintext } = await new ProtoWallet(key).decrypt({
    ciphertext: w[key.toPublicKey().toString()],
    protocolID: [2, 'data catalog sealed'],
    keyID: '1',
    counterparty
  })
  const box = Buffer.from(c)
  const cipher = createDecipheriv('aes-256-gcm', Buffer.from(plaintext), box.subarray(0, 12))
  cipher.setAAD(head)
  cipher.setAuthTag(box.subarray(-16))
  const padded = Buffer.concat([cipher.update(box.subarray(12, -16)), cipher.final()])
  return JSON.parse(padded.subarray(0, padded.lastIndexOf(0x80)).toString())
}

const producer = PrivateKey.fromHex(secret)
const gateway = new KeyDeriver(producer).derivePrivateKey([2, 'data gateway key'], '1', 'self')

answer({
  recipients: Object.keys(w).sort(),
  gateway: gateway.toPublicKey().toString(),
  opened: { producer: await open(producer, 'self'), gateway: await open(gateway, producer.toPublicKey().toString()) }
})
