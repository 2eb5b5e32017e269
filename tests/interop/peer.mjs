// What the programs of this folder share: the SDK, a question from stdin, an answer to stdout, and a reader of CBOR.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url) // unlike import, require reads NODE_PATH
export const sdk = require('@bsv/sdk')
export const { Historian } = require('@bsv/sdk/overlay-tools/Historian') // which the index leaves out

export const question = () => JSON.parse(readFileSync(0, 'utf8'))
export const answer = value => process.stdout.write(JSON.stringify(value))
export const hex = bytes => Buffer.from(bytes).toString('hex')
export const sha256 = bytes => createHash('sha256').update(Buffer.from(bytes)).digest('hex')

// The chain's headers, asked the way the SDK asks WhatsOnChain, at another address.
export class Headers extends sdk.WhatsOnChain {
  constructor (url) {
    super('test')
    this.URL = url
  }
}

// One CBOR item of the forms that this protocol uses. Map keys become text, byte strings in hex; `ends` are where values end.
export const cbor = (data, at = 0) => {
  const major = data[at] >> 5
  const short = data[at] & 31
  const width = short < 24 ? 0 : 1 << (short - 24)
  const length = width === 0 ? short : Buffer.from(data).readUIntBE(at + 1, width)
  at += 1 + width
  if (major === 0) return { value: length, end: at }
  if (major === 2) return { value: data.slice(at, at + length), end: at + length }
  if (major === 3) return { value: Buffer.from(data.slice(at, at + length)).toString(), end: at + length }
  const value = major === 4 ? [] : {}
  const ends = {}
  for (let index = 0; index < length; index++) {
    const key = major === 4 ? { value: index, end: at } : cbor(data, at)
    const item = cbor(data, key.end)
    const name = Array.isArray(key.value) || ArrayBuffer.isView(key.value) ? hex(key.value) : key.value
    value[name] = item.value
    ends[name] = at = item.end
  }
  return { value, end: at, ends }
}
