"""`ls_data_catalog`: records by producer, kind, name, tag, text and so on, with their documents (PROTOCOL §2).

`ls_data_<capability>` is the same, through one capability (PROTOCOL §8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.host.catalog import entry_of, token_of
from reconciler.host.lookups.query import Query
from reconciler.host.services import VERSION, About, Complete, Hit
from reconciler.model.capabilities import capability_of, service_of
from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, Kind, identity_key
from reconciler.model.json import Json
from reconciler.store.documents import Documents
from reconciler.store.listings import ListedRecord, Order, RecordEntry, RecordQuery, Records
from reconciler.store.outputs import Connection
from reconciler.wire.submission import pack_documents

_FIELDS: Final = frozenset(
    {"producer", "kind", "name", "tag", "text", "outpoint", "rotatedFrom", "history", "sort", "limit", "skip"}
)
_CAPABILITY: Final = "capability"

_DOCUMENTATION: Final = """# Data catalog look-up

A query is an object; all its fields must hold, none lists everything: `producer` (identity key, hex), `kind`, `name`, `tag`,
`capability` (`crypto-price-feeds`), `text` (anywhere in name, title, description, capability, tags), `outpoint` (`txid.vout`),
`rotatedFrom` (identity key: records of another one whose transaction spends a root of this one), `history` (true: spent tokens too), `sort` (`newest`, `oldest`, `name`), `limit` (at most 50, the default), `skip`. Services that
are called `ls_data_` and a capability, with every hyphen an underscore, find records of that one, by the other fields.

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
            version=VERSION,
        )
        self._capability = capability

    async def index(
        self, connection: Connection, complete: Sequence[Complete], documents: Mapping[Digest, bytes]
    ) -> None:
        """Take up records whose documents are here."""
        await Records(connection).add({each.admitted.id: _entry(each, documents) for each in complete})

    async def answer(self, connection: Connection, query: Json, now: int) -> tuple[Hit, ...]:  # noqa: ARG002 - ageless
        """One page of records."""
        found = await Records(connection).find(parse_query(query, self._capability))
        wanted = {digest for listed in found for digest in (listed.document, listed.sealed) if digest is not None}
        documents = await Documents(connection).find(wanted)
        return tuple(Hit(listed.outpoint, _context(listed, documents)) for listed in found)


def capability_lookup(service: str) -> DataCatalogLookup | None:
    """The look-up service `ls_data_<capability>`, for hosts that answer any of them; None for other names."""
    capability = capability_of(service) if service.startswith("ls_") else None
    return None if capability is None else DataCatalogLookup(capability)


def parse_query(query: Json, capability: str | None = None) -> RecordQuery:
    """Read a query to the whole catalog, or to one capability's service. Raises RefusedError."""
    fields = Query(query, _FIELDS if capability else _FIELDS | {_CAPABILITY})
    return RecordQuery(
        producer=fields.read("producer", identity_key),
        kind=fields.read("kind", Kind),
        name=fields.read("name", str),
        tag=fields.read("tag", str),
        capability=capability or fields.read(_CAPABILITY, str),
        text=fields.read("text", str),
        outpoint=fields.outpoint(),
        rotated_from=fields.read("rotatedFrom", identity_key),
        history=fields.flag("history"),
        order=fields.read("sort", Order) or Order.NEWEST,
        page=fields.page(),
    )


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
