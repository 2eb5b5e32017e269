// A wallet of the reference with certificates, which the SDK's own small wallet has not.

import { sdk } from './peer.mjs'

const { MasterCertificate, PrivateKey, ProtoWallet } = sdk

export class Holder extends ProtoWallet {
  held = []

  // Have the certifier of this private key certify some fields of ours.
  async certify ({ certifier, type, fields }) {
    const { publicKey } = await this.getPublicKey({ identityKey: true })
    const wallet = new ProtoWallet(PrivateKey.fromHex(certifier))
    const outpoint = `${'ab'.repeat(32)}.1`
    const issued = await MasterCertificate.issueCertificateForSubject(wallet, publicKey, fields, type, async () => outpoint)
    this.held.push(issued)
    return issued
  }

  async listCertificates ({ certifiers, types }) {
    const certificates = this.held.filter(each => certifiers.includes(each.certifier) && types.includes(each.type))
    return { totalCertificates: certificates.length, certificates }
  }

  async proveCertificate ({ certificate, fieldsToReveal, verifier }) {
    const { certifier, fields, masterKeyring, serialNumber } = certificate
    const keyringForVerifier = await MasterCertificate.createKeyringForVerifier(
      this, certifier, verifier, fields, fieldsToReveal, masterKeyring, serialNumber
    )
    return { keyringForVerifier }
  }
}
