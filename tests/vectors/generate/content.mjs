// Makes content.json beside this folder: sold content as docs/content-format.md describes it, by node:crypto alone.
//
//   node tests/vectors/generate/content.mjs [folder to write into]
//
// It shares nothing with the Python implementation: keys, nonces, cutting and hashing are written again. Deterministic.

import { createCipheriv, createHash, hkdfSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'))

const sha256 = (...pieces) => {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return hash.digest()
}
const hkdf = (key, info) => Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), Buffer.from(info, 'utf8'), 32))

// A plaintext that needs no room in the file: byte i is (7 i + i >> 8) mod 256.
const filled = (length) => Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff))

function sealSegment (key, index, isLast, plaintext) {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE(index, 7)
  nonce[11] = isLast ? 1 : 0
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function seal ({ name, seed, length, segmentSize, segmentsPerPart, withStored }) {
  const plaintext = filled(length)
  const digest = sha256(plaintext)
  const contentKey = hkdf(seed, `overlay-content-v1 | ${name} | ${digest.toString('hex')}`)
  const encryptionKey = hkdf(contentKey, `overlay-stream-v1 | ${segmentSize} | ${length}`)
  const salt = hkdf(contentKey, 'salt')

  const count = Math.ceil(length / segmentSize)
  const segments = []
  for (let index = 0; index < count; index++) {
    const piece = plaintext.subarray(index * segmentSize, (index + 1) * segmentSize)
    segments.push(sealSegment(encryptionKey, index, index === count - 1, piece))
  }
  const parts = []
  for (let first = 0; first < count; first += segmentsPerPart) {
    parts.push(Buffer.concat(segments.slice(first, first + segmentsPerPart)))
  }

  return {
    name,
    seed: seed.toString('hex'),
    length,
    segmentSize,
    segmentsPerPart,
    plaintextSha256: digest.toString('hex'),
    contentKey: contentKey.toString('hex'),
    encryptionKey: encryptionKey.toString('hex'),
    salt: salt.toString('hex'),
    saltedDigest: sha256(salt, plaintext).toString('hex'),
    keyCommitment: sha256(Buffer.from('overlay-key', 'ascii'), contentKey).toString('hex'),
    parts: parts.map((part) => ({ size: part.length, sha256: sha256(part).toString('hex') })),
    ...(withStored ? { stored: parts.map((part) => part.toString('hex')) } : {})
  }
}

const MiB = 1 << 20
const seed = sha256(Buffer.from('content.mjs'))
const other = sha256(Buffer.from('another seed'))
const small = { seed, segmentSize: 64, segmentsPerPart: 3 }

const cases = [
  { ...small, name: 'prices/btc', length: 1, withStored: true },
  { ...small, name: 'prices/btc', length: 63 },
  { ...small, name: 'prices/btc', length: 64, withStored: true },
  { ...small, name: 'prices/btc', length: 65, withStored: true },
  { ...small, name: 'prices/btc', length: 3 * 64 - 1 },
  { ...small, name: 'prices/btc', length: 3 * 64 },
  { ...small, name: 'prices/btc', length: 3 * 64 + 1, withStored: true },
  { ...small, name: 'prices/btc', length: 6 * 64 },
  { ...small, name: 'prices/btc', length: 1000 },
  { ...small, name: 'a', length: 1000 },
  { ...small, seed: other, name: 'prices/btc', length: 1000 },
  { ...small, segmentSize: 1, segmentsPerPart: 1, name: 'bytes', length: 3, withStored: true },
  { seed, segmentSize: 7, segmentsPerPart: 100, name: 'many-segments', length: 7 * 300 + 2 },
  { seed, segmentSize: MiB, segmentsPerPart: 64, name: 'standard', length: 1 },
  { seed, segmentSize: MiB, segmentsPerPart: 64, name: 'standard', length: MiB },
  { seed, segmentSize: MiB, segmentsPerPart: 64, name: 'standard', length: 2 * MiB + 1 },
  { seed, segmentSize: MiB, segmentsPerPart: 64, name: 'standard', length: 65 * MiB }
].map(seal)

writeFileSync(join(folder, 'content.json'), JSON.stringify({
  about: 'sold content (docs/content-format.md); byte i of a plaintext is (7 i + (i >> 8)) mod 256',
  madeBy: 'node:crypto, tests/vectors/generate/content.mjs',
  cases
}, null, 1) + '\n')
