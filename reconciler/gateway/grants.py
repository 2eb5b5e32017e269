"""Leave to download one good, as a text that stands in a URL and that nobody needs to keep (DESIGN §5).

grant = base64url(receipt id (32) | expires (4, unix seconds) | HMAC-SHA256 over purpose, receipt id, expiry and good (32))

It is good in every process that has the gateway's key, and worth nothing for another good or after its time. What the receipt
still allows, and whether it was revoked, is in the database.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from reconciler.model.errors import RefusedError
from reconciler.model.ids import Digest, RecordId, digest
from reconciler.wire.canonical import canonical_cbor

Seal: TypeAlias = Callable[[bytes], bytes]
"""HMAC-SHA256 under a key of the gateway's, kept for this (`model.keys.GRANT_KEY`)."""

_ID: Final = 32
_EXPIRY: Final = 4
_HMAC: Final = 32
_LENGTH: Final = -(-(_ID + _EXPIRY + _HMAC) * 4 // 3)
"""Characters of a grant, which has no padding."""
_PURPOSE: Final = "content grant"


@dataclass(frozen=True, slots=True)
class Grant:
    """Whoever shows it may download what a receipt was given for."""

    receipt: Digest
    """The receipt's id."""
    record: RecordId
    """What it is for; stands in the URL, not in the text."""
    expires: int
    """Unix seconds."""

    def text(self, seal: Seal) -> str:
        """As it stands in a URL."""
        head = bytes.fromhex(self.receipt) + self.expires.to_bytes(_EXPIRY, "big")
        return base64.urlsafe_b64encode(head + seal(_sealed(head, self.record))).decode().rstrip("=")


def parse_grant(text: str, record: RecordId, *, seal: Seal, now: float) -> Grant:
    """The grant in a URL of `record`. Raises RefusedError (code 403) where we gave none such, or its time is up."""
    data = _decoded(text)
    head, shown = data[: _ID + _EXPIRY], data[_ID + _EXPIRY :]
    if len(shown) != _HMAC or not hmac.compare_digest(shown, seal(_sealed(head, record))):
        raise RefusedError("this is no grant of this gateway's for this content", code="403")
    grant = Grant(digest(head[:_ID]), record, int.from_bytes(head[_ID:], "big"))
    if grant.expires <= now:
        raise RefusedError(
            "the grant has expired",
            code="403",
            hint="ask for access again: as long as the receipt holds, it costs nothing",
        )
    return grant


def _decoded(text: str) -> bytes:
    """The bytes of a grant; none where it is not the one way of writing them."""
    if len(text) != _LENGTH:
        return b""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if base64.urlsafe_b64encode(data).decode().rstrip("=") == text else b""


def _sealed(head: bytes, record: RecordId) -> bytes:
    return canonical_cbor([_PURPOSE, head, str(record)])
