"""What a host's look-up services search: record tokens by what their documents say, advertisements by what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Executable, Select, bindparam, exists, select

from reconciler.model.ids import AdProtocol, Digest, IdentityKey, Kind, Outpoint, RecordId
from reconciler.store.host_tables import (
    at_banned_domain,
    host_ads,
    host_adverts,
    host_outputs,
    host_record_capabilities,
    host_record_regions,
    host_record_tags,
    host_records,
    host_spends,
    not_shown,
    spent,
)
from reconciler.store.inserts import insert_new, upsert
from reconciler.store.works import Connection

ESCAPE: Final = "\\"


class Order(StrEnum):
    """How an answer is sorted."""

    NEWEST = "newest"
    """Latest admitted first."""
    OLDEST = "oldest"
    NAME = "name"
    """By producer, kind and name."""
    PRICE = "price"
    """Cheapest first, what has no price last."""


_OF_ADMISSION: Final = frozenset({Order.NEWEST, Order.OLDEST})


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of an answer is asked for."""

    limit: int
    skip: int = 0
    after: Outpoint | None = None
    """The last output of the page before. Where it is there and the order is one of admission, `skip` is not looked at."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a unit of something costs, and what a unit is."""

    satoshis: int
    """0 is free."""
    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRange:
    """Prices from `least` to `most`, both included, of one model or of any."""

    least: int | None = None
    most: int | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEntry:
    """A complete record token, as it is indexed."""

    producer: IdentityKey
    id: RecordId
    document: Digest
    sealed: Digest | None
    """The root's second document."""
    tags: tuple[str, ...]
    capabilities: tuple[str, ...]
    regions: tuple[str, ...]
    license: str | None
    price: Price | None
    """None for what is not for sale, nor free."""
    text: str
    """What free text is looked for in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordQuery:
    """All that is not None must hold."""

    producer: IdentityKey | None = None
    kind: Kind | None = None
    name: str | None = None
    tag: str | None = None
    capability: str | None = None
    region: str | None = None
    license: str | None = None
    price: PriceRange | None = None
    text: str | None = None
    outpoint: Outpoint | None = None
    rotated_from: IdentityKey | None = None
    """Of another producer, in a transaction that spends a root of this one."""
    history: bool = False
    """Show spent tokens too."""
    former: int = 0
    """How many former renditions of each are asked for."""
    order: Order = Order.NEWEST
    page: Page


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecord:
    """A record token found, and where its documents are."""

    outpoint: Outpoint
    document: Digest
    sealed: Digest | None


class Records:
    """The index behind `ls_data_catalog`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, entries: Mapping[int, RecordEntry]) -> None:
        """Index admitted outputs by their ids; again, by what is known of them now."""
        rows = [
            {
                "output_id": output,
                "producer": entry.producer,
                "kind": entry.id.kind.value,
                "name": entry.id.name,
                "document": entry.document,
                "sealed": entry.sealed,
                "text": entry.text.casefold(),
                "price": None if entry.price is None else entry.price.satoshis,
                "price_model": None if entry.price is None else entry.price.model,
                "license": None if entry.license is None else entry.license.casefold(),
            }
            for output, entry in entries.items()
        ]
        await upsert(self._connection, host_records, rows, keys=["output_id"])
        for table, word, words in (
            (host_record_tags, "tag", lambda entry: entry.tags),
            (host_record_capabilities, "capability", lambda entry: entry.capabilities),
            (host_record_regions, "region", lambda entry: [region.casefold() for region in entry.regions]),
        ):
            found = [
                {"output_id": output, word: each} for output, entry in entries.items() for each in set(words(entry))
            ]
            await insert_new(self._connection, table, found)

    async def find(self, query: RecordQuery) -> tuple[ListedRecord, ...]:
        """One page of what the host shows."""
        columns = (host_outputs.c.txid, host_outputs.c.vout, host_records.c.document, host_records.c.sealed)
        statement = (
            select(*columns)
            .join(host_outputs, host_outputs.c.id == host_records.c.output_id)
            .where(~not_shown(), *_conditions(query))
        )
        rows = await self._connection.execute(await self._paged(statement, query.order, query.page))
        return tuple(
            ListedRecord(outpoint=Outpoint(row.txid, row.vout), document=row.document, sealed=row.sealed)
            for row in rows
        )

    async def _paged(self, statement: Select[Any], order: Order, page: Page) -> Select[Any]:
        """From its place on where that is known: what is passed over is looked at row by row, and a walk through all is quadratic.

        An output's id never changes. So rows that come and go before the place neither hide nor repeat any that follow it.
        """
        begin = None if page.after is None else await self._place(page.after)
        admitted = host_records.c.output_id
        if begin is None or order not in _OF_ADMISSION:
            return _paged(statement, order, page, admitted)
        beyond = admitted < begin if order is Order.NEWEST else admitted > begin
        return _paged(statement.where(beyond), order, replace(page, skip=0), admitted)

    async def _place(self, outpoint: Outpoint) -> int | None:
        """Where a record stands in the order of admission, shown or not; None where it is not here."""
        query = select(host_records.c.output_id).join(host_outputs, host_outputs.c.id == host_records.c.output_id)
        place: int | None = await self._connection.scalar(query.where(_is(outpoint)))
        return place


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertEntry:
    """A UHRP token, as it is indexed."""

    host: IdentityKey
    sha256: Digest
    expires: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertQuery:
    """All that is not None must hold."""

    sha256: Digest | None = None
    host: IdentityKey | None = None
    expires: int | None = None
    """Exactly this expiry, as the reference has it."""
    outpoint: Outpoint | None = None
    now: int
    """What has expired by then is not shown."""
    page: Page


class Adverts:
    """The index behind `ls_uhrp`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, entries: Mapping[int, AdvertEntry]) -> None:
        """Index admitted outputs by their ids; again changes nothing."""
        rows = [
            {"output_id": output, "host": entry.host, "sha256": entry.sha256, "expires": entry.expires}
            for output, entry in entries.items()
        ]
        await insert_new(self._connection, host_adverts, rows)

    async def find(self, query: AdvertQuery) -> tuple[Outpoint, ...]:
        """One page of what the host shows, newest first."""
        conditions = [host_adverts.c.expires > query.now, ~spent(), ~not_shown()]
        if query.sha256 is not None:
            conditions.append(host_adverts.c.sha256 == query.sha256)
        if query.host is not None:
            conditions.append(host_adverts.c.host == query.host)
        if query.expires is not None:
            conditions.append(host_adverts.c.expires == query.expires)
        if query.outpoint is not None:
            conditions.append(_is(query.outpoint))
        statement = (
            select(host_outputs.c.txid, host_outputs.c.vout)
            .join(host_adverts, host_adverts.c.output_id == host_outputs.c.id)
            .where(*conditions)
        )
        rows = await self._connection.execute(_paged(statement, Order.NEWEST, query.page, host_adverts.c.output_id))
        return tuple(Outpoint(row.txid, row.vout) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdEntry:
    """A SHIP or SLAP token, as it is indexed."""

    protocol: AdProtocol
    identity: IdentityKey
    url: str
    name: str
    """The topic or look-up service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdQuery:
    """All that is not None must hold."""

    protocol: AdProtocol
    identity: IdentityKey | None = None
    url: str | None = None
    names: tuple[str, ...] | None = None
    """Any of these."""
    order: Order = Order.NEWEST
    page: Page


class Ads:
    """The index behind `ls_ship` and `ls_slap`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, entries: Mapping[int, AdEntry]) -> None:
        """Index admitted outputs by their ids; again changes nothing."""
        rows = [
            {
                "output_id": output,
                "protocol": entry.protocol.value,
                "identity": entry.identity,
                "url": entry.url,
                "name": entry.name,
            }
            for output, entry in entries.items()
        ]
        await insert_new(self._connection, host_ads, rows)

    async def find(self, query: AdQuery) -> tuple[Outpoint, ...]:
        """One page of what the host shows.

        Of advertisements that say the same only the first is shown; when it is spent, the next one is.
        """
        filters = (query.identity is not None, query.url is not None, query.names is not None)
        asked = {"identity": query.identity, "url": query.url, "names": query.names}
        wanted = {name: value for name, value in asked.items() if value is not None}
        page = {"limit": query.page.limit, "skip": query.page.skip}
        statement = _ads(query.order is Order.NEWEST, *filters)
        rows = await self._connection.execute(statement, {"protocol": query.protocol.value, **wanted, **page})
        return tuple(Outpoint(row.txid, row.vout) for row in rows)


@cache  # to make this statement costs more than to run it
def _ads(newest: bool, identity: bool, url: bool, names: bool) -> Executable:
    """Page by page along one index: nothing is counted, grouped or sorted."""
    columns = host_ads.c
    conditions = [columns.protocol == bindparam("protocol"), ~spent(), ~not_shown(), ~at_banned_domain(), ~_repeats()]
    if identity:
        conditions.append(columns.identity == bindparam("identity"))
    if url:
        conditions.append(columns.url == bindparam("url"))
    if names:
        conditions.append(columns.name.in_(bindparam("names", expanding=True)))
    return (
        select(host_outputs.c.txid, host_outputs.c.vout)
        .join(host_ads, columns.output_id == host_outputs.c.id)
        .where(*conditions)
        .order_by(columns.output_id.desc() if newest else columns.output_id)
        .limit(bindparam("limit"))
        .offset(bindparam("skip"))
    )


def _repeats() -> ColumnElement[bool]:
    """Of a row of host_ads: that an earlier one which is shown says the same."""
    former, output = host_ads.alias("former"), host_outputs.alias("former_output")
    same = [former.c[name] == host_ads.c[name] for name in ("url", "name", "identity", "protocol")]
    return exists().where(
        *same,
        former.c.output_id < host_ads.c.output_id,
        output.c.id == former.c.output_id,
        ~spent(output),
        ~not_shown(output),
    )


def _conditions(query: RecordQuery) -> list[ColumnElement[bool]]:
    wanted = (
        (query.producer, host_records.c.producer == query.producer),
        (query.kind, host_records.c.kind == query.kind),
        (query.name, host_records.c.name == query.name),
    )
    conditions = [condition for value, condition in wanted if value is not None]
    for asked, column in (
        (query.tag, host_record_tags.c.tag),
        (query.capability, host_record_capabilities.c.capability),
        (None if query.region is None else query.region.casefold(), host_record_regions.c.region),
    ):
        if asked is not None:
            conditions.append(exists().where(column.table.c.output_id == host_records.c.output_id, column == asked))
    if query.license is not None:
        conditions.append(host_records.c.license == query.license.casefold())
    if query.price is not None:
        conditions += _priced(query.price)
    if query.text is not None:
        conditions.append(host_records.c.text.like(f"%{literal_pattern(query.text.casefold())}%", escape=ESCAPE))
    if query.outpoint is not None:
        conditions.append(_is(query.outpoint))
    if query.rotated_from is not None:
        conditions.append(_rotated_from(query.rotated_from))
    if not query.history:
        conditions.append(~spent())
    return conditions


def _priced(wanted: PriceRange) -> Iterator[ColumnElement[bool]]:
    yield host_records.c.price.is_not(None)
    if wanted.least is not None:
        yield host_records.c.price >= wanted.least
    if wanted.most is not None:
        yield host_records.c.price <= wanted.most
    if wanted.model is not None:
        yield host_records.c.price_model == wanted.model


def _rotated_from(identity: IdentityKey) -> ColumnElement[bool]:
    root, record = host_outputs.alias("old_root"), host_records.alias("old_record")
    return exists().where(
        host_spends.c.txid == host_outputs.c.txid,
        root.c.txid == host_spends.c.spent_txid,
        root.c.vout == host_spends.c.spent_vout,
        record.c.output_id == root.c.id,
        record.c.producer == identity,
        record.c.kind == Kind.PRODUCER.value,
        host_records.c.producer != identity,
    )


def _is(outpoint: Outpoint) -> ColumnElement[bool]:
    return (host_outputs.c.txid == outpoint.txid) & (host_outputs.c.vout == outpoint.vout)


def literal_pattern(text: str) -> str:
    """For LIKE, with `ESCAPE`."""
    for special in (ESCAPE, "%", "_"):
        text = text.replace(special, ESCAPE + special)
    return text


def _paged(statement: Select[Any], order: Order, page: Page, admitted: Column[int]) -> Select[Any]:
    """`admitted` is the id of the output in the table that is searched: an index of that one leads to the rows in their order."""
    match order:
        case Order.NEWEST:
            statement = statement.order_by(admitted.desc())
        case Order.OLDEST:
            statement = statement.order_by(admitted)
        case Order.NAME:
            keys = (host_records.c.producer, host_records.c.kind, host_records.c.name)
            statement = statement.order_by(*keys, admitted.desc())
        case Order.PRICE:
            statement = statement.order_by(host_records.c.price.asc().nulls_last(), admitted.desc())
    return statement.limit(page.limit).offset(page.skip)
