// The reference's server as it is meant to be used: express, auth-express-middleware, sessions in memory. Ends with its stdin.

import { createAuthMiddleware } from '@bsv/auth-express-middleware'
import { PrivateKey, ProtoWallet } from '@bsv/sdk'
import express from 'express'

const { key } = JSON.parse(process.argv[2])
const app = express()
app.use(express.json())
app.use(createAuthMiddleware({ wallet: new ProtoWallet(PrivateKey.fromHex(key)) }))
app.get('/v1/whoami', (request, response) => {
  response.json({ identityKey: request.auth.identityKey, tier: 'none', quota: null })
})
const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })}\n`)
})
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
