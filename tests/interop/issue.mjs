// Has a certifier of the reference certify fields of a subject, and gives what the subject keeps.
//
// Question: { key, certifier, type, fields }. Answer: the certificate with its master keyring.

import { Holder } from './holder.mjs'
import { answer, question, sdk } from './peer.mjs'

const { key, ...wanted } = question()
answer(await new Holder(sdk.PrivateKey.fromHex(key)).certify(wanted))
