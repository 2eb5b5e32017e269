// BRC-121 by the reference, whose package is not published: its sources are built here. Buys, or sells until its stdin is closed.
//
// Question, the first line of stdin: { sources, origin, key, coins: [{ beef, vout }], paths } to buy, with the answer
// { answers: [{ status, headers, body }], made: the ids of payments }; or { sources, key, price } to sell, with the answer { url,
// identityKey } once it listens. GET /-/taken says what it was paid.

import { mkdtempSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Wallet } from './wallet.mjs'

const require = createRequire(import.meta.url)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { sources, origin, key, coins, paths, price } = JSON.parse((await lines.next()).value)
const say = value => process.stdout.write(`${JSON.stringify(value)}\n`)
console.log = console.error = () => {}

const built = join(mkdtempSync(join(tmpdir(), 'brc121-')), 'index.cjs')
await require('esbuild').build({
  entryPoints: [join(sources, 'packages/middleware/402-pay/src/index.ts')],
  bundle: true,
  external: ['@bsv/sdk'],
  format: 'cjs',
  outfile: built,
  platform: 'node'
})
const { create402Fetch, createPaymentMiddleware } = require(built)
const wallet = new Wallet(key, coins)

const buy = async () => {
  const fetch402 = create402Fetch({ wallet })
  const answers = []
  for (const path of paths) {
    const response = await fetch402(origin + path)
    answers.push({ status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() })
  }
  say({ answers, made: wallet.made })
}

const sell = async () => {
  const express = require('express')
  const app = express()
  app.get('/-/taken', (_, response) => { response.json(wallet.taken) })
  app.use(createPaymentMiddleware({ wallet, calculatePrice: () => price }))
  app.use((request, response) => { response.json({ buyer: request.payment.senderIdentityKey }) })
  const server = app.listen(0, '127.0.0.1', async () => {
    const { publicKey } = await wallet.getPublicKey({ identityKey: true })
    say({ url: `http://127.0.0.1:${server.address().port}`, identityKey: publicKey })
  })
  await lines.next()
  process.exit(0)
}

await (paths === undefined ? sell() : buy())
