"""Keeping what was brought: whole, durable, advertised, and gone after its time.

What has come whole lies in the bucket under a name that nobody else uses, and counts from the moment that the database
says whose bytes they are. So no database transaction waits for a bucket, no two processes write one object, and what a
dead process left can be told from what is kept: no row names it.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import suppress
from typing import Final

from reconciler.model.errors import RefusedError, TransientError
from reconciler.model.ids import Digest
from reconciler.storage.advertise import Advertiser, Offer
from reconciler.storage.bucket import Bucket
from reconciler.storage.terms import Grant
from reconciler.store.database import Database
from reconciler.store.objects import Objects, Renewal, StoredFile

MISSING: Final = "ERR_NOT_FOUND"

_NAME: Final = 16
"""Random bytes."""

_GRACE: Final = 300
"""Seconds for which bytes stay after their time, for those who are reading them; as the reference has it."""

_UNCLAIMED: Final = 3600
"""Seconds after which an object that no row names is nobody's: a row follows the bytes at once, or never."""


class Keeper:
    """One storage host's content. `base_url` is its origin, as it stands in advertisements."""

    def __init__(
        self,
        *,
        database: Database,
        bucket: Bucket,
        advertiser: Advertiser,
        base_url: str,
        clock: Callable[[], float],
        randomness: Callable[[int], bytes],
    ) -> None:
        """`clock` gives unix seconds, `randomness` so many bytes. Hosts may share a bucket, but not a database."""
        self._database = database
        self._bucket = bucket
        self._advertiser = advertiser
        self._clock = clock
        self._randomness = randomness
        self._below = advertiser.identity
        self.base_url = base_url.rstrip("/")

    async def receive(self, grant: Grant, chunks: AsyncIterable[bytes], media_type: str) -> StoredFile:
        """Take the bytes of one grant; returns once they are durable and advertised. Idempotent.

        Raises RefusedError where the bytes are not as announced, or the grant was used for others; UnreachableError where
        they could not be kept, or are kept and could not be advertised: the same again goes on there.
        """
        name = f"{self._below}/{self._randomness(_NAME).hex()}"
        sha256 = await self._bucket.write(name, chunks, grant.size)
        brought = StoredFile(sha256=sha256, size=grant.size, media_type=media_type, expires=grant.expires, name=name)
        try:
            file = await self._note(grant, brought)
        except RefusedError:
            await self._forget(name)
            raise
        if file.name != name:
            await self._forget(name)
        await self._advertise(file)
        return file

    async def listing(self, uploader: str, *, limit: int | None = None, skip: int = 0) -> tuple[StoredFile, ...]:
        """What this uploader has brought and can be relied on, by hash."""
        async with self._database.reading() as connection:
            return await Objects(connection).advertised(uploader, int(self._clock()), limit=limit, skip=skip)

    async def find(self, uploader: str, sha256: Digest) -> StoredFile:
        """One of these. Raises RefusedError where there is none."""
        async with self._database.reading() as connection:
            found = await Objects(connection).advertised(uploader, int(self._clock()), sha256)
        if not found:
            raise RefusedError(f"nothing with the hash {sha256} is kept for you", code=MISSING)
        return found[0]

    async def renew(self, sha256: Digest, minutes: int, *, payment: str | None = None) -> Renewal:
        """Keep something so much longer. With a payment's id the same again renews no further.

        Raises RefusedError where it is gone.
        """
        async with self._database.begin() as connection:
            objects = Objects(connection)
            renewal = await objects.renew(sha256, minutes * 60, payment)
            file = await objects.file(sha256)
            if renewal is None:
                raise RefusedError(f"nothing with the hash {sha256} is kept", code=MISSING)
        if file is not None:
            await self._advertise(file)
        return renewal

    async def open(self, sha256: Digest) -> StoredFile:
        """A file that is kept today, for whoever asks. Raises RefusedError where there is none."""
        async with self._database.reading() as connection:
            file = await Objects(connection).file(sha256)
        if file is None or file.expires <= self._clock() or await self._bucket.size(file.name) != file.size:
            raise RefusedError(f"nothing with the hash {sha256} is kept here", code=MISSING)
        return file

    def read(self, file: StoredFile, start: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes of an open file, from `start` up to, and without, `stop`."""
        return self._bucket.read(file.name, start, stop)

    def url(self, sha256: Digest) -> str:
        """Where anyone can fetch these bytes."""
        return f"{self.base_url}/{path_of(sha256)}"

    async def sweep(self) -> tuple[Digest, ...]:
        """Remove what nobody was promised any longer; returns what that was."""
        async with self._database.begin() as connection:
            expired = await Objects(connection).drop_expired(int(self._clock()) - _GRACE)
        for file in expired:
            await self._forget(file.name)
        return tuple(file.sha256 for file in expired)

    async def tidy(self) -> None:
        """Remove what dead processes left: half an upload, or a whole one that nobody was told of.

        It lists the whole bucket. Raises UnreachableError.
        """
        await self._bucket.abandon(_UNCLAIMED, below=self._below)
        async for names in self._bucket.older_than(_UNCLAIMED, below=self._below):
            async with self._database.reading() as connection:
                kept = await Objects(connection).known(names)
            for name in names:
                if name not in kept:
                    await self._bucket.remove(name)

    async def _note(self, grant: Grant, brought: StoredFile) -> StoredFile:
        if grant.sha256 not in {None, brought.sha256}:
            raise RefusedError(
                f"the bytes hash to {brought.sha256}, not to what was announced", code="ERR_INVALID_HASH"
            )
        lost = await self._lost(brought.sha256)
        async with self._database.begin() as connection:
            objects = Objects(connection)
            if await objects.uploaded(grant.object_id) not in {None, brought.sha256}:
                raise RefusedError("the upload URL was used for other content", code="ERR_USED")
            return await objects.keep(brought, object_id=grant.object_id, uploader=grant.uploader, lost=lost)

    async def _lost(self, sha256: Digest) -> str | None:
        """The name under which a file should lie and does not."""
        async with self._database.reading() as connection:
            file = await Objects(connection).file(sha256)
        return None if file is None or await self._bucket.size(file.name) == file.size else file.name

    async def _forget(self, name: str) -> None:
        with suppress(TransientError):  # `tidy` finds it
            await self._bucket.remove(name)

    async def _advertise(self, file: StoredFile) -> None:
        await self._advertiser.advertise(
            Offer(sha256=file.sha256, size=file.size, url=self.url(file.sha256), expires=file.expires)
        )


def path_of(sha256: Digest) -> str:
    """The path of an object below the host's origin."""
    return f"cdn/{sha256}"
