"""Keeping what was brought: whole, durable, advertised, and gone after its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.errors import RefusedError
from reconciler.model.ids import Digest
from reconciler.storage.advertise import Advertiser, Offer
from reconciler.storage.files import Files
from reconciler.storage.terms import MAX_MINUTES, Grant
from reconciler.store.database import Database
from reconciler.store.objects import Objects, StoredFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """Expiries in unix seconds, and what the renewal is for."""

    before: int
    after: int
    file: StoredFile


class Keeper:
    """One storage host's content. `base_url` is its origin, as it stands in advertisements."""

    def __init__(
        self, *, database: Database, files: Files, advertiser: Advertiser, base_url: str, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._files = files
        self._advertiser = advertiser
        self._clock = clock
        self.base_url = base_url.rstrip("/")

    async def receive(self, grant: Grant, chunks: AsyncIterable[bytes], media_type: str) -> StoredFile:
        """Take the bytes of one grant; returns once they are durable and advertised. Idempotent.

        Raises RefusedError where the bytes are not as announced, or the grant was used for others; UnreachableError where
        they are kept but could not be advertised: the same again goes on there.
        """
        async with self._files.receive(chunks, grant.size) as received, self._database.begin() as connection:
            objects = Objects(connection)
            if await objects.uploaded(grant.object_id) not in {None, received.sha256}:
                raise RefusedError("the upload URL was used for other content", code="ERR_USED")
            file = await objects.keep(
                StoredFile(sha256=received.sha256, size=received.size, media_type=media_type, expires=grant.expires),
                object_id=grant.object_id,
                uploader=grant.uploader,
            )
            # Inside the database transaction, as in `sweep`: the two cannot come between one another.
            await asyncio.to_thread(self._files.place, received)
        await self._advertise(file)
        return file

    async def listing(self, uploader: str) -> tuple[StoredFile, ...]:
        """What this uploader has brought and can be relied on, by hash."""
        async with self._database.reading() as connection:
            return await Objects(connection).advertised(uploader, int(self._clock()))

    async def find(self, uploader: str, sha256: Digest) -> StoredFile | None:
        """One of these."""
        async with self._database.reading() as connection:
            found = await Objects(connection).advertised(uploader, int(self._clock()), sha256)
        return found[0] if found else None

    async def renew(self, uploader: str, sha256: Digest, minutes: int) -> Renewed:
        """Keep something so much longer. Raises RefusedError where the uploader has nothing like that here."""
        file = await self.find(uploader, sha256)
        if file is None:
            raise RefusedError(f"nothing with the hash {sha256} is kept for you", code="ERR_NOT_FOUND")
        after = file.expires + minutes * 60
        if after > self._clock() + MAX_MINUTES * 60:
            raise RefusedError(f"nothing is kept for more than {MAX_MINUTES} minutes", code="ERR_INVALID_TIME")
        async with self._database.begin() as connection:
            await Objects(connection).extend(sha256, after)
            extended = await Objects(connection).file(sha256)
        if extended is None:  # swept since: its time was up
            raise RefusedError(f"nothing with the hash {sha256} is kept for you", code="ERR_NOT_FOUND")
        await self._advertise(extended)
        return Renewed(before=file.expires, after=extended.expires, file=extended)

    async def open(self, sha256: Digest) -> tuple[StoredFile, Path] | None:
        """A file that is kept today, for whoever asks, and where it lies."""
        async with self._database.reading() as connection:
            file = await Objects(connection).file(sha256)
        path = self._files.path(sha256)
        if file is None or file.expires <= self._clock() or not path.is_file():
            return None
        return file, path

    def url(self, sha256: Digest) -> str:
        """Where anyone can fetch these bytes."""
        return f"{self.base_url}/{name_of(sha256)}"

    async def sweep(self, now: float) -> tuple[Digest, ...]:
        """Remove what nobody was promised beyond `now` (unix seconds); returns what that was."""
        async with self._database.begin() as connection:
            expired = await Objects(connection).drop_expired(int(now))
            for sha256 in expired:
                await asyncio.to_thread(self._files.remove, sha256)
        return expired

    async def _advertise(self, file: StoredFile) -> None:
        await self._advertiser.advertise(
            Offer(sha256=file.sha256, size=file.size, url=self.url(file.sha256), expires=file.expires)
        )


def name_of(sha256: Digest) -> str:
    """The path of an object below the host's origin."""
    return f"cdn/{sha256}"
