"""Getting content onto storage hosts: in parallel, idempotent by hash, before anything is signed.

Nothing here is lost when the process dies: what a host already keeps is found there by the next apply and not sent again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

from reconciler.apply.events import Ending, Event, Progress, Step, Tell
from reconciler.model.errors import OverlayError, RefusedError, StalePlanError, TransientError, UnreachableError
from reconciler.model.ids import Address, Digest, ObjectType, digest
from reconciler.model.observed import ObservedReplica
from reconciler.plan.action import Action
from reconciler.plan.plan import Plan

PARALLEL: Final = 4
CHUNK: Final = 1 << 20
TERM_MINUTES: Final = 180 * 24 * 60
"""For how long a storage host is asked to keep content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One copy to be made: the bytes of `path`, which must hash to `content`, onto `host`."""

    dataset: str
    host: str
    path: Path
    content: Digest
    size: int

    @property
    def subject(self) -> str:
        """Its address in the plan."""
        return str(Address.of_replica(self.dataset, self.host))


class Storage(Protocol):
    """A storage host, as far as apply needs it."""

    async def kept_until(self, content: Digest) -> int | None:
        """Unix seconds until which the host keeps these bytes; None where it does not have them."""
        ...

    async def upload(self, chunks: AsyncIterator[bytes], *, size: int, sha256: Digest, minutes: int) -> int:
        """Store; returns unix seconds until which the bytes are kept."""
        ...


async def check_files(uploads: Sequence[Upload]) -> None:
    """Raises StalePlanError where a file is not what was planned any more; before anything is paid."""
    for upload in {upload.path: upload for upload in uploads}.values():
        found = await asyncio.to_thread(_digest, upload.path)
        if found != upload.content:
            raise StalePlanError(
                f"{upload.path.name} changed since the plan was made", where=str(upload.path), hint="plan again"
            )


async def upload_all(
    uploads: Sequence[Upload],
    *,
    storage: Mapping[str, Storage],
    now: int,
    tell: Tell,
    halted: Callable[[], bool] = lambda: False,
) -> tuple[ObservedReplica, ...]:
    """Make every copy; once `halted`, those in flight are finished and no other is begun (KeyboardInterrupt).

    Raises, after all were tried, StalePlanError where a file is no longer what was planned, UnreachableError or RefusedError
    where some could not be made; nothing is on chain then.
    """
    gate = asyncio.Semaphore(PARALLEL)
    sending: defaultdict[tuple[str, Digest], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def one(upload: Upload) -> ObservedReplica | OverlayError | None:
        # Datasets with the same content share a copy: whoever comes second finds it there.
        async with sending[upload.host, upload.content], gate:
            if halted():
                return None
            try:
                return await _upload(upload, storage[upload.host], now, tell)
            except OverlayError as error:
                tell(Event(step=Step.UPLOAD, subject=upload.subject, ending=Ending.FAILED, detail=error.message))
                return error

    results = await asyncio.gather(*(one(upload) for upload in uploads))
    if None in results:
        raise KeyboardInterrupt
    failures = [result for result in results if isinstance(result, OverlayError)]
    if failures:
        raise _summary(failures, len(uploads))
    return tuple(result for result in results if isinstance(result, ObservedReplica))


def _summary(failures: Sequence[OverlayError], tried: int) -> OverlayError:
    worst = next((failure for failure in failures if isinstance(failure, StalePlanError)), failures[0])
    message = f"{len(failures)} of {tried} copies could not be stored, and nothing was published: {worst.message}"
    if isinstance(worst, StalePlanError):
        return StalePlanError(message, where=worst.where, hint=worst.hint)
    if all(isinstance(failure, TransientError) for failure in failures):
        return UnreachableError(
            message, where=worst.where, hint="repeat the command; copies that were made are not sent again"
        )
    return RefusedError(message, where=worst.where)


async def _upload(upload: Upload, storage: Storage, now: int, tell: Tell) -> ObservedReplica:
    expires = await storage.kept_until(upload.content)
    wanted = now + TERM_MINUTES * 60
    detail = "already there"
    if expires is None or expires < wanted - TERM_MINUTES * 20:  # less than two thirds of the term are left
        expires = await _send(upload, storage, tell)
        detail = f"{upload.size} bytes"
    tell(Event(step=Step.UPLOAD, subject=upload.subject, ending=Ending.DONE, detail=detail))
    return ObservedReplica(
        dataset=upload.dataset,
        host=upload.host,
        content=upload.content,
        parts=(upload.content,),
        size=upload.size,
        expires=expires,
    )


async def _send(upload: Upload, storage: Storage, tell: Tell) -> int:
    """Send the file; whatever comes of a file that changes on the way, it is said to be that."""
    file = _File(upload, tell)
    try:
        return await storage.upload(file.chunks(), size=upload.size, sha256=upload.content, minutes=TERM_MINUTES)
    except (OverlayError, StaleFileError):
        if file.fault is not None:
            raise file.fault from None
        raise


class StaleFileError(Exception):
    """Ends a request whose file turned out to be another one."""


class _File:
    """A planned file on its way out: exactly the bytes that were planned, or a `fault`."""

    def __init__(self, upload: Upload, tell: Tell) -> None:
        self._upload = upload
        self._tell = tell
        self.fault: StalePlanError | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, as long as they are no more than planned."""
        upload, digest, sent = self._upload, hashlib.sha256(), 0
        try:
            with upload.path.open("rb") as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK):
                    sent += len(chunk)
                    digest.update(chunk)
                    if sent > upload.size or (sent == upload.size and digest.hexdigest() != upload.content):
                        raise self._stale("changed while it was sent")
                    yield chunk
                    self._tell(Progress(subject=upload.subject, sent=sent, total=upload.size))
        except OSError as error:
            raise self._stale(f"can no longer be read: {(error.strerror or str(error)).lower()}") from error
        if sent < upload.size:
            raise self._stale("changed while it was sent")

    def _stale(self, how: str) -> StaleFileError:
        path = self._upload.path
        self.fault = StalePlanError(f"{path.name} {how}", where=str(path), hint="plan again")
        return StaleFileError(path.name)


def _digest(path: Path) -> Digest:
    try:
        with path.open("rb") as file:
            return Digest(hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise StalePlanError(
            f"{path.name} can no longer be read: {error.strerror}", where=str(path), hint="plan again"
        ) from error


def uploads_of(plan: Plan, folder: Path) -> tuple[Upload, ...]:
    """The copies that a plan makes or renews."""
    made = (change.after for change in plan.changes if change.object.type is ObjectType.REPLICA and change.after)
    return tuple(
        Upload(
            dataset=str(after["dataset"]),
            host=str(after["host"]),
            path=folder / str(after["path"]),
            content=digest(str(after["content"])),
            size=cast("int", after["size"]),
        )
        for after in made
    )


def forgotten_of(plan: Plan) -> tuple[tuple[str, str], ...]:
    """(dataset, host) of the copies that a plan no longer keeps."""
    gone = (
        change.before
        for change in plan.changes
        if change.object.type is ObjectType.REPLICA and change.action is Action.DELETE and change.before
    )
    return tuple((str(before["dataset"]), str(before["host"])) for before in gone)
