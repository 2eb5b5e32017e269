"""`ls_data_catalog`: records by producer, kind, name, tag, text and so on, with their documents (PROTOCOL §2).

`ls_data_<capability>` is the same, through one capability (PROTOCOL §8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from reconciler.host.catalog import entry_of, token_of
from reconciler.host.lookups.query import Query
from reconciler.host.services import About, Complete, Hit
from reconciler.model.amounts import MAX_SATOSHIS
from reconciler.model.capabilities import capability_of, service_of
from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, Kind, Outpoint, identity_key
from reconciler.model.json import Json
from reconciler.store.documents import Documents
from reconciler.store.listings import ListedRecord, Order, PriceRange, RecordEntry, RecordQuery, Records
from reconciler.store.renditions import Renditions
from reconciler.store.works import Connection
from reconciler.wire.submission import pack_documents

_FIELDS: Final = frozenset(
    {
        "producer",
        "kind",
        "name",
        "tag",
        "region",
        "license",
        "price",
        "text",
        "outpoint",
        "rotatedFrom",
        "history",
        "sort",
        "limit",
        "skip",
    }
)
_CAPABILITY: Final = "capability"
_PHRASE: Final = 256
_FORMER: Final = 100
_PRICE: Final = frozenset({"min", "max", "model"})

_VERSION: Final = "2"
"""Of what is indexed: a host that was there before reads its records again (host/indexing.py)."""

_DOCUMENTATION: Final = """# Data catalog look-up

A query is an object. All its fields must hold; `{}` lists everything; a field that is not known is refused.

| field | value | finds |
|---|---|---|
| `producer` | identity key, hex | its records |
| `kind` | `producer`, `advertisement`, `dataset`, `stream` | records of the kind |
| `name` | text | records of exactly this name |
| `tag` | text | records that have it |
| `capability` | such as `crypto-price-feeds` | records that have it |
| `region` | such as `EU`, `US`, `global` | records and producers that name it |
| `license` | text | records under it, in whatever case |
| `price` | `{"min": 0, "max": 100, "model": "per-minute"}`, each of the three optional | what costs that many satoshis a unit; 0 is free |
| `text` | text | it stands in name, title, display name, description, capability or a tag, in whatever case |
| `outpoint` | `txid.vout` | this token |
| `rotatedFrom` | identity key, hex | records of another key whose transaction spends a root of this one |
| `history` | `true` | spent tokens too, each an output of its own with its own document |
| `history` | 1 to 100 | nothing more; but each output's BEEF goes back through at most so many former versions |
| `sort` | `newest` (the default), `oldest`, `name`, `price` | |
| `limit`, `skip` | at most 50, which is the default; how many to pass over | a page |

Only public fields of documents are looked at. Services that are called `ls_data_` and a capability, with every hyphen an
underscore, find records of that one, by the other fields.

A former version is a token of the same record that the later one's transaction spends (of a producer's root: the root before).
With a number as `history` the transactions in between come without their Merkle paths, so that source transactions are linked
back to the oldest version given (BRC-64; the SDK's `Historian` goes that way). The newest versions come first, and at most 2 MiB
of them. A record that is changed together with more than a hundred others is replaced by several transactions: there its line
ends, and `true` shows what was before.

The context of each output is its document; of a producer's, a CBOR array of its document and its sealed document.
"""


class DataCatalogLookup:
    """Satisfies host.services.Lookup. With a `capability` it is that one's service, and finds its records only."""

    topics = frozenset({"tm_data_catalog"})

    def __init__(self, capability: str | None = None) -> None:
        self.name = "ls_data_catalog" if capability is None else service_of(capability)
        about = "" if capability is None else f", about {capability}"
        self.about = About(
            title="Data Catalog",
            short=f"Finds records of data producers{about}.",
            documentation=_DOCUMENTATION,
            version=_VERSION,
        )
        self._capability = capability

    async def index(
        self, connection: Connection, complete: Sequence[Complete], documents: Mapping[Digest, bytes]
    ) -> None:
        """Take up records whose documents are here."""
        await Records(connection).add({each.admitted.id: _entry(each, documents) for each in complete})

    async def answer(self, connection: Connection, query: Json, now: int) -> tuple[Hit, ...]:  # noqa: ARG002 - ageless
        """One page of records."""
        return await _found(connection, parse_query(query, self._capability))

    async def resume(
        self,
        connection: Connection,
        query: Json,
        now: int,  # noqa: ARG002 - ageless
        after: Outpoint,
    ) -> tuple[Hit, ...]:
        """The page after this token."""
        asked = parse_query(query, self._capability)
        return await _found(connection, replace(asked, page=replace(asked.page, after=after)))


async def _found(connection: Connection, asked: RecordQuery) -> tuple[Hit, ...]:
    found = await Records(connection).find(asked)
    former = await Renditions(connection).before([listed.outpoint for listed in found], asked.former)
    wanted = {digest for listed in found for digest in (listed.document, listed.sealed) if digest is not None}
    documents = await Documents(connection).find(wanted)
    return tuple(Hit(each.outpoint, _context(each, documents), former[each.outpoint]) for each in found)


def capability_lookup(service: str) -> DataCatalogLookup | None:
    """The look-up service `ls_data_<capability>`, for hosts that answer any of them; None for other names."""
    capability = capability_of(service) if service.startswith("ls_") else None
    return None if capability is None else DataCatalogLookup(capability)


def parse_query(query: Json, capability: str | None = None) -> RecordQuery:
    """Read a query to the whole catalog, or to one capability's service. Raises RefusedError."""
    fields = Query(query, _FIELDS if capability else _FIELDS | {_CAPABILITY})
    deep = fields.is_whole("history")
    return RecordQuery(
        producer=fields.read("producer", identity_key),
        kind=fields.read("kind", Kind),
        name=fields.read("name", str),
        tag=fields.read("tag", str),
        capability=capability or fields.read(_CAPABILITY, str),
        region=fields.read("region", str),
        license=fields.read("license", str),
        price=_price(fields.within("price", _PRICE)),
        text=fields.read("text", _phrase),
        outpoint=fields.outpoint(),
        rotated_from=fields.read("rotatedFrom", identity_key),
        history=not deep and fields.flag("history"),
        former=(fields.integer("history", 1, _FORMER) or 0) if deep else 0,
        order=fields.read("sort", Order) or Order.NEWEST,
        page=fields.page(),
    )


def _price(fields: Query | None) -> PriceRange | None:
    if fields is None:
        return None
    least, most = (fields.integer(name, 0, MAX_SATOSHIS) for name in ("min", "max"))
    return PriceRange(least=least, most=most, model=fields.read("model", str))


def _phrase(text: str) -> str:
    """Every record is looked through for it."""
    if len(text) > _PHRASE:
        raise ValueError(f"it is longer than {_PHRASE} characters")
    return text


def _entry(complete: Complete, documents: Mapping[Digest, bytes]) -> RecordEntry:
    token = token_of(complete.output.locking)
    if token is None:
        raise StateError(f"the admitted output {complete.admitted.outpoint} holds no record token")
    return entry_of(token, documents[token.anchor.document_hash])


def _context(listed: ListedRecord, documents: Mapping[Digest, bytes]) -> bytes:
    try:
        document = documents[listed.document]
        return document if listed.sealed is None else pack_documents([document, documents[listed.sealed]])
    except KeyError as error:
        raise StateError(f"the document {error} of the listed record {listed.outpoint} is gone") from error
