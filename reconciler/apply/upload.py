"""Getting content onto storage hosts: in parallel, idempotent by hash, before anything is signed.

Nothing here is lost when the process dies: what a host already keeps, part by part, is found there by the next apply and not
sent again.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.apply.events import Ending, Event, Progress, Step, Tell
from reconciler.apply.paymaster import Shop
from reconciler.apply.shelves import Shelf, Shelves
from reconciler.content.sources import Stored
from reconciler.model.errors import OverlayError, RefusedError, StalePlanError, TransientError, UnreachableError
from reconciler.model.ids import Address, Digest, ObjectType
from reconciler.model.observed import ObservedReplica, StorageGood
from reconciler.model.parallel import PARALLEL
from reconciler.plan.action import Action
from reconciler.plan.plan import Plan
from reconciler.wire.documents import StoredPart
from reconciler.wire.storage import Leave, StorageAct, StorageWish

TERM_MINUTES: Final = 180 * 24 * 60
"""For how long a storage host is asked to keep content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One copy to be made: all parts of `stored` onto `host`."""

    dataset: str
    host: str
    content: Digest
    """Of the plaintext."""
    stored: Stored
    least: int = 1
    """How many copies of the content there must be before an apply commits."""
    outlives: int = 0
    """Unix seconds: a copy that is kept no longer than that is the one to be renewed."""

    @property
    def subject(self) -> str:
        """Its address in the plan."""
        return str(Address.of_replica(self.dataset, self.host))

    @property
    def parts(self) -> tuple[Digest, ...]:
        """The hashes of the stored bytes."""
        return tuple(part.sha256 for part in self.stored.parts)

    @property
    def size(self) -> int:
        """Stored bytes of all parts."""
        return sum(part.size for part in self.stored.parts)

    def good(self, index: int) -> StorageGood:
        """What the host is paid for, where one part of it costs something."""
        is_sold = self.parts != (self.content,)
        return StorageGood(host=self.host, dataset=self.dataset if is_sold else "", content=self.content, part=index)

    def wish(self, index: int, expires: int | None, now: int) -> StorageWish | None:
        """What to ask of a host that keeps a part until `expires`, if at all; None where that is long enough."""
        enough = max(self.outlives + 1, now + TERM_MINUTES * 40)  # two thirds of the term are left
        if expires is not None and expires >= enough:
            return None
        is_kept = expires is not None and expires > now
        part = self.stored.parts[index]
        act = StorageAct.RENEW if is_kept else StorageAct.UPLOAD
        return StorageWish(act=act, sha256=part.sha256, size=part.size, minutes=TERM_MINUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What has become of the copies: those that failed are few enough to be left to the next apply."""

    replicas: tuple[ObservedReplica, ...]
    failed: Mapping[str, OverlayError]
    """By their address in the plan."""


class Storage(Shelf, Shop, Protocol):
    """A storage host, as far as apply needs it."""

    async def bring(self, leave: Leave, chunks: AsyncIterator[bytes], *, size: int, sha256: Digest) -> int:
        """Bring the bytes of an upload that was granted; returns unix seconds until which they are kept."""
        ...


class Counter(Protocol):
    """Where a host's leave is got, for money or not (apply/paymaster.py)."""

    async def leave(self, shop: Shop, good: StorageGood, wish: StorageWish) -> Leave:
        """Leave to bring a good's bytes, or its renewal."""
        ...

    async def had(self, good: StorageGood, until: int) -> None:
        """The host keeps the good until then (unix seconds)."""
        ...


async def upload_all(
    uploads: Sequence[Upload],
    *,
    storage: Mapping[str, Storage],
    counter: Counter,
    now: int,
    tell: Tell,
    standing: Sequence[ObservedReplica] = (),
    halted: Callable[[], bool] = lambda: False,
    parallel: int = PARALLEL,
) -> Uploaded:
    """Make every copy, or enough of them, `parallel` at a time; once `halted`, those in flight are finished and no other is begun (KeyboardInterrupt).

    `standing` are the copies that there were before, and stay.

    Raises, after all were tried, UnreachableError or RefusedError where some content has fewer copies than it must have, and
    StalePlanError where a file changed; nothing is on chain then.
    """
    gate = asyncio.Semaphore(parallel)
    shelves = Shelves(
        storage,
        wanted=Tally(upload.host for upload in uploads for _ in upload.parts),
        standing=Tally(copy.host for copy in standing),
    )
    sending: defaultdict[tuple[str, Digest], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def one(upload: Upload) -> ObservedReplica | OverlayError | None:
        # Datasets with the same content share a copy: whoever comes second finds it there.
        async with sending[upload.host, upload.content], gate:
            if halted():
                return None
            try:
                return await _upload(
                    _Copying(upload, storage[upload.host], shelves=shelves, counter=counter, now=now, tell=tell)
                )
            except OverlayError as error:
                tell(Event(step=Step.UPLOAD, subject=upload.subject, ending=Ending.FAILED, detail=error.message))
                return error

    results = await asyncio.gather(*(one(upload) for upload in uploads))
    if None in results:
        raise KeyboardInterrupt
    made = tuple(result for result in results if isinstance(result, ObservedReplica))
    failed = [
        (upload, result) for upload, result in zip(uploads, results, strict=True) if isinstance(result, OverlayError)
    ]
    readable = [copy for copy in standing if copy.expires > now]
    _check(failed, [*readable, *made], len(uploads))
    return Uploaded(replicas=made, failed={upload.subject: error for upload, error in failed})


def _check(failed: Sequence[tuple[Upload, OverlayError]], copies: Sequence[ObservedReplica], tried: int) -> None:
    """Raises unless what failed can be left to the next apply."""
    for _, error in failed:
        if isinstance(error, StalePlanError):
            raise error
    hosts: defaultdict[tuple[str, Digest, tuple[Digest, ...]], set[str]] = defaultdict(set)
    for copy in copies:
        hosts[copy.dataset, copy.content, copy.parts].add(copy.host)  # free and sold, it has other bytes
    short = [upload for upload, _ in failed if len(hosts[upload.dataset, upload.content, upload.parts]) < upload.least]
    if short:
        raise _summary([error for _, error in failed], tried)


def _summary(failures: Sequence[OverlayError], tried: int) -> OverlayError:
    message = f"{len(failures)} of {tried} copies could not be stored, and nothing was published: {failures[0].message}"
    where = failures[0].where
    if all(isinstance(failure, TransientError) for failure in failures):
        return UnreachableError(
            message, where=where, hint="repeat the command; copies that were made are not sent again"
        )
    return RefusedError(message, where=where)


async def _upload(work: _Copying) -> ObservedReplica:
    """Part after part; those that the host has, and keeps long enough, are not sent again."""
    upload = work.upload
    expires = [await work.keep(part) for part in range(len(upload.parts))]
    detail = f"{work.sent} bytes" if work.sent else "already there"
    work.tell(Event(step=Step.UPLOAD, subject=upload.subject, ending=Ending.DONE, detail=detail))
    return ObservedReplica(
        dataset=upload.dataset,
        host=upload.host,
        content=upload.content,
        parts=upload.parts,
        size=upload.size,
        expires=min(expires),
    )


class StaleFileError(Exception):
    """Ends a request whose file turned out to be another one."""


class _Copying:
    """One copy under way. `sent` are the bytes that have left, `_there` those that the host has."""

    def __init__(
        self, upload: Upload, storage: Storage, *, shelves: Shelves, counter: Counter, now: int, tell: Tell
    ) -> None:
        self.upload = upload
        self._storage = storage
        self._shelves = shelves
        self._counter = counter
        self._now = now
        self.tell = tell
        self._there = 0
        self._fault: StalePlanError | None = None
        self.sent = 0

    async def keep(self, index: int) -> int:
        """Unix seconds until which the host keeps a part, which it is given unless it has it."""
        part, good = self.upload.stored.parts[index], self.upload.good(index)
        expires = await self._shelves.kept_until(self.upload.host, part.sha256)
        wish = self.upload.wish(index, expires, self._now)
        if wish is not None:
            leave = await self._counter.leave(self._storage, good, wish)
            expires = leave.until if leave.until is not None else await self._send(index, part, leave)
            self._shelves.keeps(self.upload.host, part.sha256, expires)
        if wish is None or wish.act is StorageAct.RENEW:
            self._there += part.size
        await self._counter.had(good, expires or 0)
        return expires or 0

    async def _send(self, index: int, part: StoredPart, leave: Leave) -> int:
        """Whatever comes of a file that changes on its way out, it is said to be that."""
        try:
            return await self._storage.bring(leave, self._chunks(index), size=part.size, sha256=part.sha256)
        except (OverlayError, StaleFileError):
            if self._fault is not None:
                raise self._fault from None
            raise

    async def _chunks(self, index: int) -> AsyncIterator[bytes]:
        try:
            async for chunk in self.upload.stored.chunks(index):
                yield chunk
                self.sent += len(chunk)
                sent = self._there + self.sent
                self.tell(Progress(subject=self.upload.subject, sent=sent, total=self.upload.size))
        except StalePlanError as error:
            self._fault = error
            raise StaleFileError(self.upload.subject) from error


def forgotten_of(plan: Plan) -> tuple[tuple[str, str], ...]:
    """(dataset, host) of the copies that a plan no longer keeps, or keeps for a dataset of another name."""
    gone = (
        change.object if change.action is Action.DELETE else change.moved_from
        for change in plan.changes
        if change.object.type is ObjectType.REPLICA
    )
    named = (address.path.rpartition("@") for address in gone if address is not None)
    return tuple((dataset, host) for dataset, _, host in named)
