// @packetpay/js buys, with a wallet that makes real transactions in place of the server ("ninja", "dojo") that it would ask.
//
// Question: { origin, key, coins: [{ beef, vout }], short?, paths }. Answer: { answers: [{ status, headers, body }], made }.

import { createRequire } from 'node:module'
import { answer, question, sdk } from './peer.mjs'
import { Wallet } from './wallet.mjs'

const require = createRequire(import.meta.url)
const ninja = require('ninja-base')
const { toEnvelopeFromBEEF } = require('@babbage/sdk-ts/out/src/utils/toBEEF.js')

console.log = console.warn = console.error = () => {}
const { origin, key, coins, short, paths } = question()
const wallet = new Wallet(key, coins, { short })

ninja.Ninja.prototype.getTransactionWithOutputs = async function ({ outputs }) {
  const asked = outputs.map(({ script, satoshis }) => ({ satoshis, lockingScript: script }))
  const { tx } = await wallet.createAction({ outputs: asked, options: { randomizeOutputs: false } })
  return { ...toEnvelopeFromBEEF(sdk.Transaction.fromAtomicBEEF(tx)), mapiResponses: [], note: 'paid' }
}
const pay = require('@packetpay/js')

const answers = []
for (const path of paths) {
  const response = await pay(origin + path, { method: 'POST', body: {} }, { clientPrivateKey: key })
  const body = Buffer.from(response.body).toString()
  answers.push({ status: response.status, headers: Object.fromEntries(response.headers), body })
}
answer({ answers, made: wallet.made })
