// The reference's server as it is meant to be used: express, both middlewares, sessions in memory. Its wallet takes whatever
// it is shown, and keeps nothing: what is measured of it is HTTP and signatures. Ends with its stdin.

import { createAuthMiddleware } from '@bsv/auth-express-middleware'
import { createPaymentMiddleware } from '@bsv/payment-express-middleware'
import { PrivateKey, ProtoWallet } from '@bsv/sdk'
import express from 'express'

const { key, price } = JSON.parse(process.argv[2])
const wallet = new ProtoWallet(PrivateKey.fromHex(key))
wallet.internalizeAction = async () => ({ accepted: true })
const app = express()
app.use(express.json())
app.use(createAuthMiddleware({ wallet }))
app.use(createPaymentMiddleware({ wallet, calculateRequestPrice: () => price }))
app.post('/v1/datasets/:name/access', (request, response) => {
  response.json({ receipt: { buyer: request.auth.identityKey, satoshis: request.payment.satoshisPaid } })
})
const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })}\n`)
})
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
