// A server of the reference that sells: express with the middlewares of authentication and payment, until its stdin is closed.
//
// Question, the first line of stdin: { key, price }. Answer: { url, identityKey } once it listens. GET /-/taken says what it was paid.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { Wallet } from './wallet.mjs'

const require = createRequire(import.meta.url)
const express = require('express')
const { createAuthMiddleware } = require('@bsv/auth-express-middleware')
const { createPaymentMiddleware } = require('@bsv/payment-express-middleware')

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { key, price } = JSON.parse((await lines.next()).value)
const wallet = new Wallet(key)

const app = express()
app.get('/-/taken', (_, response) => { response.json(wallet.taken) })
app.use(express.json())
app.use(createAuthMiddleware({ wallet, allowUnauthenticated: false }))
app.use(createPaymentMiddleware({ wallet, calculateRequestPrice: request => request.path === '/free' ? 0 : price }))
app.use((request, response) => {
  response.json({ buyer: request.auth.identityKey, paid: request.payment.satoshisPaid, body: request.body })
})

const server = app.listen(0, '127.0.0.1', async () => {
  const { publicKey } = await wallet.getPublicKey({ identityKey: true })
  const url = `http://127.0.0.1:${server.address().port}`
  process.stdout.write(`${JSON.stringify({ url, identityKey: publicKey })}\n`)
})
await lines.next()
process.exit(0)
