"""SHIP and SLAP advertisements (BRC-88, BRC-101): an identity says that a topic or a look-up service is had at some URL.

The standard's text locks them towards "self"; what trackers check, and what is made here, is "anyone" with forSelf (WIRE §4.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from reconciler.model.errors import VerificationError
from reconciler.model.ids import AdProtocol, IdentityKey, identity_key
from reconciler.model.keys import KeyRef, ad_key
from reconciler.wire import pushdrop
from reconciler.wire.derivation import public_child, verify
from reconciler.wire.script import MAX_SIGNATURE
from reconciler.wire.transaction import Transaction
from reconciler.wire.uris import advertisable_fault, origin_fault

SATOSHIS: Final = 1
"""What the output of an advertisement holds."""

PREFIXES: Final = {AdProtocol.SHIP: "tm_", AdProtocol.SLAP: "ls_"}
"""How the names begin that each protocol advertises: topics, look-up services."""

_FIELDS: Final = 5  # protocol, identity key, URL, name, signature
_NAME: Final = re.compile(r"(tm|ls)_[a-z]+(_[a-z]+)*")
_NAME_BYTES: Final = 50
_LONGEST: Final = (
    2048  # bytes: no locking script of an advertisement has more, and those of strangers are not remembered
)
_MARKS: Final = {protocol.encode(): protocol for protocol in AdProtocol}


def name_fault(protocol: AdProtocol, name: str) -> str | None:
    """Why `protocol` cannot advertise a topic or service of this name (BRC-87), or None if it can."""
    if not name.startswith(PREFIXES[protocol]):
        return f"must begin with {PREFIXES[protocol]} to be advertised by {protocol}"
    if len(name) > _NAME_BYTES:
        return f"is longer than {_NAME_BYTES} characters"
    if not _NAME.fullmatch(name):
        return "must be lower-case words (a to z, no digits) with single underscores between them"
    return None


@dataclass(frozen=True, slots=True)
class AdToken:
    """One advertisement, as its token states it."""

    protocol: AdProtocol
    identity: IdentityKey
    """Whose it is: its key locks and signs the token."""
    url: str
    name: str
    """The topic (SHIP) or look-up service (SLAP)."""

    def __post_init__(self) -> None:
        fault = name_fault(self.protocol, self.name)
        if fault:
            raise ValueError(f"the name {self.name[:80]!r} {fault}")

    @property
    def key(self) -> KeyRef:
        """The key that locks and signs it."""
        return ad_key(self.protocol)


def signed_fields(token: AdToken) -> tuple[bytes, ...]:
    """The four fields in front of the signature."""
    return token.protocol.encode(), bytes.fromhex(token.identity), token.url.encode(), token.name.encode()


def preimage(token: AdToken) -> bytes:
    """What the signature signs (its SHA-256, once)."""
    return b"".join(signed_fields(token))


def lock(token: AdToken, signature: bytes, *, plain_http: bool = False) -> bytes:
    """The locking script. `signature` is DER, by `token.key`, and is not checked here.

    Raises ValueError for a URL that we must not advertise, see `origin_fault`.
    """
    fault = origin_fault(token.url, plain_http=plain_http)
    if fault:
        raise ValueError(f"the URL {token.url!r} {fault}")
    return pushdrop.lock(public_child(token.identity, token.key), (*signed_fields(token), signature))


def locking_size(token: AdToken) -> int:
    """The most bytes that the locking script of this token can have."""
    return len(pushdrop.lock(token.identity, (*signed_fields(token), bytes(MAX_SIGNATURE))))


def parse(locking: bytes, *, plain_http: bool = False) -> AdToken | None:
    """The token in a locking script, its key and signature checked; None where there is no advertisement.

    Raises VerificationError where there is one and it is wrong.
    """
    token = (_parsed if len(locking) <= _LONGEST else _parse)(locking)
    fault = None if token is None else advertisable_fault(token.url, plain_http=plain_http)
    if fault:
        raise VerificationError(f"the URL of an advertisement {fault}")
    return token


def _parse(locking: bytes) -> AdToken | None:
    """The token, whatever URL it names."""
    pushed = pushdrop.parse(locking)
    protocol = None if pushed is None else _MARKS.get(pushed.fields[0])
    if pushed is None or protocol is None:
        return None
    if len(pushed.fields) != _FIELDS:
        raise VerificationError(f"an advertisement has {_FIELDS} fields, not {len(pushed.fields)}")
    _, identity, url, name, signature = pushed.fields
    try:
        token = AdToken(protocol, identity_key(identity), url.decode(), name.decode())
        key = public_child(token.identity, token.key)
    except ValueError as error:
        raise VerificationError(f"an advertisement is malformed: {error}") from error
    if pushed.key != key or not verify(key, preimage(token), signature):
        raise VerificationError(f"an advertisement is not locked and signed by its identity {token.identity}")
    return token


_parsed: Final = lru_cache(maxsize=4096)(_parse)
"""An admission and its index look at a token one after another, and its signature is what they cost."""


def check(tx: Transaction, vout: int, *, plain_http: bool = False) -> AdToken:
    """The advertisement in one output of a transaction, everything about it checked. Raises VerificationError."""
    if not 0 <= vout < len(tx.outputs):
        raise VerificationError(f"transaction {tx.txid} has no output {vout}")
    output = tx.outputs[vout]
    token = parse(output.locking, plain_http=plain_http)
    if token is None:
        raise VerificationError(f"output {tx.outpoint(vout)} is no advertisement")
    if output.satoshis != SATOSHIS:
        raise VerificationError(f"the advertisement of {token.name} holds {output.satoshis} satoshis, not {SATOSHIS}")
    return token
