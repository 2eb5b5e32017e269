"""What a host's operator does not want shown, and what he looks at: the advertisements that are listed, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, func, or_, select

from reconciler.model.ids import AdProtocol, IdentityKey, Outpoint
from reconciler.store.host_tables import (
    at_banned_domain,
    host_ads,
    host_banned_domains,
    host_banned_outputs,
    host_outputs,
    not_shown,
    spent,
)
from reconciler.store.inserts import upsert
from reconciler.store.listings import ESCAPE, Page, literal_pattern
from reconciler.store.works import Connection

MOST: Final = 1000
"""Bans that are listed of each kind."""


@dataclass(frozen=True, slots=True)
class Ban:
    """An output, or a domain (a URL as it is advertised, or the host of one), is not shown."""

    value: Outpoint | str
    reason: str
    since: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdRow:
    """An advertisement that is listed."""

    outpoint: Outpoint
    identity: IdentityKey
    url: str
    name: str


class Bans:
    """They act on every answer, at once, and are taken back as if they had never been."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def ban(self, ban: Ban) -> None:
        """Show it no more; again changes reason and time."""
        row = {"reason": ban.reason, "since": ban.since}
        if isinstance(ban.value, Outpoint):
            row |= {"txid": ban.value.txid, "vout": ban.value.vout}
            await upsert(self._connection, host_banned_outputs, [row], keys=["txid", "vout"])
        else:
            await upsert(self._connection, host_banned_domains, [row | {"domain": ban.value}], keys=["domain"])

    async def unban(self, value: Outpoint | str) -> None:
        """Show it again."""
        if isinstance(value, Outpoint):
            columns = host_banned_outputs.c
            wanted = (columns.txid == value.txid) & (columns.vout == value.vout)
            await self._connection.execute(delete(host_banned_outputs).where(wanted))
        else:
            await self._connection.execute(delete(host_banned_domains).where(host_banned_domains.c.domain == value))

    async def domains(self) -> tuple[Ban, ...]:
        """The domains, newest first."""
        query = select(host_banned_domains).order_by(host_banned_domains.c.since.desc()).limit(MOST)
        return tuple(Ban(row.domain, row.reason, row.since) for row in await self._connection.execute(query))

    async def outputs(self) -> tuple[Ban, ...]:
        """The outputs, newest first."""
        query = select(host_banned_outputs).order_by(host_banned_outputs.c.since.desc()).limit(MOST)
        rows = await self._connection.execute(query)
        return tuple(Ban(Outpoint(row.txid, row.vout), row.reason, row.since) for row in rows)

    async def evict(self, outpoint: Outpoint, topics: frozenset[str] | None) -> None:
        """Forget an output, in these topics or in all; who submits it again brings it back."""
        wanted = (host_outputs.c.txid == outpoint.txid) & (host_outputs.c.vout == outpoint.vout)
        if topics is not None:
            wanted &= host_outputs.c.topic.in_(topics)
        await self._connection.execute(delete(host_outputs).where(wanted))

    async def ads(self, protocol: AdProtocol, search: str | None, page: Page) -> tuple[int, tuple[AdRow, ...]]:
        """How many advertisements are listed that hold a text in URL or name, and a page of them, newest first."""
        shown = [host_ads.c.protocol == protocol.value, ~spent(), ~not_shown(), ~at_banned_domain()]
        if search:
            pattern = f"%{literal_pattern(search)}%"
            shown.append(or_(*(column.like(pattern, escape=ESCAPE) for column in (host_ads.c.url, host_ads.c.name))))
        listed = select(host_ads, host_outputs.c.txid, host_outputs.c.vout).join(
            host_outputs, host_outputs.c.id == host_ads.c.output_id
        )
        count = select(func.count()).select_from(listed.where(*shown).subquery())
        total = (await self._connection.execute(count)).scalar_one()
        query = listed.where(*shown).order_by(host_outputs.c.id.desc()).limit(page.limit).offset(page.skip)
        rows = await self._connection.execute(query)
        return total, tuple(
            AdRow(outpoint=Outpoint(row.txid, row.vout), identity=row.identity, url=row.url, name=row.name)
            for row in rows
        )
