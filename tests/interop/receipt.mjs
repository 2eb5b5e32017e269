// The check of a receipt in the documentation, run as it stands there.
//
// Question: { program, receipts: [receipt] }. Answer: for each whether it is valid, or what the SDK says of it.

import { answer, question, sdk } from './peer.mjs'

const { program, receipts } = question()
const body = program.replace(/^import .*$/gm, '') + '\nreturn valid'
const run = new (async () => {}).constructor('ProtoWallet', 'receipt', body)
const told = []
for (const receipt of receipts) {
  told.push(await run(sdk.ProtoWallet, receipt).catch(error => error.message))
}
answer(told)
