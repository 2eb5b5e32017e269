// Finds hosts by SHIP and SLAP through a tracker, as any TypeScript program would, and checks each advertisement as trackers do.
//
// Question: { tracker, service, topic, beef }. Answer: { ads, found, broadcast }: the advertisements that name the service or the
// topic, what the host of the service answers, and what became of handing the BEEF to hosts that take the topic.

import { answer, hex, question, sdk } from './peer.mjs'

const {
  HTTPSOverlayBroadcastFacilitator, HTTPSOverlayLookupFacilitator, LookupResolver, OverlayAdminTokenTemplate, ProtoWallet, PushDrop,
  TopicBroadcaster, Transaction
} = sdk
const { tracker, service, topic, beef } = question()
const anyone = new ProtoWallet('anyone')
const protocols = { SHIP: 'service host interconnect', SLAP: 'service lookup availability' }

const facilitator = new HTTPSOverlayLookupFacilitator(fetch, true)
const resolver = new LookupResolver({ facilitator, slapTrackers: [tracker], hostOverrides: { ls_ship: [tracker] } })

const ad = async ({ beef, outputIndex }) => {
  const { lockingScript, satoshis } = Transaction.fromBEEF(beef).outputs[outputIndex]
  const { fields, lockingPublicKey } = PushDrop.decode(lockingScript)
  const said = OverlayAdminTokenTemplate.decode(lockingScript)
  const key = { protocolID: [2, protocols[said.protocol]], keyID: '1', counterparty: said.identityKey }
  const signed = await anyone.verifySignature({ data: fields.slice(0, -1).flat(), signature: fields.at(-1), ...key })
  const { publicKey } = await anyone.getPublicKey(key)
  return { ...said, satoshis, fields: fields.length, signed: signed.valid, locked: publicKey === lockingPublicKey.toString() }
}

const ads = []
for (const [tracking, query] of [['ls_ship', { topics: [topic] }], ['ls_slap', { service }]]) {
  const { outputs } = await resolver.query({ service: tracking, query })
  ads.push(...await Promise.all(outputs.map(ad)))
}

const { outputs } = await resolver.query({ service, query: {} }) // by the hosts that the tracker names, and by no other way
const found = outputs.map(({ beef, outputIndex, context }) => ({
  outpoint: `${Transaction.fromBEEF(beef).id('hex')}.${outputIndex}`,
  context: hex(context)
}))

const broadcaster = new TopicBroadcaster([topic], { resolver, facilitator: new HTTPSOverlayBroadcastFacilitator(fetch, true) })
const broadcast = await broadcaster.broadcast(Transaction.fromBEEF(Buffer.from(beef, 'hex').toJSON().data))

answer({ ads, found, broadcast })
