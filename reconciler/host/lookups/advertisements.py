"""`ls_ship` and `ls_slap`: which hosts take a topic, which answer a look-up service (WIRE §4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from reconciler.host.lookups.query import PAGE, Query
from reconciler.host.services import VERSION, About, Complete, Hit
from reconciler.model.errors import RefusedError, StateError
from reconciler.model.ids import AdProtocol, Digest, identity_key
from reconciler.model.json import Json
from reconciler.store.listings import AdEntry, AdQuery, Ads, Order
from reconciler.store.works import Connection
from reconciler.wire import advertisement

_FILTERS: Final = {AdProtocol.SHIP: "topics", AdProtocol.SLAP: "service"}
_ALL: Final = "findAll"

_ABOUT: Final = {
    AdProtocol.SHIP: (
        "SHIP Lookup Service",
        "Finds hosts by the topics that they take.",
        "`topics` (a list: any of them)",
    ),
    AdProtocol.SLAP: ("SLAP Lookup Service", "Finds hosts by the services that they answer.", "`service`"),
}

_DOCUMENTATION: Final = """# {title}

A query is `"findAll"`, or an object; all its fields must hold, none lists everything: `domain` (the URL, exactly), {names},
`identityKey` (hex), `sortOrder` (`desc`, newest first, is the default; or `asc`), `limit` (at most 50, the default), `skip`;
`findAll` (true) goes without the first three.

Of advertisements that say the same, the first is shown; when it is spent, the next one is.
"""


class _Direction(StrEnum):
    """The reference's words for an order."""

    ASC = "asc"
    DESC = "desc"


class AdLookup:
    """Satisfies host.services.Lookup."""

    def __init__(self, protocol: AdProtocol) -> None:
        title, short, names = _ABOUT[protocol]
        self.name = f"ls_{protocol.lower()}"
        self.about = About(
            title=title,
            short=short,
            documentation=_DOCUMENTATION.format(title=title, names=names),
            version=VERSION,
            information="https://bsv.brc.dev/overlays/0088",
        )
        self.topics = frozenset({f"tm_{protocol.lower()}"})
        self._protocol = protocol

    async def index(
        self,
        connection: Connection,
        complete: Sequence[Complete],
        documents: Mapping[Digest, bytes],  # noqa: ARG002 - the token says it all
    ) -> None:
        """Take up advertisements."""
        await Ads(connection).add({each.admitted.id: _entry(each) for each in complete})

    async def answer(self, connection: Connection, query: Json, now: int) -> tuple[Hit, ...]:  # noqa: ARG002 - ageless
        """One page of advertisements."""
        return tuple(Hit(outpoint) for outpoint in await Ads(connection).find(parse_query(self._protocol, query)))


def parse_query(protocol: AdProtocol, query: Json) -> AdQuery:
    """Read a query. Raises RefusedError."""
    filters = ("domain", _FILTERS[protocol], "identityKey")
    fields = Query({} if query == _ALL else query, {*filters, _ALL, "limit", "skip", "sortOrder"})
    identity, url, names = (
        fields.read("identityKey", identity_key),
        fields.read("domain", str),
        _names(protocol, fields),
    )
    if fields.flag(_ALL) and (identity, url, names) != (None, None, None):
        raise RefusedError(f"the query's {_ALL} goes without {', '.join(filters)}")
    ascending = fields.read("sortOrder", _Direction) is _Direction.ASC
    return AdQuery(
        protocol=protocol,
        identity=identity,
        url=url,
        names=names,
        order=Order.OLDEST if ascending else Order.NEWEST,
        page=fields.page(),
    )


def _names(protocol: AdProtocol, fields: Query) -> tuple[str, ...] | None:
    if protocol is AdProtocol.SHIP:
        return fields.texts(_FILTERS[protocol], PAGE)
    service = fields.read(_FILTERS[protocol], str)
    return None if service is None else (service,)


def _entry(complete: Complete) -> AdEntry:
    token = advertisement.parse(
        complete.output.locking, plain_http=True
    )  # which URLs are allowed was the topic's to decide
    if token is None:
        raise StateError(f"the admitted output {complete.admitted.outpoint} holds no advertisement")
    return AdEntry(protocol=token.protocol, identity=token.identity, url=token.url, name=token.name)
