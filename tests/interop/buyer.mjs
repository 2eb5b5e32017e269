// AuthFetch buys, with a wallet that makes real transactions.
//
// Question: { origin, key, coins: [{ beef, vout }], short?, steps: [{ path, method?, headers?, body? }] }.
// Answer: { answers: for each step { status, headers, body } or the text of what went wrong, made: the ids of payments }.

import { answer, question, sdk } from './peer.mjs'
import { Wallet } from './wallet.mjs'

console.info = console.warn = console.error = () => {} // AuthFetch logs to stdout
const { origin, key, coins, short, steps } = question()
const wallet = new Wallet(key, coins, { short })
const client = new sdk.AuthFetch(wallet)

const answers = []
for (const { path, ...options } of steps) {
  try {
    const response = await client.fetch(origin + path, options)
    answers.push({ status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() })
  } catch (error) {
    answers.push(String(error))
  }
}
answer({ answers, made: wallet.made })
