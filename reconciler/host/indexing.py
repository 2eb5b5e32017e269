"""Services that were installed, or learned to read more, after there was something to index: they catch up first.

Nothing is answered and nothing is taken before they have: a listing that is silently incomplete looks like a host that hides
records. Several processes share the work, and whoever dies in it is carried on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from reconciler.host.services import Lookup, Topic
from reconciler.host.shelf import Shelf
from reconciler.store.database import Database
from reconciler.store.indexes import Indexes

_PAGE: Final = 200
"""Outputs that are read in one database transaction, so that others get their turn."""


class Indexing:
    """Brings the look-up services of one host up to date, once."""

    def __init__(self, *, database: Database, topics: Mapping[str, Topic], lookups: Mapping[str, Lookup]) -> None:
        self._database = database
        self._topics = topics
        self._lookups = lookups
        self._whole = False
        self._alone = asyncio.Lock()

    async def catch_up(self) -> None:
        """Return when every service has read everything. Raises what the database raises."""
        if self._whole:
            return
        async with self._alone:
            if not self._whole:
                for name in await self._behind():
                    while await self._read_on(self._lookups[name]):
                        pass
                self._whole = True

    async def _behind(self) -> tuple[str, ...]:
        versions = {name: _version(lookup) for name, lookup in self._lookups.items()}
        async with self._database.reading() as connection:
            return await Indexes(connection).behind(versions)

    async def _read_on(self, lookup: Lookup) -> bool:
        topics = lookup.topics & self._topics.keys()
        async with self._database.begin() as connection:
            outputs = await Indexes(connection).page(lookup.name, _version(lookup), topics, _PAGE)
            await Shelf(connection, topics=self._topics, lookups=(), offered=()).show(outputs, lookup)
        return bool(outputs)


def _version(lookup: Lookup) -> str:
    return lookup.about.version or ""
