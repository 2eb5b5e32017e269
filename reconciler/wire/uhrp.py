"""UHRP (BRC-26): content named by its hash, and the tokens by which storage hosts say that they keep it. WIRE §4.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, IdentityKey, digest, identity_key
from reconciler.model.keys import UHRP_KEY
from reconciler.wire import pushdrop
from reconciler.wire.base58 import decode_check, encode_check
from reconciler.wire.derivation import public_child, verify
from reconciler.wire.reading import Reading, varint
from reconciler.wire.transaction import Transaction
from reconciler.wire.uris import is_local, reach_fault

_PREFIX: Final = b"\xce\x00"
_FIELDS: Final = 6  # host, hash, URL, expiry, length, signature
_URL_BYTES: Final = 4096
_NUMBERS: Final = range(1, 2**53)
_LOST: Final = 16  # as a field this becomes OP_16, which the reference reads as nothing


def url_of(content: Digest) -> str:
    """The bare URL, Base58Check without a scheme: this is what look-up services keep and are asked for."""
    return encode_check(_PREFIX, bytes.fromhex(content))


def digest_of(url: str) -> Digest:
    """The hash in a URL, with or without `uhrp:` or `uhrp://`. Raises ValueError."""
    bare = url[5:] if url[:5].lower() == "uhrp:" else url
    prefix, content = decode_check(bare.removeprefix("//"), prefix=2, payload=32)
    if prefix != _PREFIX:
        raise ValueError(f"not a UHRP URL: {url!r}")
    return digest(content)


@dataclass(frozen=True, slots=True)
class UhrpToken:
    """A host's promise to keep some content."""

    host: IdentityKey
    sha256: Digest
    """Of the stored bytes."""
    url: str
    """Where they can be fetched."""
    expires: int
    """Unix seconds."""
    size: int
    """Stored bytes."""

    def __post_init__(self) -> None:
        if self.size in {0, _LOST}:
            raise ValueError(f"content of {self.size} bytes cannot be advertised by UHRP: pad it")
        if self.size not in _NUMBERS:
            raise ValueError(f"not a size in bytes: {self.size}")
        if self.expires not in _NUMBERS or self.expires == _LOST:
            raise ValueError(f"not a time in unix seconds: {self.expires}")


def signed_fields(token: UhrpToken) -> tuple[bytes, ...]:
    """The five fields in front of the signature."""
    hashes = (bytes.fromhex(token.host), bytes.fromhex(token.sha256))
    return (*hashes, token.url.encode(), varint(token.expires), varint(token.size))


def preimage(token: UhrpToken) -> bytes:
    """What the signature signs (its SHA-256, once)."""
    return b"".join(signed_fields(token))


def lock(token: UhrpToken, signature: bytes, *, plain_http: bool = False) -> bytes:
    """The locking script. `signature` is DER, by `UHRP_KEY`, and is not checked here.

    Raises ValueError for a URL that must not be advertised; `plain_http` is for toy networks, see `location_fault`.
    """
    fault = location_fault(token.url, plain_http=plain_http)
    if fault:
        raise ValueError(f"the URL {token.url!r} {fault}")
    return pushdrop.lock(public_child(token.host, UHRP_KEY), (*signed_fields(token), signature), numbers=True)


def parse(locking: bytes, *, plain_http: bool = False) -> UhrpToken | None:
    """The token in a locking script, its key and signature checked; None where there is no UHRP token.

    Raises VerificationError where it has a UHRP token's shape (six fields, a key and a hash in front) and is wrong.
    """
    pushed = pushdrop.parse(locking)
    if pushed is None or tuple(map(len, pushed.fields[:2])) != (33, 32) or len(pushed.fields) != _FIELDS:
        return None
    try:
        token = _token(*pushed.fields[:5])
        key = public_child(token.host, UHRP_KEY)
    except ValueError as error:
        raise VerificationError(f"a UHRP token is malformed: {error}") from error
    fault = location_fault(token.url, plain_http=plain_http)
    if fault:
        raise VerificationError(f"the URL of a UHRP token {fault}")
    if pushed.key != key or not verify(key, preimage(token), pushed.fields[5]):
        raise VerificationError(f"a UHRP token is not locked and signed by its host {token.host}")
    return token


def check(tx: Transaction, vout: int, *, plain_http: bool = False) -> UhrpToken:
    """The UHRP token in one output of a transaction; the standard sets no amount. Raises VerificationError."""
    if not 0 <= vout < len(tx.outputs):
        raise VerificationError(f"transaction {tx.txid} has no output {vout}")
    token = parse(tx.outputs[vout].locking, plain_http=plain_http)
    if token is None:
        raise VerificationError(f"output {tx.outpoint(vout)} is no UHRP token")
    return token


def location_fault(url: str, *, plain_http: bool) -> str | None:
    """Why content must not be said to lie at `url`, or None if it may.

    It is https, or, where `plain_http` says so (toy networks), http to this machine: loopback and `*.embedded` (PROTOCOL §8).
    """
    if len(url) > _URL_BYTES or not url.isascii() or not url.isprintable() or " " in url:
        return f"is not at most {_URL_BYTES} characters of plain ASCII"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"is malformed: {error}"
    if not host or "@" in parts.netloc:
        return "must name a host, and no user"
    if parts.scheme == "https" or (plain_http and parts.scheme == "http" and is_local(host)):
        return reach_fault(host, toy=plain_http)
    return "must be https"


def _token(host: bytes, content: bytes, url: bytes, expires: bytes, size: bytes) -> UhrpToken:
    return UhrpToken(identity_key(host), digest(content), url.decode(), _number(expires), _number(size))


def _number(field: bytes) -> int:
    reading = Reading(field, "a number of a UHRP token")
    value = reading.varint()
    if varint(value) != field:
        raise VerificationError("a number of a UHRP token is not in its shortest form")
    return value
