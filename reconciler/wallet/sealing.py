"""The root's sealed document, sealed by the producer for itself and its gateway, opened by either (PROTOCOL §3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from reconciler.model.errors import StateError
from reconciler.model.ids import IdentityKey
from reconciler.model.keys import SEAL_PROTOCOL, KeyRef
from reconciler.wallet.keys import Keys
from reconciler.wire.sealing import SealedState, open_state, recipients, seal_state

SEED_KEY: Final = KeyRef("data catalog seed", "1", "self")
"""Encrypts the content seed at rest in our own database."""

_KEY_ID: Final = "1"


def seal(
    state: SealedState, *, readers: Iterable[IdentityKey], keys: Keys, randomness: Callable[[int], bytes]
) -> bytes:
    """Seal under a fresh data key, which is wrapped (BRC-2) for every reader."""
    data_key = randomness(32)
    wrapped = {
        reader: keys.encrypt(_wrapping_key(keys.identity, reader), data_key, iv=randomness(32))
        for reader in sorted(set(readers))
    }
    return seal_state(state, data_key=data_key, nonce=randomness(12), wrapped=wrapped)


def unseal(sealed: bytes, *, producer: IdentityKey, keys: Keys) -> SealedState:
    """Open what `producer` sealed. Raises StateError where it was not made for these keys, VerificationError if damaged."""
    wrapped = recipients(sealed).get(keys.identity)
    if wrapped is None:
        raise StateError(
            "the sealed document of the root was not made for this key",
            hint="use the identity key, or the gateway key that the root names",
        )
    return open_state(sealed, keys.decrypt(_wrapping_key(keys.identity, producer), wrapped))


def _wrapping_key(own: IdentityKey, other: IdentityKey) -> KeyRef:
    return KeyRef(SEAL_PROTOCOL, _KEY_ID, "self" if own == other else other)
