// AuthFetch against a server: one step after another, each once or several times at once.
//
// Question: { origin, key, steps: [{ path, plain?, times?, method?, headers?, body?, ask? }], certificates?, requested? }; a plain
// step is not authenticated, one with `ask` asks for certificates, as does `requested` from the beginning.
// Answer: for each step its answers [{ status, headers, body }], or the text of what went wrong; or the certificates, opened.

import { Holder } from './holder.mjs'
import { answer, question, sdk } from './peer.mjs'

const { AuthFetch, PrivateKey, VerifiableCertificate } = sdk
const { origin, key, steps, certificates = [], requested } = question()
const wallet = new Holder(PrivateKey.fromHex(key))
for (const each of certificates) await wallet.certify(each)
const client = new AuthFetch(wallet, requested)

const facts = async response => ({
  status: response.status,
  headers: Object.fromEntries(response.headers),
  body: await response.text()
})

const opened = async received => await Promise.all(received.map(async each => {
  const { type, serialNumber, subject, certifier, revocationOutpoint, fields, keyring, signature } = each
  const certificate = new VerifiableCertificate(
    type, serialNumber, subject, certifier, revocationOutpoint, fields, keyring, signature
  )
  return { valid: await certificate.verify(), type, fields: await certificate.decryptFields(wallet) }
}))

const take = async ({ path, plain = false, times = 1, ask: wanted, ...options }) => {
  if (wanted !== undefined) return await opened(await client.sendCertificateRequest(origin, wanted))
  if (path === undefined) return await opened(client.consumeReceivedCertificates())
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
