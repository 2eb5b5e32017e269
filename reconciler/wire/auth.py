"""Mutual authentication (BRC-103) over HTTP (BRC-104): what messages say, what headers carry, and what is signed (WIRE §4.4).

A handshake makes a session: one nonce from either side. From then on each request and each answer carries a nonce of its own
and a signature, whose key is derived for the two parties from that nonce and the session nonce of the other party.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self, TypeAlias

from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey, identity_key
from reconciler.model.keys import KeyRef
from reconciler.wire.reading import varint

VERSION: Final = "0.1"
"""Of the running code; the standard's text says 1.0, which nobody accepts."""

PATH: Final = "/.well-known/auth"
"""Where messages that are no requests of an application are posted."""

NONCE_BYTES: Final = 32
"""A message's nonce, and a request's id."""
SESSION_NONCE_BYTES: Final = 48
"""A client's session nonce; the reference makes them of this size, and a multiple of three needs no padding."""

PREFIX: Final = "x-bsv-auth"
_SIGNED_PREFIX: Final = "x-bsv-"
_AUTHORIZATION: Final = "authorization"
_CONTENT_TYPE: Final = "content-type"
_PROTOCOL: Final = "auth message signature"

_NAME: Final = re.compile(r"[a-z0-9-]+")
_LONGEST_NONCE: Final = 400
"""Characters. Two of them and a space are at most the 800 of a key ID."""
_SIGNATURE_BYTES: Final = 72
_ABSENT: Final = b"\xff" * 9
"""What the reference writes for the length -1: nothing is there."""

Headers: TypeAlias = Sequence[tuple[str, str]]
"""Names in lower case, in the order and the number in which they came."""


class Header(StrEnum):
    """The headers of BRC-104."""

    VERSION = "x-bsv-auth-version"
    IDENTITY = "x-bsv-auth-identity-key"
    NONCE = "x-bsv-auth-nonce"
    YOUR_NONCE = "x-bsv-auth-your-nonce"
    SIGNATURE = "x-bsv-auth-signature"
    REQUEST_ID = "x-bsv-auth-request-id"
    MESSAGE_TYPE = "x-bsv-auth-message-type"
    REQUESTED_CERTIFICATES = "x-bsv-auth-requested-certificates"


class Empty(StrEnum):
    """How the signed form of an answer says that there is no body: the reference's two sides disagree."""

    ABSENT = "absent"
    """Length -1: its server, and every request."""
    ZERO = "zero"
    """Length 0: its client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a request or an answer says of its sender, beside the signature over all of it."""

    identity: IdentityKey
    nonce: str
    """Base64, new with each message."""
    your_nonce: str
    """The session nonce of the party that it is for."""
    request_id: str
    """Base64 of 32 bytes; an answer repeats that of its request."""
    signature: bytes
    """DER. Empty before it is made."""

    @classmethod
    def parse(cls, headers: Headers) -> Self:
        """Read the headers. Raises VerificationError where one lacks, comes twice, or is not what it has to be."""
        said = {name: value for name, value in headers if name.startswith(PREFIX)}
        if sum(name.startswith(PREFIX) for name, _ in headers) != len(said):
            raise VerificationError("an authentication header comes twice")
        check_version(said.get(Header.VERSION))
        request_id = said.get(Header.REQUEST_ID, "")
        if len(decoded(request_id, "the request id")) != NONCE_BYTES:
            raise VerificationError(f"the request id is not {NONCE_BYTES} bytes in base64")
        return cls(
            identity=identity_of(said.get(Header.IDENTITY)),
            nonce=nonce_of(said.get(Header.NONCE), "the nonce"),
            your_nonce=nonce_of(said.get(Header.YOUR_NONCE), "the session nonce"),
            request_id=request_id,
            signature=_signature(said.get(Header.SIGNATURE)),
        )

    def headers(self) -> dict[str, str]:
        """The headers of a message with this stamp."""
        return {
            Header.VERSION.value: VERSION,
            Header.IDENTITY.value: self.identity,
            Header.NONCE.value: self.nonce,
            Header.YOUR_NONCE.value: self.your_nonce,
            Header.REQUEST_ID.value: self.request_id,
            Header.SIGNATURE.value: self.signature.hex(),
        }

    def key(self, counterparty: IdentityKey) -> KeyRef:
        """The key under which this message is signed: the signer's towards the other party, and the reverse to verify."""
        return signature_key(self.nonce, self.your_nonce, counterparty)


def signature_key(nonce: str, your_nonce: str, counterparty: IdentityKey) -> KeyRef:
    """The key of a message that carries `nonce`, for a party whose session nonce is `your_nonce` (both base64)."""
    return KeyRef(_PROTOCOL, f"{nonce} {your_nonce}", counterparty)


def handshake_key(client_nonce: str, server_nonce: str, counterparty: IdentityKey) -> KeyRef:
    """The key of the server's signature that ends a handshake."""
    return signature_key(client_nonce, server_nonce, counterparty)


def handshake_preimage(client_nonce: str, server_nonce: str) -> bytes:
    """What that signature covers: the nonces' bytes, not their base64."""
    return decoded(client_nonce, "the client's nonce") + decoded(server_nonce, "the server's nonce")


def request_preimage(stamp: Stamp, method: str, target: str, headers: Headers, body: bytes) -> bytes:
    """What a request's signature covers. `target` is path and query, as they stand in the request line.

    Raises VerificationError for headers that two implementations could read or sort differently.
    """
    path, mark, query = target.partition("?")
    return b"".join(
        (
            base64.b64decode(stamp.request_id),
            _sized(method.encode()),
            _sized(path.encode()) if path else _ABSENT,
            _sized(f"?{query}".encode()) if mark and query else _ABSENT,
            _header_block(_signed_of_request(headers)),
            _sized(body) if body else _ABSENT,
        )
    )


def response_preimage(stamp: Stamp, status: int, headers: Headers, body: bytes, *, empty: Empty = Empty.ZERO) -> bytes:
    """What an answer's signature covers. Raises VerificationError as `request_preimage` does."""
    return b"".join(
        (
            base64.b64decode(stamp.request_id),
            varint(status),
            _header_block(_signed(headers)),
            _ABSENT if not body and empty is Empty.ABSENT else _sized(body),
        )
    )


def is_signed(name: str) -> bool:
    """Whether a header of this name (lower case) is among what both sides sign."""
    return (name.startswith(_SIGNED_PREFIX) and not name.startswith(PREFIX)) or name == _AUTHORIZATION


def encoded(data: bytes) -> str:
    """Base64, as nonces and ids are written."""
    return base64.b64encode(data).decode()


def decoded(text: str, what: str) -> bytes:
    """Undo `encoded`. Raises VerificationError, naming it `what`."""
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise VerificationError(f"{what} is not base64") from error


def check_version(version: object) -> None:
    """Raises VerificationError unless it is the one that this speaks."""
    if version != VERSION:
        raise VerificationError(f"the auth version is not {VERSION!r}")


def identity_of(value: object) -> IdentityKey:
    """An identity key from outside. Raises VerificationError."""
    try:
        return identity_key(value if isinstance(value, str) else "")
    except ValueError as error:
        raise VerificationError("the identity key is not a compressed public key in hex") from error


def nonce_of(value: object, what: str) -> str:
    """A nonce from outside, in base64. Raises VerificationError, naming it `what`."""
    if not isinstance(value, str) or not 0 < len(value) < _LONGEST_NONCE:
        raise VerificationError(f"{what} lacks, or is too long")
    if encoded(decoded(value, what)) != value:
        raise VerificationError(f"{what} is not spelled as base64 is")
    return value


def _signature(value: str | None) -> bytes:
    try:
        signature = bytes.fromhex(value or "")
    except ValueError as error:
        raise VerificationError("the signature is not hex") from error
    if not 0 < len(signature) <= _SIGNATURE_BYTES:
        raise VerificationError("the signature lacks, or has the wrong size")
    return signature


def _signed(headers: Headers) -> Mapping[str, str]:
    """The headers that are signed. The reference sorts as people's languages do: names that bytes would sort otherwise are refused."""
    signed: dict[str, str] = {}
    for name, value in headers:
        if not is_signed(name):
            continue
        if name in signed:
            raise VerificationError(f"the header {name} comes twice")
        if _NAME.fullmatch(name) is None:
            raise VerificationError("a signed header's name has other characters than a-z, 0-9 and -")
        signed[name] = value
    return signed


def _signed_of_request(headers: Headers) -> Mapping[str, str]:
    types = [value.partition(";")[0].strip() for name, value in headers if name == _CONTENT_TYPE]
    if len(types) > 1:
        raise VerificationError("the header content-type comes twice")
    return {**_signed(headers), **({_CONTENT_TYPE: types[0]} if types else {})}


def _header_block(headers: Mapping[str, str]) -> bytes:
    written = (_sized(text.encode()) for name in sorted(headers) for text in (name, headers[name]))
    return varint(len(headers)) + b"".join(written)


def _sized(data: bytes) -> bytes:
    return varint(len(data)) + data


def header_texts(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers as ASGI and httpx carry them: bytes that stand for the first 256 characters."""
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw]
