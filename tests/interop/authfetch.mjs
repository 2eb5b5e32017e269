// AuthFetch against a server: one step after another, each once or several times at once.
//
// Question: { origin, key, steps: [{ path, plain?, times?, method?, headers?, body? }] }, where a plain step is not authenticated.
// Answer: for each step its answers [{ status, headers, body }], or the text of what went wrong.

import { answer, question, sdk } from './peer.mjs'

const { AuthFetch, PrivateKey, ProtoWallet } = sdk
const { origin, key, steps } = question()
const client = new AuthFetch(new ProtoWallet(PrivateKey.fromHex(key)))

const facts = async response => ({
  status: response.status,
  headers: Object.fromEntries(response.headers),
  body: await response.text()
})

const take = async ({ path, plain = false, times = 1, ...options }) => {
  const ask = () => plain ? fetch(origin + path, options) : client.fetch(origin + path, { ...options })
  try {
    return await Promise.all(Array.from({ length: times }, async () => await facts(await ask())))
  } catch (error) {
    return String(error)
  }
}

const answers = []
for (const step of steps) answers.push(await take(step))
answer(answers)
