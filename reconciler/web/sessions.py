"""Sessions without a table: the nonce that a handshake gives out says itself whose it is and until when, sealed by our key.

So any number of processes with the same key know every session, before and after a restart. What they do share in a database
is which messages were seen (`Replays`).

A nonce is base64 of version (1) ‖ random (16) ‖ end, unix seconds (5) ‖ the client's session nonce ‖ HMAC (32). The HMAC
covers purpose, identity and epoch besides: it is good for this client only, for nothing but a session, and no longer than
what was seen is remembered. Who deletes the database ends all sessions.
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

    async def epoch(self, fresh: bytes) -> bytes:
        """What names this memory, as long as it forgets nothing too early; `fresh` is random, for one that has no name yet."""
        ...

    async def first(self, message: bytes, *, until: int, now: int) -> bool:
        """Whether `message`, any bytes that name it, is seen for the first time; it is remembered to the end of `until`."""
        ...

    async def seen(self, message: bytes, *, until: int) -> bool:
        """Whether `message` was seen."""
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
        self._epoch: bytes | None = None

    async def start(self, identity: IdentityKey, client_nonce: str) -> Session:
        """A session for a client that has shown nothing yet but its name: its first signature will tell."""
        until = int(self._clock()) + self._seconds
        said = _VERSION + self._randomness(16) + until.to_bytes(5, "big") + decoded(client_nonce, "the client's nonce")
        nonce = encoded(said + await self._mac(identity, said))
        return Session(identity=identity, nonce=nonce, client_nonce=client_nonce, until=until)

    async def find(self, identity: IdentityKey, nonce: str) -> Session:
        """The session of a client by our nonce. Raises SessionLostError."""
        data = decoded(nonce, "the session nonce")
        said, mac = data[:-_MAC], data[-_MAC:]
        if len(said) <= _HEAD or not hmac.compare_digest(mac, await self._mac(identity, said)) or said[:1] != _VERSION:
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

    async def note_shown(self, session: Session) -> None:
        """Note that the client has shown the certificates that are asked for."""
        await self._replays.first(_shown(session), until=session.until, now=int(self._clock()))

    async def has_shown(self, session: Session) -> bool:
        """Whether it has, to whichever process."""
        return await self._replays.seen(_shown(session), until=session.until)

    async def _mac(self, identity: IdentityKey, said: bytes) -> bytes:
        if self._epoch is None:
            self._epoch = await self._replays.epoch(self._randomness(16))
        return self._keys.mac(_KEY, b"".join((_PURPOSE, self._epoch, bytes.fromhex(identity), said)))


def _shown(session: Session) -> bytes:
    return f"certificates of {session.nonce}".encode()
