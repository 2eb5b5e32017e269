"""What a gateway delivers: parts from storage hosts, opened with the content seed that the root seals for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from reconciler.cli.wiring import Site, fetcher_of
from reconciler.content.cache import LIMIT, PartCache
from reconciler.content.fetching import Fetcher
from reconciler.content.serving import Library
from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, IdentityKey
from reconciler.store.documents import Documents
from reconciler.store.published import Published
from reconciler.store.works import Connection
from reconciler.wallet.keys import Keys
from reconciler.wallet.sealing import unseal
from reconciler.wire.documents import parse_root_document

_FOLDER: Final = "parts"
_PATIENCE: Final = 2.0
_PACE: Final = 16 << 20
"""Bytes a second: so much time each place has to give a part, and those seconds, before the next one is asked as well."""


@asynccontextmanager
async def open_library(site: Site, keys: Keys | None, *, limit: int = LIMIT) -> AsyncIterator[Library]:
    """The contents of whose root is recorded, for the block. `keys` are the gateway's; without, only what is free is opened.

    Parts are kept in OVERLAY_HOME/cache, `limit` bytes of them.
    """

    async def seed() -> bytes:
        if keys is None:
            raise StateError("what is sold is opened with a gateway's key, and there is none here")
        return await content_seed(site, keys)

    cache = PartCache(_fetcher(site), limit=limit)
    try:
        yield Library(cache, seed=seed)
    finally:
        await cache.close()


def _fetcher(site: Site) -> Fetcher:
    """Asks the producer's own storage hosts first, and others beside whoever takes his time: anybody may say that he has a part."""
    fetcher = fetcher_of(site)
    own = tuple(f"{host.url}/" for host in site.endpoints.storage)

    async def places(content: Digest) -> Sequence[str]:
        return sorted(await fetcher.locate(content), key=lambda url: not url.startswith(own))

    return replace(fetcher, folder=site.home.cache / _FOLDER, locate=places, pause=_pause)


def _pause(size: int) -> float:
    return _PATIENCE + size / _PACE


async def content_seed(site: Site, keys: Keys) -> bytes:
    """From the recorded root's sealed document. Raises StateError where that is not here, or not for these keys."""
    producer, sealed = await site.database.read(_sealed)
    return unseal(sealed, producer=producer, keys=keys).content_seed


async def _sealed(connection: Connection) -> tuple[IdentityKey, bytes]:
    root = await Published(connection).root()
    if root is None:
        raise StateError("nothing has been published here yet")
    documents = Documents(connection)
    data = await documents.get(root.record.document_hash)
    document = None if data is None else parse_root_document(data)
    sealed = None if document is None else await documents.get(document.sealed.sha256)
    if document is None or sealed is None:
        raise StateError("the root's documents are not in the database", hint="run `overlay state rebuild`")
    return document.producer, sealed
