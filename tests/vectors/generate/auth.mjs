// Makes the BRC-103/104 vectors beside this folder by running the TypeScript SDK; deterministic.
//
//   npm install --no-save @bsv/sdk@2.1.0 && node tests/vectors/generate/auth.mjs [folder to write into]

import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { AuthFetch, Certificate, PrivateKey, ProtoWallet, Utils } from '@bsv/sdk'

const folder = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'))
const madeBy = '@bsv/sdk 2.1.0 (TypeScript), tests/vectors/generate/auth.mjs'

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const base64 = (bytes) => Buffer.from(bytes).toString('base64')
const keyOf = (name) => PrivateKey.fromHex(createHash('sha256').update(name).digest('hex'))
const filled = (length, seed) => Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff)

const write = (name, what, content) =>
  writeFileSync(join(folder, name), `${JSON.stringify({ what, madeBy, ...content }, null, 1)}\n`)

const [client, server] = [keyOf('a client'), keyOf('a server')]
const nonce = base64(filled(32, 1))
const clientNonce = base64(filled(48, 2))
const serverNonce = base64(filled(102, 3))
const protocolID = [2, 'auth message signature']

const handshake = async () => {
  const { signature } = await new ProtoWallet(server).createSignature({
    data: [...Utils.toArray(clientNonce, 'base64'), ...Utils.toArray(serverNonce, 'base64')],
    protocolID,
    keyID: `${clientNonce} ${serverNonce}`,
    counterparty: client.toPublicKey().toString()
  })
  return { clientNonce, serverNonce, signature: hex(signature) }
}

const requests = async () => {
  const wallet = new ProtoWallet(client)
  const asked = [
    ['GET', 'https://a.example/', {}],
    ['GET', 'https://a.example/v1/whoami', {}],
    ['GET', 'https://a.example/a%20b/ü?x=1&y=ä', {}],
    ['GET', 'https://a.example/a?', {}],
    ['HEAD', 'https://a.example/headers', { 'x-bsv-b': '2', 'X-BSV-a': '1', 'x-bsv-a-b': '', 'x-bsv-a1': 'ä', authorization: 'Bearer x' }],
    ['POST', 'https://a.example/json', { 'content-type': 'application/json; charset=utf-8' }, '{"ü":[1,2.5,null]}'],
    ['POST', 'https://a.example/none', { 'content-type': 'application/json' }],
    ['DELETE', 'https://a.example/none', {}],
    ['PUT', 'https://a.example/long', { 'content-type': 'text/plain' }, 'x'.repeat(300)]
  ]
  return await Promise.all(asked.map(async ([method, url, headers, body], number) => {
    const id = filled(32, number)
    const parsed = new URL(url)
    const payload = (await new AuthFetch(wallet).serializeRequest(method, headers, body, parsed, id)).toArray()
    const { signature } = await wallet.createSignature({
      data: payload, protocolID, keyID: `${nonce} ${serverNonce}`, counterparty: server.toPublicKey().toString()
    })
    // What stands in the request line, and the body as it is sent.
    const sent = body ?? (method === 'POST' ? '{}' : '')
    const target = parsed.pathname + parsed.search
    return { method, target, headers, body: sent, requestId: base64(id), preimage: hex(payload), signature: hex(signature) }
  }))
}

const spelled = () => [
  ' { "b" : 1.0, "a" : 10.50 , "c":1e21,"d":1e-7,"e":-0.0 } ',
  '{"10":1,"2":2,"b":3,"02":4,"4294967294":5,"4294967295":6,"-1":7}',
  '["\\u00e9","\\u20ac","\\n\\t\\b\\f\\r\\"\\\\\\/","\\u001f\\u007f","\\ud83d\\ude00"]',
  '[true,false,null,{},[],[[]],""]',
  '"text"',
  '0.1'
].map(text => ({ text, javascript: JSON.stringify(JSON.parse(text)) }))

const certificates = async () => {
  const certifier = new ProtoWallet(keyOf('a certifier'))
  const names = [['Email', 'cool', 'Cool', 'cooL', 'a b', 'a_b', 'a-b', 'a.b', 'a1', 'aB', 'Ab', 'b'], ['userName', 'username', 'user name', 'user-name'], []]
  return await Promise.all(names.map(async (fields, number) => {
    const certificate = new Certificate(
      base64(filled(32, 10 + number)),
      base64(filled(32, 20 + number)),
      client.toPublicKey().toString(),
      keyOf('a certifier').toPublicKey().toString(),
      `${hex(filled(32, 30))}.${[0, 300, 70000][number]}`,
      Object.fromEntries(fields.map((name, place) => [name, base64(filled(50, place))]))
    )
    await certificate.sign(certifier)
    return { signed: hex(certificate.toBinary(false)), certificate: { ...certificate, keyring: {} } }
  }))
}

write('auth.json', 'BRC-103/104: a handshake, requests as AuthFetch signs them, JSON as JavaScript spells it, certificates', {
  client: client.toHex(),
  server: server.toHex(),
  nonce,
  handshake: await handshake(),
  requests: await requests(),
  spelled: spelled(),
  certificates: await certificates()
})
