"""What a storage host keeps: files by their hash, who brought them, and by which token each is advertised."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Row,
    Select,
    String,
    Table,
    Text,
    delete,
    exists,
    insert,
    select,
    update,
)

from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.store.batches import batches
from reconciler.store.database import Hex, metadata
from reconciler.store.inserts import upsert
from reconciler.store.works import Connection

storage_files = Table(
    "storage_files",
    metadata,
    Column("sha256", Hex, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),  # unix seconds; the latest that anyone was promised
    Column("name", Text, nullable=True, index=True, unique=True),  # under which the bytes lie; NULL: their hash
)

storage_uploads = Table(
    "storage_uploads",
    metadata,
    Column("object_id", String(64), primary_key=True),  # of the grant that it used
    Column("uploader", Text, nullable=False, index=True),
    Column("sha256", Hex, ForeignKey("storage_files.sha256", ondelete="CASCADE"), nullable=False, index=True),
)

storage_adverts = Table(
    "storage_adverts",
    metadata,
    Column("sha256", Hex, ForeignKey("storage_files.sha256", ondelete="CASCADE"), primary_key=True),
    Column("txid", Hex, nullable=False, index=True),
    Column("vout", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),  # as the token says
    Column("sent", Boolean(create_constraint=False), nullable=False),  # the network and an overlay host have it
)

storage_renewals = Table(
    "storage_renewals",
    metadata,
    Column("payment", String(128), primary_key=True),
    Column("sha256", Hex, nullable=False),
    Column("before", BigInteger, nullable=False),  # unix seconds, as is `after`
    Column("after", BigInteger, nullable=False),
)  # outlives the file: a payment renews once


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """Some bytes, until when they are kept (unix seconds), and the name under which they lie."""

    sha256: Digest
    size: int
    media_type: str
    expires: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """That a file is kept until `after` instead of `before` (unix seconds)."""

    sha256: Digest
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Advert:
    """The latest token that advertises a file. Until it is `sent`, nobody may rely on it."""

    sha256: Digest
    outpoint: Outpoint
    expires: int
    sent: bool = False


class Objects:
    """Files, uploads and advertisements."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def uploaded(self, object_id: str) -> Digest | None:
        """What a grant was used for, or None while it is unused."""
        query = select(storage_uploads.c.sha256).where(storage_uploads.c.object_id == object_id)
        sha256: Digest | None = await self._connection.scalar(query)
        return sha256

    async def keep(self, file: StoredFile, *, object_id: str, uploader: str, lost: str | None = None) -> StoredFile:
        """Note an upload. A file that is here already keeps its media type and name, and the later of both expiries.

        `lost` is a name under which nothing lies any more.
        """
        known = await self.file(file.sha256)
        if known is not None:
            file = replace(
                known,
                expires=max(known.expires, file.expires),
                name=file.name if known.name == lost else known.name,
            )
        row = {
            "sha256": file.sha256,
            "size": file.size,
            "media_type": file.media_type,
            "expires": file.expires,
            "name": file.name,
        }
        await upsert(self._connection, storage_files, [row], keys=["sha256"])
        upload = {"object_id": object_id, "uploader": uploader, "sha256": file.sha256}
        await upsert(self._connection, storage_uploads, [upload], keys=["object_id"])
        return file

    async def renew(self, sha256: Digest, seconds: int, payment: str | None) -> Renewal | None:
        """Keep a file so much longer than anyone was promised; None where it is gone.

        A payment renews once: the same again gives the same answer.
        """
        query = select(storage_renewals).where(storage_renewals.c.payment == payment)
        done = None if payment is None else (await self._connection.execute(query)).one_or_none()
        if done is not None:
            return Renewal(sha256=done.sha256, before=done.before, after=done.after)
        file = await self.file(sha256)
        if file is None:
            return None
        renewal = Renewal(sha256=sha256, before=file.expires, after=file.expires + seconds)
        extended = update(storage_files).where(storage_files.c.sha256 == sha256).values(expires=renewal.after)
        await self._connection.execute(extended)
        if payment is not None:
            row = {"payment": payment, "sha256": sha256, "before": renewal.before, "after": renewal.after}
            await self._connection.execute(insert(storage_renewals).values(row))
        return renewal

    async def known(self, names: Collection[str]) -> frozenset[str]:
        """Those names under which the bytes of some file lie."""
        found: set[str] = set()
        for batch in batches(names):
            query = select(storage_files.c.name).where(storage_files.c.name.in_(batch))
            found.update((await self._connection.scalars(query)).all())
        return frozenset(found)

    async def file(self, sha256: Digest) -> StoredFile | None:
        """A file that is kept, advertised or not."""
        query = select(storage_files).where(storage_files.c.sha256 == sha256)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _file(row)

    async def advertised(
        self, uploader: str, now: int, sha256: Digest | None = None, *, limit: int | None = None, skip: int = 0
    ) -> tuple[StoredFile, ...]:
        """The uploader's files that are advertised beyond `now`, by hash; one of them, if that is asked for.

        Each with the expiry that its token states.
        """
        query: Select[Any] = (
            select(
                storage_files.c.sha256,
                storage_files.c.size,
                storage_files.c.media_type,
                storage_adverts.c.expires,
                storage_files.c.name,
            )
            .join(storage_adverts, storage_adverts.c.sha256 == storage_files.c.sha256)
            .where(storage_adverts.c.sent.is_(True), storage_adverts.c.expires > now, _brought_by(uploader))
            .order_by(storage_files.c.sha256)
            .limit(limit)
            .offset(skip)
        )
        if sha256 is not None:
            query = query.where(storage_files.c.sha256 == sha256)
        return tuple(_file(row) for row in await self._connection.execute(query))

    async def drop_expired(self, now: int) -> tuple[StoredFile, ...]:
        """Forget every file that nobody was promised beyond `now`; returns which."""
        rows = await self._connection.execute(select(storage_files).where(storage_files.c.expires <= now))
        expired = tuple(_file(row) for row in rows)
        for batch in batches([file.sha256 for file in expired]):
            for table in (storage_adverts, storage_uploads, storage_files):
                await self._connection.execute(delete(table).where(table.c.sha256.in_(batch)))
        return expired

    async def adverts(self, digests: Collection[Digest]) -> dict[Digest, Advert]:
        """The tokens that advertise any of these files."""
        found: dict[Digest, Advert] = {}
        for batch in batches(digests):
            query = select(storage_adverts).where(storage_adverts.c.sha256.in_(batch))
            found |= {row.sha256: _advert(row) for row in await self._connection.execute(query)}
        return found

    async def advertise(self, adverts: Iterable[Advert]) -> None:
        """Note new tokens, each in place of the file's former one."""
        rows = [
            {
                "sha256": advert.sha256,
                "txid": advert.outpoint.txid,
                "vout": advert.outpoint.vout,
                "expires": advert.expires,
                "sent": advert.sent,
            }
            for advert in adverts
        ]
        await upsert(self._connection, storage_adverts, rows, keys=["sha256"])

    async def unsent(self) -> tuple[Txid, ...]:
        """The transactions of tokens that are not sent yet."""
        query = select(storage_adverts.c.txid).where(storage_adverts.c.sent.is_(False)).distinct()
        return tuple((await self._connection.scalars(query)).all())

    async def sent(self, txid: Txid) -> None:
        """The tokens of this transaction can be relied on."""
        await self._connection.execute(update(storage_adverts).where(storage_adverts.c.txid == txid).values(sent=True))


_BROUGHT: Final = storage_uploads.c.sha256 == storage_files.c.sha256


def _brought_by(uploader: str) -> ColumnElement[bool]:
    return exists().where(_BROUGHT, storage_uploads.c.uploader == uploader)


def _file(row: Row[*tuple[Any, ...]]) -> StoredFile:
    return StoredFile(
        sha256=row.sha256,
        size=row.size,
        media_type=row.media_type,
        expires=row.expires,
        name=row.name or row.sha256,
    )


def _advert(row: Row[*tuple[Any, ...]]) -> Advert:
    return Advert(sha256=row.sha256, outpoint=Outpoint(row.txid, row.vout), expires=row.expires, sent=row.sent)
