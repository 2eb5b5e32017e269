"""What is asked of a storage host, and what it answers once it is willing or paid (WIRE §4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.ids import Digest
from reconciler.model.json import JsonObject
from reconciler.wire.uhrp import url_of


class StorageAct(StrEnum):
    """What a host is asked to do, and is paid for; its path, too."""

    UPLOAD = "upload"
    RENEW = "renew"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageWish:
    """Bytes to be taken, or kept for longer. The same wish is the same request, byte for byte: a payment stays good for it."""

    act: StorageAct
    sha256: Digest
    size: int
    minutes: int
    """From now on, or more than it was."""

    @property
    def path(self) -> str:
        """Below the host's origin."""
        return f"/{self.act}"

    @property
    def body(self) -> JsonObject:
        """The request's JSON. The reference does not read what the bytes of an upload hash to; ours takes no others."""
        if self.act is StorageAct.RENEW:
            return {"uhrpUrl": url_of(self.sha256), "additionalMinutes": self.minutes}
        return {"fileSize": self.size, "retentionPeriod": self.minutes, "sha256": self.sha256}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """A wish that is granted: bytes may be brought to `url`; or, where it is a renewal, they are kept `until` (unix seconds)."""

    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """To be sent with the bytes."""
    until: int | None = None
