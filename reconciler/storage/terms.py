"""What a storage host asks for keeping bytes, and the signed URL that lets somebody bring them (WIRE §4.3)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import urlencode

from reconciler.model.amounts import Satoshis, satoshis
from reconciler.model.errors import RefusedError
from reconciler.model.ids import Digest, digest
from reconciler.model.json import Json

MAX_SIZE: Final = 11_000_000_000
"""Bytes of one object, as the reference has it."""

MAX_MINUTES: Final = 69_000_000
"""Of retention, as the reference has it: about 130 years."""

_UNADVERTISABLE: Final = frozenset({0, 16})
"""Sizes that a UHRP token cannot state (WIRE §4.3)."""

_FLOOR: Final = 10
"""Satoshis; the reference charges no less."""

Seal: TypeAlias = Callable[[bytes], bytes]
"""An HMAC under a key of the host's, the same in every process of it."""

_GIGABYTE: Final = 1_000_000_000
_MONTH: Final = 30 * 24 * 60


@dataclass(frozen=True, slots=True)
class Wish:
    """So many bytes, kept for so many minutes."""

    size: int
    minutes: int
    sha256: Digest | None = None
    """Of the bytes, where that was said. The reference's clients do not."""

    @classmethod
    def parse(cls, body: Json, *, unsized: str = "ERR_INVALID_SIZE") -> Wish:
        """Read the body of /quote and /upload. Raises RefusedError with the reference's codes; `unsized` is without a size."""
        fields = body if isinstance(body, Mapping) else {}
        size, minutes = fields.get("fileSize"), fields.get("retentionPeriod")
        if size is None:
            raise RefusedError("fileSize is missing", code=unsized)
        if minutes is None:
            raise RefusedError("retentionPeriod is missing", code="ERR_NO_RETENTION_PERIOD")
        return cls(
            checked_size(_whole(size, "fileSize", "ERR_INVALID_SIZE")),
            checked_minutes(_whole(minutes, "retentionPeriod", "ERR_INVALID_RETENTION_PERIOD")),
            _hash(fields.get("sha256")),
        )

    @property
    def good(self) -> str:
        """What is bought by it: all that it says."""
        return f"storage upload {self.size} {self.minutes} {self.sha256 or ''}".rstrip()


@dataclass(frozen=True, slots=True)
class Prices:
    """Satoshis for one gigabyte (10^9 bytes) and month (30 days); 0 is free."""

    per_gigabyte_month: int = 0

    def of(self, wish: Wish) -> Satoshis:
        """The price, rounded up, and not below the reference's floor unless everything is free."""
        if not self.per_gigabyte_month:
            return Satoshis(0)
        price = -(-wish.size * wish.minutes * self.per_gigabyte_month // (_GIGABYTE * _MONTH))
        return satoshis(max(_FLOOR, price))


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to bring one object."""

    size: int
    """Bytes, exactly."""
    object_id: str
    expires: int
    """Unix seconds until which the object is kept."""
    uploader: str
    sha256: Digest | None = None
    """What it must hash to, where that was said beforehand."""

    def query(self, seal: Seal) -> str:
        """The query of the URL to PUT to."""
        return urlencode({**self._fields(), "hmac": self._hmac(seal).hex()})

    @classmethod
    def parse(cls, query: Mapping[str, str], seal: Seal, now: float) -> Grant:
        """Read such a query. Raises RefusedError unless it is ours, and of today."""
        try:
            grant = cls(
                size=int(query["fileSize"][:20]),
                object_id=query["objectID"],
                expires=int(query["expiry"][:20]),
                uploader=query["uploader"],
                sha256=digest(query["sha256"]) if "sha256" in query else None,
            )
            shown = bytes.fromhex(query["hmac"])
        except (KeyError, ValueError):
            raise RefusedError("the upload URL is malformed", code="ERR_INVALID_URL") from None
        if not hmac.compare_digest(shown, grant._hmac(seal)):
            raise RefusedError("the upload URL is not one of this host's", code="ERR_INVALID_HMAC")
        if grant.expires <= now:
            raise RefusedError("the upload URL has expired", code="ERR_EXPIRED")
        return grant

    def _fields(self) -> dict[str, str]:
        announced = {} if self.sha256 is None else {"sha256": self.sha256}
        return {
            "fileSize": str(self.size),
            "objectID": self.object_id,
            "expiry": str(self.expires),
            "uploader": self.uploader,
            **announced,
        }

    def _hmac(self, seal: Seal) -> bytes:
        """Over the encoded query, in which no value can pretend to be the next field."""
        return seal(urlencode(self._fields()).encode())


def checked_size(size: int) -> int:
    """A size that can be kept and advertised. Raises RefusedError."""
    if size in _UNADVERTISABLE or not 0 < size <= MAX_SIZE:
        raise RefusedError(
            f"an object has 1 to {MAX_SIZE} bytes, and not 16, which no UHRP token can state: pad it",
            code="ERR_INVALID_SIZE",
        )
    return size


def checked_minutes(minutes: int) -> int:
    """A time for which something can be kept. Raises RefusedError."""
    if not 0 < minutes <= MAX_MINUTES:
        raise RefusedError(f"retention is 1 to {MAX_MINUTES} minutes", code="ERR_INVALID_RETENTION_PERIOD")
    return minutes


def checked_extension(minutes: int, left: float) -> int:
    """Minutes by which something can be renewed that is kept for `left` seconds. Raises RefusedError."""
    if not 0 < minutes <= MAX_MINUTES - left / 60:
        raise RefusedError(
            f"additionalMinutes is positive, and nothing is kept for more than {MAX_MINUTES} minutes",
            code="ERR_INVALID_TIME",
        )
    return minutes


def _hash(value: Json) -> Digest | None:
    if value is None:
        return None
    try:
        return digest(value if isinstance(value, str) else "")
    except ValueError as error:
        raise RefusedError("sha256 must be 64 lower-case hex digits", code="ERR_INVALID_HASH") from error


def _whole(value: Json, name: str, code: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise RefusedError(f"{name} must be a whole number", code=code)
    return value
