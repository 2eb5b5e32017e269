"""What storage hosts keep already: by one listing each where much is to be stored, and never asked twice."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final, Protocol

from reconciler.model.errors import RefusedError, TransientError
from reconciler.model.ids import Digest

_FEW: Final = 8
"""So many parts are asked for one by one, whatever the host keeps besides."""
_LISTED: Final = 200
"""Objects in a page of a listing."""


class Shelf(Protocol):
    """A storage host, as far as it says what it keeps."""

    async def kept_until(self, content: Digest) -> int | None:
        """Unix seconds until which the host keeps these bytes; None where it does not have them."""
        ...

    async def listing(self) -> Mapping[Digest, int]:
        """What it keeps of ours: SHA-256 of the stored bytes to expiry (unix seconds)."""
        ...


class Shelves:
    """The hosts of one round of uploads. What a listing does not name is asked for: some hosts list a part only."""

    def __init__(self, hosts: Mapping[str, Shelf], *, wanted: Counter[str], standing: Counter[str]) -> None:
        """`wanted` are the parts to be stored, `standing` the copies that there are, by host."""
        self._hosts = hosts
        self._listed = {name for name, count in wanted.items() if count > max(_FEW, 1 + standing[name] // _LISTED)}
        self._kept: dict[tuple[str, Digest], int] = {}
        self._listing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def kept_until(self, host: str, part: Digest) -> int | None:
        """Unix seconds until which a host keeps a part; None where it does not have it. Raises as the host does."""
        async with self._listing[host]:
            if host in self._listed:
                self._listed.remove(host)
                await self._read(host)
        known = self._kept.get((host, part))
        return await self._hosts[host].kept_until(part) if known is None else known

    def keeps(self, host: str, part: Digest, until: int) -> None:
        """A host has said that it keeps a part until then."""
        self._kept[host, part] = until

    async def _read(self, host: str) -> None:
        try:
            listing = await self._hosts[host].listing()
        except (TransientError, RefusedError):  # it may well answer about one part, or says better what is wrong
            return
        for part, until in listing.items():
            self.keeps(host, part, until)
