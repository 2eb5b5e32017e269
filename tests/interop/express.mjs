// A server of the reference: express with auth-express-middleware, until its stdin is closed.
//
// Question, the first line of stdin: { key, requested?, certificates? }: what it asks clients for, and what it has itself.
// Answer: { url, identityKey } once it listens.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { Holder } from './holder.mjs'
import { sdk } from './peer.mjs'

const require = createRequire(import.meta.url)
const express = require('express')
const { createAuthMiddleware } = require('@bsv/auth-express-middleware')
const { PrivateKey, SessionManager } = sdk

// What the reference's server keeps of its sessions, which a route can make it forget, as a restart does.
class Forgetful extends SessionManager {
  inner = new SessionManager()
  addSession (session) { this.inner.addSession(session) }
  updateSession (session) { this.inner.updateSession(session) }
  getSession (identifier) { return this.inner.getSession(identifier) }
  removeSession (session) { this.inner.removeSession(session) }
  hasSession (identifier) { return this.inner.hasSession(identifier) }
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { key, requested, certificates = [] } = JSON.parse((await lines.next()).value)
const wallet = new Holder(PrivateKey.fromHex(key))
for (const each of certificates) await wallet.certify(each)
const sessionManager = new Forgetful()

const app = express()
app.get('/-/forget', (_, response) => {
  sessionManager.inner = new SessionManager()
  response.send('done')
})
app.use(express.json())
app.use(express.urlencoded({ extended: false }))
app.use(express.text())
app.use(express.raw({ type: 'application/octet-stream' }))
app.use(createAuthMiddleware({
  wallet,
  sessionManager,
  allowUnauthenticated: false,
  certificatesToRequest: requested,
  onCertificatesReceived: (subject, received, request, response, next) => {}
}))
app.get('/empty', (_, response) => { response.status(200).end() })
app.get('/nothing', (_, response) => { response.status(204).end() })
app.get('/missing', (_, response) => { response.status(404).json({ status: 'error' }) })
app.use((request, response) => {
  const body = Buffer.isBuffer(request.body) ? request.body.toString('hex') : request.body
  response.set('x-bsv-answer', 'yes')
  response.json({ identityKey: request.auth.identityKey, method: request.method, url: request.originalUrl, body })
})

const server = app.listen(0, '127.0.0.1', async () => {
  const { publicKey } = await wallet.getPublicKey({ identityKey: true })
  const url = `http://127.0.0.1:${server.address().port}`
  process.stdout.write(`${JSON.stringify({ url, identityKey: publicKey })}\n`)
})
await lines.next()
process.exit(0)
