// A program of the documentation, run as it stands there, with a wallet that makes real transactions.
//
// Question: { program, key, coins: [{ beef, vout }] }. Answer: { receipt, content: text, made: the ids of payments }.

import { answer, question, sdk } from './peer.mjs'
import { Wallet } from './wallet.mjs'

console.info = console.warn = console.error = () => {} // AuthFetch logs to stdout
const { program, key, coins } = question()
const wallet = new Wallet(key, coins)
const body = program.replace(/^import .*$/gm, '') + '\nreturn { receipt, content }'
const run = new (async () => {}).constructor('AuthFetch', 'wallet', body)
const { receipt, content } = await run(sdk.AuthFetch, wallet)
answer({ receipt, content: Buffer.from(content).toString(), made: wallet.made })
