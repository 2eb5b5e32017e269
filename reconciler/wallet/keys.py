"""A private key and what BRC-42 derives from it. The only place that holds one.

Shapes follow BRC-100: a key is named by protocol ID (always of security level 2 here), key ID and counterparty, and every
public key that is handed out is the wallet's own side of that derivation (`forSelf`).
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from hashlib import sha256
from typing import Final

from reconciler.model.ids import IdentityKey, identity_key
from reconciler.model.keys import KeyRef
from reconciler.wire.derivation import ORDER, Deriver
from reconciler.wire.encryption import decrypt, encrypt
from reconciler.wire.sdk import Counterparty, CounterpartyType, PrivateKey, Protocol, PublicKey

_SECURITY_LEVEL: Final = 2


class Keys:
    """An identity key with its children. `repr` shows the public half only."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < ORDER:
            raise ValueError("not a secp256k1 private key")
        self._root = PrivateKey(secret)
        self._deriver = Deriver(self._root)
        self._symmetric = lru_cache(maxsize=64)(self._derive_symmetric)
        self.identity: Final = identity_key(self._root.public_key().hex())

    def __repr__(self) -> str:
        return f"Keys({self.identity})"

    def secret(self) -> bytes:
        """The 32 bytes themselves, for the key file and nothing else."""
        return bytes(self._root.serialize())

    def public(self, key: KeyRef) -> IdentityKey:
        """The public half of a child key."""
        return identity_key(self._private(key).public_key().hex())

    def public_for(self, key: KeyRef) -> IdentityKey:
        """The counterparty's half of a child key, such as the one to pay it with (BRC-29): `getPublicKey` without forSelf."""
        other = self._deriver.derive_public_key(_protocol(key), key.key_id, _counterparty(key))
        return identity_key(other.hex())

    def sign(self, key: KeyRef, data: bytes) -> bytes:
        """An ECDSA signature (low-S DER) over SHA-256 of `data`: BRC-100 `createSignature`."""
        return self.sign_digest(key, sha256(data).digest())

    def sign_digest(self, key: KeyRef, digest: bytes) -> bytes:
        """An ECDSA signature (low-S DER, RFC 6979) over 32 bytes that are hashed already."""
        return bytes(self._private(key).sign(digest, hasher=None))

    def verify(self, key: KeyRef, data: bytes, signature_der: bytes) -> bool:
        """Whether the counterparty signed `data` for us under `key`: BRC-100 `verifySignature`, strict DER and low S.

        A malformed signature, and a counterparty that is no point of the curve, is False.
        """
        try:
            theirs = self._deriver.derive_public_key(_protocol(key), key.key_id, _counterparty(key))
            valid: bool = theirs.verify(signature_der, sha256(data).digest(), None)
        except ValueError:  # how libsecp256k1 names a malformed key or signature
            return False
        return valid

    def mac(self, key: KeyRef, data: bytes) -> bytes:
        """HMAC-SHA256 of `data`, 32 bytes: BRC-100 `createHmac`."""
        return hmac.digest(self._symmetric(key), data, "sha256")

    def encrypt(self, key: KeyRef, plaintext: bytes, *, iv: bytes) -> bytes:
        """BRC-2 encryption towards the counterparty; `iv` is 32 random bytes."""
        return encrypt(self._symmetric(key), plaintext, iv)

    def decrypt(self, key: KeyRef, ciphertext: bytes) -> bytes:
        """The reverse, with the sender as counterparty. Raises VerificationError."""
        return decrypt(self._symmetric(key), ciphertext)

    def child(self, key: KeyRef) -> Keys:
        """A child key as an identity of its own, such as the gateway's (PROTOCOL §3)."""
        return Keys(bytes(self._private(key).serialize()))

    def _private(self, key: KeyRef) -> PrivateKey:
        return self._deriver.derive_private_key(_protocol(key), key.key_id, _counterparty(key))

    def _derive_symmetric(self, key: KeyRef) -> bytes:
        return bytes(self._deriver.derive_symmetric_key(_protocol(key), key.key_id, _counterparty(key)))


def _protocol(key: KeyRef) -> Protocol:
    return Protocol(_SECURITY_LEVEL, key.protocol)


def _counterparty(key: KeyRef) -> Counterparty:
    return _party(key.counterparty)


@lru_cache(maxsize=4096)
def _party(name: str) -> Counterparty:
    match name:
        case "self":
            return Counterparty(CounterpartyType.SELF)
        case "anyone":
            return Counterparty(CounterpartyType.ANYONE)
        case other:
            return Counterparty(CounterpartyType.OTHER, PublicKey(other))
