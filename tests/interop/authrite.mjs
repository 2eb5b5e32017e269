// authrite-js asks, each step one request by one client.
//
// Question: { origin, key, steps: [{ path, method?, body?, headers? }] }. Answer: for each { status, headers, body }, or { error, code }.

import { createRequire } from 'node:module'
import { answer, question } from './peer.mjs'

const require = createRequire(import.meta.url)
const { Authrite } = require('authrite-js')

const { origin, key, steps } = question()
const client = new Authrite({ clientPrivateKey: key })
const answers = []
for (const { path, ...options } of steps) {
  try {
    const response = await client.request(origin + path, options)
    const body = Buffer.from(response.body).toString()
    answers.push({ status: response.status, headers: Object.fromEntries(response.headers), body })
  } catch (error) {
    answers.push({ error: String(error), code: error.code })
  }
}
answer(answers)
