"""What a storage host keeps: files by their hash, who brought them, and by which token each is advertised."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
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
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.store.batches import batches
from reconciler.store.database import Hex, metadata, upsert

storage_files = Table(
    "storage_files",
    metadata,
    Column("sha256", Hex, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),  # unix seconds; the latest that anyone was promised
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """Some bytes, and until when they are kept (unix seconds)."""

    sha256: Digest
    size: int
    media_type: str
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Advert:
    """The latest token that advertises a file. Until it is `sent`, nobody may rely on it."""

    sha256: Digest
    outpoint: Outpoint
    expires: int
    sent: bool = False


class Objects:
    """Files, uploads and advertisements."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def uploaded(self, object_id: str) -> Digest | None:
        """What a grant was used for, or None while it is unused."""
        query = select(storage_uploads.c.sha256).where(storage_uploads.c.object_id == object_id)
        return await self._connection.scalar(query)

    async def keep(self, file: StoredFile, *, object_id: str, uploader: str) -> StoredFile:
        """Note an upload. A file that is here already keeps its media type, and the later of both expiries."""
        known = await self.file(file.sha256)
        if known is not None:
            file = StoredFile(
                sha256=file.sha256,
                size=file.size,
                media_type=known.media_type,
                expires=max(known.expires, file.expires),
            )
        row = {"sha256": file.sha256, "size": file.size, "media_type": file.media_type, "expires": file.expires}
        await upsert(self._connection, storage_files, [row], keys=["sha256"])
        upload = {"object_id": object_id, "uploader": uploader, "sha256": file.sha256}
        await upsert(self._connection, storage_uploads, [upload], keys=["object_id"])
        return file

    async def extend(self, sha256: Digest, expires: int) -> None:
        """Promise to keep a file until then, if that is later than before."""
        later = (storage_files.c.sha256 == sha256) & (storage_files.c.expires < expires)
        await self._connection.execute(update(storage_files).where(later).values(expires=expires))

    async def file(self, sha256: Digest) -> StoredFile | None:
        """A file that is kept, advertised or not."""
        query = select(storage_files).where(storage_files.c.sha256 == sha256)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _file(row)

    async def advertised(self, uploader: str, now: int, sha256: Digest | None = None) -> tuple[StoredFile, ...]:
        """The uploader's files that are advertised beyond `now`, by hash; one of them, if that is asked for.

        Each with the expiry that its token states.
        """
        query: Select[Any] = (
            select(
                storage_files.c.sha256,
                storage_files.c.size,
                storage_files.c.media_type,
                storage_adverts.c.expires,
            )
            .join(storage_adverts, storage_adverts.c.sha256 == storage_files.c.sha256)
            .where(storage_adverts.c.sent.is_(True), storage_adverts.c.expires > now, _brought_by(uploader))
            .order_by(storage_files.c.sha256)
        )
        if sha256 is not None:
            query = query.where(storage_files.c.sha256 == sha256)
        return tuple(_file(row) for row in await self._connection.execute(query))

    async def drop_expired(self, now: int) -> tuple[Digest, ...]:
        """Forget every file that nobody was promised beyond `now`; returns which."""
        query = select(storage_files.c.sha256).where(storage_files.c.expires <= now)
        expired = tuple((await self._connection.scalars(query)).all())
        for batch in batches(expired):
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
    return StoredFile(sha256=row.sha256, size=row.size, media_type=row.media_type, expires=row.expires)


def _advert(row: Row[*tuple[Any, ...]]) -> Advert:
    return Advert(sha256=row.sha256, outpoint=Outpoint(row.txid, row.vout), expires=row.expires, sent=row.sent)
