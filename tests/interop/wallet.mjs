// As much of a BRC-100 wallet as pays, and is paid: real keys, coins and signatures; nothing is broadcast, and nothing kept.

import { sdk } from './peer.mjs'

const { Beef, LockingScript, P2PKH, PrivateKey, ProtoWallet, PublicKey, Transaction } = sdk

export class Wallet extends ProtoWallet {
  // `coins` are [{ beef, vout }] to the P2PKH of the key itself; `short` is how much less than asked it pays.
  constructor (key, coins = [], { short = 0 } = {}) {
    const root = PrivateKey.fromHex(key)
    super(root)
    this.root = root
    this.coins = [...coins]
    this.short = short
    this.made = []
    this.taken = []
  }

  async createAction ({ outputs, options }) {
    if (options?.randomizeOutputs !== false) throw new Error('this wallet keeps the order of outputs')
    const { beef, vout } = this.coins.shift() ?? {}
    if (beef === undefined) throw new Error('there are no coins left')
    const source = Beef.fromString(beef, 'hex')
    const transaction = new Transaction()
    const parent = source.findAtomicTransaction(source.txs.at(-1).txid)
    transaction.addInput({
      sourceTransaction: parent,
      sourceOutputIndex: vout,
      unlockingScriptTemplate: new P2PKH().unlock(this.root),
      sequence: 0xffffffff
    })
    for (const { satoshis, lockingScript } of outputs) {
      transaction.addOutput({ satoshis: satoshis - this.short, lockingScript: LockingScript.fromHex(lockingScript) })
    }
    const rest = parent.outputs[vout].satoshis - outputs.reduce((sum, each) => sum + each.satoshis, 0) - 200
    transaction.addOutput({ satoshis: rest, lockingScript: new P2PKH().lock(this.root.toAddress()) })
    await transaction.sign()
    const txid = transaction.id('hex')
    this.made.push(txid)
    source.mergeTransaction(transaction)
    return { txid, tx: source.toBinaryAtomic(txid) }
  }

  // What a wallet must look at: that the output pays the key of this prefix and suffix from this sender.
  async internalizeAction ({ tx, outputs: [{ outputIndex, protocol, paymentRemittance }] }) {
    if (protocol !== 'wallet payment') throw new Error(`not a payment: ${protocol}`)
    const { derivationPrefix, derivationSuffix, senderIdentityKey } = paymentRemittance
    const { publicKey } = await this.getPublicKey({
      protocolID: [2, '3241645161d8'],
      keyID: `${derivationPrefix} ${derivationSuffix}`,
      counterparty: senderIdentityKey,
      forSelf: true
    })
    const paid = Transaction.fromAtomicBEEF(tx)
    const { satoshis, lockingScript } = paid.outputs[outputIndex]
    if (lockingScript.toHex() !== new P2PKH().lock(PublicKey.fromString(publicKey).toAddress()).toHex()) {
      throw new Error('the output pays somebody else')
    }
    this.taken.push({ txid: paid.id('hex'), satoshis, sender: senderIdentityKey })
    return { accepted: true }
  }
}
