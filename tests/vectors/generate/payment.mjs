// Makes payment.json beside this folder by running the TypeScript SDK; deterministic.
//
//   npm install --no-save @bsv/sdk@2.1.0 && node tests/vectors/generate/payment.mjs [folder to write into]

import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { AuthFetch, Beef, LockingScript, P2PKH, PrivateKey, ProtoWallet, PublicKey, Transaction } from '@bsv/sdk'

const folder = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'))
const madeBy = '@bsv/sdk 2.1.0 (TypeScript), tests/vectors/generate/payment.mjs'

const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts.map((p) => Buffer.from(p)))).digest()
const keyOf = (name) => PrivateKey.fromHex(sha256(name).toString('hex'))

// What the SDK takes for random (the nonce that is the suffix) is counted up, so that two runs write the same bytes.
let drawn = 0
globalThis.crypto.getRandomValues = (array) => {
  for (let at = 0; at < array.length; at += 32) array.set(sha256('random', String(drawn++)).subarray(0, array.length - at), at)
  return array
}

// AuthFetch itself makes the payment; only the coin and its proof are ours.
async function payment (name, satoshis, prefix) {
  const payer = keyOf(`${name} payer`)
  const recipient = keyOf(`${name} recipient`)
  const wallet = new ProtoWallet(payer)
  wallet.createAction = async ({ outputs }) => {
    const coin = new Transaction()
    coin.addInput({ sourceTXID: sha256(name).toString('hex'), sourceOutputIndex: 0, sequence: 0xffffffff })
    coin.inputs[0].unlockingScript = new P2PKH().lock(payer.toAddress()) // not looked at: this is about the form
    coin.addOutput({ satoshis: satoshis + 10, lockingScript: new P2PKH().lock(payer.toAddress()) })
    const paying = new Transaction()
    paying.addInput({ sourceTransaction: coin, sourceOutputIndex: 0, unlockingScriptTemplate: new P2PKH().unlock(payer) })
    for (const output of outputs) {
      paying.addOutput({ satoshis: output.satoshis, lockingScript: LockingScript.fromHex(output.lockingScript) })
    }
    await paying.sign()
    const beef = new Beef()
    beef.mergeTransaction(coin)
    beef.mergeTransaction(paying)
    return { tx: beef.toBinaryAtomic(paying.id('hex')) }
  }
  const fetcher = new AuthFetch(wallet)
  const made = await fetcher.createPaymentContext('https://seller.example', {}, satoshis, recipient.toPublicKey().toString(), prefix)
  const key = { protocolID: [2, '3241645161d8'], keyID: `${made.derivationPrefix} ${made.derivationSuffix}` }
  const own = await new ProtoWallet(recipient).getPublicKey({ ...key, counterparty: payer.toPublicKey().toString(), forSelf: true })
  const transaction = Transaction.fromAtomicBEEF([...Buffer.from(made.transactionBase64, 'base64')])
  return {
    payer: payer.toHex(),
    recipient: recipient.toHex(),
    satoshis,
    prefix,
    suffix: made.derivationSuffix,
    key: own.publicKey,
    locking: new P2PKH().lock(PublicKey.fromString(own.publicKey).toAddress()).toHex(),
    txid: transaction.id('hex'),
    header: JSON.stringify({
      derivationPrefix: made.derivationPrefix,
      derivationSuffix: made.derivationSuffix,
      transaction: made.transactionBase64
    })
  }
}

const payments = [
  await payment('one', 1, 'AAAA'),
  await payment('price', 1000, Buffer.from(sha256('prefix')).toString('base64')),
  await payment('long', 21e14 - 10, Buffer.from(Array.from({ length: 60 }, (_, i) => i * 4)).toString('base64'))
]
writeFileSync(
  join(folder, 'payment.json'),
  JSON.stringify({ about: 'AuthFetch: x-bsv-payment as it is sent, and the key that the recipient has for it', madeBy, payments }, null, 1) + '\n'
)
