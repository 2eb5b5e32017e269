// Hands transactions to the hosts that a tracker names, with whatever acknowledgements the SDK's broadcaster can be told to want.
//
// Question: { tracker, broadcasts: [{ topics, beef, offChain?, require }] }, BEEF and off-chain values in hex. Answer: the results.

import { answer, question, sdk } from './peer.mjs'

const { HTTPSOverlayBroadcastFacilitator, HTTPSOverlayLookupFacilitator, LookupResolver, TopicBroadcaster, Transaction } = sdk
const { tracker, broadcasts } = question()

const bytes = hex => [...Buffer.from(hex, 'hex')]
console.error = () => {} // the broadcaster logs every refusal that it reports

const results = []
for (const { topics, beef, offChain, require } of broadcasts) {
  const lookups = new HTTPSOverlayLookupFacilitator(fetch, true)
  const resolver = new LookupResolver({ facilitator: lookups, hostOverrides: { ls_ship: [tracker] } })
  const facilitator = new HTTPSOverlayBroadcastFacilitator(fetch, true)
  const tx = Transaction.fromBEEF(bytes(beef))
  if (offChain !== undefined) tx.metadata.set('OffChainValues', bytes(offChain))
  const result = await new TopicBroadcaster(topics, { resolver, facilitator, ...require }).broadcast(tx)
  results.push(result.status === 'success' ? result.message : result.code)
}

answer(results)
