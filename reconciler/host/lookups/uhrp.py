"""`ls_uhrp`: which storage hosts advertise some content (WIRE §4.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.host.lookups.query import Query
from reconciler.host.services import VERSION, About, Complete, Hit
from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, identity_key
from reconciler.model.json import Json
from reconciler.store.listings import AdvertEntry, AdvertQuery, Adverts
from reconciler.store.works import Connection
from reconciler.wire import uhrp

_FIELDS: Final = frozenset({"uhrpUrl", "outpoint", "expiryTime", "hostIdentityKey", "limit", "skip"})
_LATEST: Final = 2**53 - 1
"""Unix seconds; JavaScript's largest safe integer."""

_DOCUMENTATION: Final = """# UHRP look-up

A query is an object; all its fields must hold, none lists everything: `uhrpUrl` (with or without `uhrp://`), `outpoint`
(`txid.vout`), `expiryTime` (unix seconds, exactly), `hostIdentityKey` (hex), `limit` (at most 50, the default), `skip`.
Expired advertisements are not shown.
"""


class UhrpLookup:
    """Satisfies host.services.Lookup."""

    name = "ls_uhrp"
    about = About(
        title="UHRP Lookup Service",
        short="Finds who keeps content.",
        documentation=_DOCUMENTATION,
        version=VERSION,
        information="https://bsv.brc.dev/overlays/0026",
    )
    topics = frozenset({"tm_uhrp"})

    async def index(
        self,
        connection: Connection,
        complete: Sequence[Complete],
        documents: Mapping[Digest, bytes],  # noqa: ARG002 - the token says it all
    ) -> None:
        """Take up advertisements."""
        await Adverts(connection).add({each.admitted.id: _entry(each) for each in complete})

    async def answer(self, connection: Connection, query: Json, now: int) -> tuple[Hit, ...]:
        """One page of advertisements."""
        return tuple(Hit(outpoint) for outpoint in await Adverts(connection).find(parse_query(query, now)))


def _entry(complete: Complete) -> AdvertEntry:
    token = uhrp.parse(complete.output.locking, plain_http=True)  # which URLs are allowed was the topic's to decide
    if token is None:
        raise StateError(f"the admitted output {complete.admitted.outpoint} holds no UHRP token")
    return AdvertEntry(host=token.host, sha256=token.sha256, expires=token.expires)


def parse_query(query: Json, now: int) -> AdvertQuery:
    """Read a query. Raises RefusedError."""
    fields = Query(query, _FIELDS)
    return AdvertQuery(
        sha256=fields.read("uhrpUrl", uhrp.digest_of),
        host=fields.read("hostIdentityKey", identity_key),
        expires=fields.integer("expiryTime", 0, _LATEST),
        outpoint=fields.outpoint(),
        now=now,
        page=fields.page(),
    )
