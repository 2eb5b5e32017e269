"""Keys and signatures that anyone can check: BRC-42 children towards "anyone" (BRC-43), ECDSA over SHA-256.

The owner derives such a key with counterparty `anyone` and forSelf; since the private key of "anyone" is 1, everybody else
gets the same public key from the owner's identity key alone.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from hashlib import sha256
from typing import Final

from reconciler.model.ids import IdentityKey, identity_key
from reconciler.model.keys import KeyRef
from reconciler.wire.sdk import Counterparty, CounterpartyType, KeyDeriver, PrivateKey, Protocol, PublicKey

ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of the curve's generator: private keys are below it."""


class Deriver(KeyDeriver):  # type: ignore[misc]  # bsv-sdk ships no types
    """BRC-42 with the shared secret of each counterparty kept: it is most of the work, and the same for all keys with them."""

    def __init__(self, root: PrivateKey) -> None:
        super().__init__(root)
        self._shared = lru_cache(maxsize=4096)(self._derive_shared)

    def _branch_scalar(self, invoice_number: str, cp_pub: PublicKey) -> int:
        digest = hmac.digest(self._shared(cp_pub.serialize(True)), invoice_number.encode(), "sha256")
        return int.from_bytes(digest, "big") % ORDER

    def _derive_shared(self, counterparty: bytes) -> bytes:
        return bytes(PublicKey(counterparty).derive_shared_secret(self._root_private_key))


_ANYONE: Final = Deriver(PrivateKey(1))
_LEVEL: Final = 2


@lru_cache(maxsize=4096)  # one identity often has many tokens under one key: advertisements, adverts of files
def public_child(owner: IdentityKey, key: KeyRef) -> IdentityKey:
    """The public key that `owner` uses as `key`, whose counterparty must be "anyone".

    Raises ValueError for another counterparty, and for an `owner` that is no point of the curve.
    """
    if key.counterparty != "anyone":
        raise ValueError(f"only its owner can derive a key towards {key.counterparty}")
    child = _ANYONE.derive_public_key(Protocol(_LEVEL, key.protocol), key.key_id, _counterparty(owner))
    return identity_key(child.serialize(True))


@lru_cache(maxsize=4096)  # it is a point that is read, once for all keys of one owner
def _counterparty(owner: IdentityKey) -> Counterparty:
    return Counterparty(CounterpartyType.OTHER, PublicKey(owner))


def is_point(key: IdentityKey) -> bool:
    """Whether a key is a point of the curve, which its form does not say: for keys that nobody has proven to have."""
    try:
        PublicKey(key)
    except ValueError:  # how libsecp256k1 names a malformed key
        return False
    return True


def verify(key: IdentityKey, data: bytes, signature_der: bytes) -> bool:
    """Whether the signature (strict DER, low S) is `key`'s over the SHA-256 of `data`; a malformed one, or key, is False."""
    try:
        valid: bool = PublicKey(key).verify(signature_der, data, _sha256)
    except ValueError:  # how libsecp256k1 names a malformed key or signature
        return False
    return valid


def _sha256(data: bytes) -> bytes:
    return sha256(data).digest()
