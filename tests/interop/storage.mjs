// StorageUploader stores, finds, lists and renews; StorageDownloader fetches by the overlay's look-up; AuthFetch lists, 20 at once.
//
// Question: { storage, lookup, key, coins, minutes, data (base64), type, other (a key without uploads) }.
// Answer: { published, found, listed, renewed, relisted, strange, parallel, fetched, stolen, part, made }.

import { answer, question, sdk } from './peer.mjs'
import { Wallet } from './wallet.mjs'

console.info = console.warn = console.error = () => {} // AuthFetch logs to stdout
const { storage, lookup, key, coins, minutes, data, type, other } = question()
const wallet = new Wallet(key, coins)
const uploader = new sdk.StorageUploader({ storageURL: storage, wallet })

const published = await uploader.publishFile({
  file: { data: [...Buffer.from(data, 'base64')], type },
  retentionPeriod: minutes
})
const found = await uploader.findFile(published.uhrpURL)
const listed = await uploader.listUploads()
const renewed = await uploader.renewFile(published.uhrpURL, minutes)
const relisted = await uploader.listUploads()
const strange = await new sdk.StorageUploader({ storageURL: storage, wallet: new Wallet(other) }).listUploads()

const client = new sdk.AuthFetch(wallet)
const parallel = await Promise.all(Array.from({ length: 20 }, async () => {
  const response = await client.fetch(`${storage}/list`)
  return (await response.json()).uploads.length
}))

const downloader = new sdk.StorageDownloader({ networkPreset: 'local' })
downloader.lookupResolver = new sdk.LookupResolver({ networkPreset: 'local', hostOverrides: { ls_uhrp: [lookup] } })
const fetched = await downloader.download(published.uhrpURL)
const prefixed = await downloader.resolve(`uhrp://${published.uhrpURL}`)
const [url] = prefixed
const part = await fetch(url, { headers: { range: 'bytes=2-5' } })

answer({
  published,
  found,
  listed,
  renewed,
  relisted,
  strange,
  parallel,
  fetched: { data: Buffer.from(fetched.data).toString('base64'), mimeType: fetched.mimeType },
  url,
  part: { status: part.status, range: part.headers.get('content-range'), text: await part.text() },
  made: wallet.made
})
