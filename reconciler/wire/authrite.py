"""Authrite (BRC-31, superseded by BRC-103): what its messages say and what is signed, as the running code has it (WIRE §4.7).

A handshake makes a session: one nonce from either side. Requests and answers then carry a nonce of their own and a signature. It
covers less than BRC-104's: of a GET the URL, of anything else the body, of an answer its body. Headers are covered by none, and
method and path not by that of a POST, so that who can write into the connection may redirect it; only TLS is against that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey
from reconciler.model.json import Json, JsonObject
from reconciler.model.keys import KeyRef
from reconciler.wire.auth import decoded, identity_of, nonce_of
from reconciler.wire.canonical import parse_json
from reconciler.wire.derivation import is_point

VERSION: Final = "0.2"
"""Of the running code; the standard's text says 0.1."""

PATH: Final = "/authrite/initialRequest"
PREFIX: Final = "x-authrite"
NONCE_BYTES: Final = 32
"""Of a nonce that is made."""
_CLIENT_NONCE: Final = range(8, 65)
"""Bytes of a client's session nonce; the server's carries it (web/sessions.py)."""

_PROTOCOL: Final = "authrite message signature"
_LONGEST_SIGNATURE: Final = 72
_NO_CERTIFICATES: Final = "[]"
_READING: Final = frozenset({"GET", "HEAD"})


class Header(StrEnum):
    """The headers of a request; an answer has all but INITIAL_NONCE."""

    VERSION = "x-authrite"
    IDENTITY = "x-authrite-identity-key"
    NONCE = "x-authrite-nonce"
    INITIAL_NONCE = "x-authrite-initialnonce"
    YOUR_NONCE = "x-authrite-yournonce"
    SIGNATURE = "x-authrite-signature"
    CERTIFICATES = "x-authrite-certificates"


class AuthriteError(StrEnum):
    """What a server that refuses says, in the reference's words."""

    NO_VERSION = "ERR_MISSING_AUTHRITE_VERSION"
    OTHER_VERSION = "ERR_AUTHRITE_VERSION_MISMATCH"
    NO_PARAMETERS = "ERR_AUTHRITE_MISSING_INITIAL_REQUEST_PARAMS"
    NO_HEADERS = "ERR_AUTHRITE_MISSING_HEADERS"
    NONCE = "ERR_AUTHRITE_BAD_SERVER_NONCE"
    SIGNATURE = "ERR_AUTHRITE_INVALID_SIGNATURE"
    CERTIFICATES = "ERR_AUTHRITE_BAD_CERTS"


class MessageError(VerificationError):
    """A message that is not one, with the code that says so."""

    def __init__(self, code: AuthriteError, message: str) -> None:
        super().__init__(message)
        self.code = code


def signature_key(client_nonce: str, server_nonce: str, counterparty: IdentityKey) -> KeyRef:
    """The key of a signature, by a nonce of the client's and one of the server's.

    A handshake names the two that make the session; a request its own and the server's of the session; an answer the client's of
    the session and its own.
    """
    return KeyRef(_PROTOCOL, f"{client_nonce} {server_nonce}", counterparty)


def handshake_preimage(client_nonce: str, server_nonce: str) -> bytes:
    """What the server's signature of a handshake covers: the texts of the nonces, not what they stand for."""
    return f"{client_nonce}{server_nonce}".encode()


def request_preimage(method: str, url: str, body: bytes) -> bytes:
    """What a request's signature covers. `url` is absolute.

    The reference's server spells the JSON of the body anew, its client signs what it sends, and that as JavaScript spells it: the
    same, wherever both agree.
    """
    return url.encode() if method in _READING else body or b"{}"


@dataclass(frozen=True, slots=True)
class InitialRequest:
    """The client's half of a handshake. It may ask for certificates, of which we have none."""

    identity: IdentityKey
    nonce: str

    def to_json(self) -> JsonObject:
        """What is posted to PATH."""
        return {
            "authrite": VERSION,
            "messageType": "initialRequest",
            "identityKey": self.identity,
            "nonce": self.nonce,
            "requestedCertificates": {"certifiers": [], "types": {}},
        }

    @classmethod
    def parse(cls, value: Json) -> Self:
        """Raises MessageError."""
        match value:
            case {"authrite": str(version), **said} if version:
                _check_version(version)
            case _:
                raise MessageError(AuthriteError.NO_VERSION, "the initial request says no version")
        try:
            return cls(_identity(said.get("identityKey")), _client_nonce(said.get("nonce")))
        except VerificationError as error:
            raise MessageError(AuthriteError.NO_PARAMETERS, error.message) from error


@dataclass(frozen=True, slots=True)
class InitialResponse:
    """The server's half."""

    identity: IdentityKey
    nonce: str
    signature: bytes
    """DER, over `handshake_preimage`."""

    def to_json(self) -> JsonObject:
        """What a handshake is answered with: no certificates are shown, and none asked for."""
        return {
            "authrite": VERSION,
            "messageType": "initialResponse",
            "identityKey": self.identity,
            "nonce": self.nonce,
            "certificates": [],
            "requestedCertificates": {"certifiers": [], "types": {}},
            "signature": self.signature.hex(),
        }

    @classmethod
    def parse(cls, value: Json) -> Self:
        """Raises VerificationError."""
        match value:
            case {"authrite": str(version), "messageType": "initialResponse", **said}:
                _check_version(version)
            case _:
                raise VerificationError("the server did not answer a handshake")
        nonce = nonce_of(said.get("nonce"), "the server's nonce")
        return cls(_identity(said.get("identityKey")), nonce, _signature(said.get("signature")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a request or an answer says of its sender."""

    identity: IdentityKey
    nonce: str
    """New with each message."""
    your_nonce: str
    """The session nonce of the party that it is for."""
    initial_nonce: str = ""
    """The sender's own; answers leave it out."""
    signature: bytes = b""

    def headers(self) -> dict[str, str]:
        """The headers of a message with this stamp."""
        headers = {
            Header.VERSION.value: VERSION,
            Header.IDENTITY.value: self.identity,
            Header.NONCE.value: self.nonce,
            Header.YOUR_NONCE.value: self.your_nonce,
            Header.CERTIFICATES.value: _NO_CERTIFICATES,
            Header.SIGNATURE.value: self.signature.hex(),
        }
        return {**headers, Header.INITIAL_NONCE.value: self.initial_nonce} if self.initial_nonce else headers

    @classmethod
    def of_request(cls, headers: Mapping[str, str]) -> Self:
        """Read a request's headers (lower-case names). Raises MessageError."""
        missing = [name.value for name in Header if not headers.get(name)]
        if missing:
            raise MessageError(AuthriteError.NO_HEADERS, f"the request lacks {', '.join(missing)}")
        _check_version(headers[Header.VERSION])
        _check_certificates(headers[Header.CERTIFICATES])
        return cls._read(headers, initial_nonce=headers[Header.INITIAL_NONCE])

    @classmethod
    def of_answer(cls, headers: Mapping[str, str]) -> Self:
        """Read an answer's headers (lower-case names). Raises VerificationError."""
        _check_version(headers.get(Header.VERSION, ""))
        return cls._read(headers, initial_nonce="")

    @classmethod
    def _read(cls, headers: Mapping[str, str], *, initial_nonce: str) -> Self:
        try:
            return cls(
                identity=_identity(headers.get(Header.IDENTITY)),
                nonce=nonce_of(headers.get(Header.NONCE), "the nonce"),
                your_nonce=nonce_of(headers.get(Header.YOUR_NONCE), "the session nonce"),
                initial_nonce=initial_nonce and nonce_of(initial_nonce, "the client's session nonce"),
                signature=_signature(headers.get(Header.SIGNATURE)),
            )
        except VerificationError as error:
            raise MessageError(AuthriteError.SIGNATURE, error.message) from error


def _check_version(version: str) -> None:
    if version != VERSION:
        raise MessageError(
            AuthriteError.OTHER_VERSION, f"this speaks version {VERSION} of Authrite, not {version!r:.20}"
        )


def _check_certificates(text: str) -> None:
    """None were asked for; what is shown nevertheless is not looked at, but has to be what it says."""
    try:
        shown = parse_json(text.encode(), "the header of certificates")
    except VerificationError as error:
        raise MessageError(AuthriteError.CERTIFICATES, error.message) from error
    if not isinstance(shown, list):
        raise MessageError(AuthriteError.CERTIFICATES, "the certificates are no array")


def _identity(value: object) -> IdentityKey:
    identity = identity_of(value)
    if not is_point(identity):
        raise VerificationError("the identity key is no public key")
    return identity


def _client_nonce(value: object) -> str:
    nonce = nonce_of(value, "the client's nonce")
    if len(decoded(nonce, "the client's nonce")) not in _CLIENT_NONCE:
        raise VerificationError("the client's nonce is too short, or too long")
    return nonce


def _signature(value: object) -> bytes:
    try:
        signature = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        signature = b""
    if not 0 < len(signature) <= _LONGEST_SIGNATURE:
        raise VerificationError("the signature is not one in hex")
    return signature
