"""The messages of BRC-103 that are no requests of an application, as JSON: who speaks, with what nonce, and certificates.

Strangers write these: unknown fields are passed over, known ones must be what they have to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Self, TypeAlias

from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey
from reconciler.model.json import Json, JsonObject
from reconciler.model.keys import KeyRef
from reconciler.wire.auth import VERSION, check_version, decoded, identity_of, nonce_of, signature_key
from reconciler.wire.javascript import javascript_json

MAX_BYTES: Final = 256 * 1024
"""Of a message: a handful of certificates."""
_CLIENT_NONCE: Final = range(8, 65)
"""Bytes. Our own nonce carries it."""
_MOST_TYPES: Final = 32
_MOST_CERTIFICATES: Final = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """Certificates that a party asks for. Empty: none."""

    certifiers: tuple[IdentityKey, ...] = ()
    """Any of these may have signed."""
    types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Type (base64 of 32 bytes) to the names of the fields that are to be revealed."""

    def __bool__(self) -> bool:
        return bool(self.certifiers)

    @classmethod
    def parse(cls, value: Json) -> Self:
        """Read `requestedCertificates`. Nothing, or null, is nothing wanted. Raises VerificationError."""
        if value is None:
            return cls()
        if not isinstance(value, Mapping):
            raise _wrong("requestedCertificates")
        certifiers, types = value.get("certifiers") or [], value.get("types") or {}
        if not isinstance(certifiers, list) or not isinstance(types, Mapping):
            raise _wrong("requestedCertificates")
        if len(certifiers) > _MOST_TYPES or len(types) > _MOST_TYPES:
            raise VerificationError("more certificates are asked for than anyone has")
        return cls(tuple(map(identity_of, certifiers)), {name: _texts(fields) for name, fields in types.items()})

    def to_json(self) -> JsonObject:
        """As it stands in a message."""
        return {
            "certifiers": list(self.certifiers),
            "types": {name: list(fields) for name, fields in self.types.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialRequest:
    """A client's first message."""

    identity: IdentityKey
    nonce: str
    """Its session nonce."""
    wanted: Wanted = field(default_factory=Wanted)

    def to_json(self) -> JsonObject:
        """As it is posted."""
        return {
            "version": VERSION,
            "messageType": "initialRequest",
            "identityKey": self.identity,
            "initialNonce": self.nonce,
            "requestedCertificates": self.wanted.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialResponse:
    """The server's answer, signed; with it a session stands."""

    identity: IdentityKey
    nonce: str
    """The server's session nonce."""
    your_nonce: str
    """The client's."""
    signature: bytes
    wanted: Wanted = field(default_factory=Wanted)
    certificates: Sequence[JsonObject] = ()
    """Those that the client asked for and the server has."""

    def to_json(self) -> JsonObject:
        """As it is answered."""
        return {
            "version": VERSION,
            "messageType": "initialResponse",
            "identityKey": self.identity,
            "initialNonce": self.nonce,
            "yourNonce": self.your_nonce,
            **({"certificates": list(self.certificates)} if self.certificates else {}),
            "requestedCertificates": self.wanted.to_json(),
            "signature": list(self.signature),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutCertificates:
    """A signed message inside a session: certificates that are asked for, or given."""

    identity: IdentityKey
    nonce: str
    """This message's own."""
    session_nonce: str
    """The sender's."""
    your_nonce: str
    """The receiver's session nonce."""
    content: Wanted | Sequence[JsonObject]
    """What is asked for, or what is given."""
    signature: bytes = b""
    signed: bytes = b""
    """What the signature covers: the content's JSON, as JavaScript spells it."""

    def key(self, counterparty: IdentityKey) -> KeyRef:
        """The key of its signature."""
        return signature_key(self.nonce, self.your_nonce, counterparty)

    def to_json(self) -> JsonObject:
        """As it is posted or answered."""
        kind, name = _ASKS if isinstance(self.content, Wanted) else _GIVES
        content: Json = self.content.to_json() if isinstance(self.content, Wanted) else list(self.content)
        return {
            "version": VERSION,
            "messageType": kind,
            "identityKey": self.identity,
            "nonce": self.nonce,
            "initialNonce": self.session_nonce,
            "yourNonce": self.your_nonce,
            name: content,
            "signature": list(self.signature),
        }


_ASKS: Final = ("certificateRequest", "requestedCertificates")
_GIVES: Final = ("certificateResponse", "certificates")

Message: TypeAlias = InitialRequest | InitialResponse | AboutCertificates
Kind: TypeAlias = Literal["initialRequest", "initialResponse", "certificateRequest", "certificateResponse"]


def parse_message(value: Json) -> Message:
    """Read any message. Raises VerificationError."""
    if not isinstance(value, Mapping):
        raise VerificationError("an authentication message is not a JSON object")
    check_version(value.get("version"))
    match value.get("messageType"):
        case "initialRequest":
            return _initial_request(value)
        case "initialResponse":
            return InitialResponse(
                identity=identity_of(value.get("identityKey")),
                nonce=nonce_of(value.get("initialNonce"), "the server's nonce"),
                your_nonce=nonce_of(value.get("yourNonce"), "the client's nonce"),
                signature=_bytes(value.get("signature")),
                wanted=Wanted.parse(value.get("requestedCertificates")),
                certificates=_objects(value.get("certificates")),
            )
        case "certificateRequest":
            return _about(value, _ASKS[1], Wanted.parse(value.get(_ASKS[1])))
        case "certificateResponse":
            return _about(value, _GIVES[1], _objects(value.get(_GIVES[1])))
        case _:
            raise VerificationError("an authentication message is of no known type")


def _initial_request(value: JsonObject) -> InitialRequest:
    nonce = nonce_of(value.get("initialNonce"), "the client's nonce")
    if len(decoded(nonce, "the client's nonce")) not in _CLIENT_NONCE:
        raise VerificationError("the client's nonce has less than 8 or more than 64 bytes")
    return InitialRequest(
        identity=identity_of(value.get("identityKey")),
        nonce=nonce,
        wanted=Wanted.parse(value.get("requestedCertificates")),
    )


def _about(value: JsonObject, name: str, content: Wanted | Sequence[JsonObject]) -> AboutCertificates:
    return AboutCertificates(
        identity=identity_of(value.get("identityKey")),
        nonce=nonce_of(value.get("nonce"), "the nonce"),
        session_nonce=nonce_of(value.get("initialNonce"), "the sender's session nonce"),
        your_nonce=nonce_of(value.get("yourNonce"), "the session nonce"),
        content=content,
        signature=_bytes(value.get("signature")),
        signed=javascript_json(value.get(name)),
    )


def _objects(value: Json) -> tuple[JsonObject, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MOST_CERTIFICATES:
        raise _wrong("certificates")
    return tuple(_object(item) for item in value)


def _object(value: Json) -> JsonObject:
    if not isinstance(value, Mapping):
        raise _wrong("certificates")
    return value


def _texts(value: Json) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong("requestedCertificates")
    return tuple(_text(item) for item in value)


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise _wrong("requestedCertificates")
    return value


def _bytes(value: Json) -> bytes:
    """A signature: the reference writes it as an array of numbers."""
    if not isinstance(value, list) or not 0 < len(value) <= 72:
        raise _wrong("signature")
    try:
        return bytes(value)
    except (TypeError, ValueError) as error:
        raise _wrong("signature") from error


def _wrong(name: str) -> VerificationError:
    return VerificationError(f"{name!r} of an authentication message is not what it has to be")
