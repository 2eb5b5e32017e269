// A server of the reference that authenticates by Authrite: express with authrite-express, until its stdin is closed.
//
// Question, the first line of stdin: { key }. Answer: { url, identityKey } once it listens.

import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { sdk } from './peer.mjs'

const require = createRequire(import.meta.url)
const express = require('express')
const authrite = require('authrite-express')

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { key } = JSON.parse((await lines.next()).value)

const app = express()
const server = createServer(app).listen(0, '127.0.0.1', () => {
  const baseUrl = `http://127.0.0.1:${server.address().port}`
  app.use(express.json())
  app.use(authrite.middleware({ serverPrivateKey: key, baseUrl }))
  app.use((request, response) => {
    response.json({ identity: request.authrite.identityKey, path: request.originalUrl, body: request.body ?? null })
  })
  const identityKey = sdk.PrivateKey.fromHex(key).toPublicKey().toString()
  process.stdout.write(`${JSON.stringify({ url: baseUrl, identityKey })}\n`)
})
await lines.next()
process.exit(0)
