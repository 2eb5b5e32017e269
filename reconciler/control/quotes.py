"""What storage hosts ask for keeping bytes for one term."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from reconciler.apply.upload import TERM_MINUTES
from reconciler.clients.storage import StorageClient
from reconciler.model.observed import StorageQuote

_MUCH: Final = 1_000_000_000


async def storage_quotes(storage: Mapping[str, StorageClient]) -> dict[str, StorageQuote]:
    """The quotes of all hosts, by name: for a gigabyte, and for the smallest object.

    Raises UnreachableError or RefusedError where one gives none: what it would ask is not known, and not nothing.
    """
    quotes = await asyncio.gather(*(_quote(host) for host in storage.values()))
    return dict(zip(storage, quotes, strict=True))


async def _quote(host: StorageClient) -> StorageQuote:
    much, little = await asyncio.gather(host.quote(_MUCH, TERM_MINUTES), host.quote(1, TERM_MINUTES))
    return StorageQuote(satoshis=much, bytes=_MUCH, minimum=little)
