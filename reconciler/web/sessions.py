"""Sessions without a table: the nonce that a handshake gives out says itself whose it is and until when, sealed by our key.

So any number of processes with the same key know every session, before and after a restart. What they do share in a database
is which messages were seen (`Replays`).

A nonce is base64 of version (1) ‖ random (16) ‖ end, unix seconds (5) ‖ the client's session nonce ‖ HMAC (32). The HMAC
covers purpose and identity besides, so that it is good for this client only, and for nothing but a session.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey
from reconciler.model.keys import KeyRef
from reconciler.wire.auth import decoded, encoded

_KEY: Final = KeyRef("auth session", "1", "self")
_PURPOSE: Final = b"overlay auth session"
_VERSION: Final = b"\x01"
_HEAD: Final = 22
_MAC: Final = 32
_SECONDS: Final = 3600


class Sealer(Protocol):
    """Whose key seals nonces."""

    def mac(self, key: KeyRef, data: bytes) -> bytes:
        """HMAC-SHA256 under a key that only we can derive."""
        ...


class Replays(Protocol):
    """What was seen, for all processes of a server."""

    async def first(self, message: bytes, *, until: int, now: int) -> bool:
        """Whether `message`, any bytes that name it, is seen for the first time; it is remembered to the end of `until`."""
        ...


class SessionLostError(VerificationError):
    """The nonce is not that of a session of this client, or the session is over. The text makes the reference shake hands anew."""

    def __init__(self, nonce: str) -> None:
        super().__init__(f"Session not found for nonce: {nonce}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a nonce of ours says."""

    identity: IdentityKey
    nonce: str
    """Ours."""
    client_nonce: str
    until: int
    """Unix seconds."""


class Sessions:
    """Starting sessions and finding them again."""

    def __init__(
        self,
        *,
        keys: Sealer,
        replays: Replays,
        clock: Callable[[], float],
        randomness: Callable[[int], bytes],
        seconds: int = _SECONDS,
    ) -> None:
        self._keys = keys
        self._replays = replays
        self._clock = clock
        self._randomness = randomness
        self._seconds = seconds

    def start(self, identity: IdentityKey, client_nonce: str) -> Session:
        """A session for a client that has shown nothing yet but its name: its first signature will tell."""
        until = int(self._clock()) + self._seconds
        said = _VERSION + self._randomness(16) + until.to_bytes(5, "big") + decoded(client_nonce, "the client's nonce")
        nonce = encoded(said + self._mac(identity, said))
        return Session(identity=identity, nonce=nonce, client_nonce=client_nonce, until=until)

    def find(self, identity: IdentityKey, nonce: str) -> Session:
        """The session of a client by our nonce. Raises SessionLostError."""
        data = decoded(nonce, "the session nonce")
        said, mac = data[:-_MAC], data[-_MAC:]
        if len(said) <= _HEAD or not hmac.compare_digest(mac, self._mac(identity, said)) or said[:1] != _VERSION:
            raise SessionLostError(nonce)
        until = int.from_bytes(said[17:_HEAD], "big")
        if until <= self._clock():
            raise SessionLostError(nonce)
        return Session(identity=identity, nonce=nonce, client_nonce=encoded(said[_HEAD:]), until=until)

    async def use(self, session: Session, nonce: str) -> None:
        """Note a verified message by its nonce. Raises VerificationError where one with this nonce came before."""
        message = f"{session.nonce} {nonce}".encode()
        if not await self._replays.first(message, until=session.until, now=int(self._clock())):
            raise VerificationError("a message with this nonce has been here before")

    def _mac(self, identity: IdentityKey, said: bytes) -> bytes:
        return self._keys.mac(_KEY, _PURPOSE + bytes.fromhex(identity) + said)
