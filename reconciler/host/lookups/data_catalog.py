"""`ls_data_catalog`: records by producer, kind, name, tag, text or outpoint, with their documents (PROTOCOL §2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.host.catalog import entry_of
from reconciler.host.lookups.query import Query
from reconciler.host.services import About, Hit
from reconciler.model.errors import StateError, VerificationError
from reconciler.model.ids import Digest, Kind, identity_key
from reconciler.model.json import Json
from reconciler.store.documents import Documents
from reconciler.store.listings import ListedRecord, Order, RecordQuery, Records
from reconciler.store.outputs import Connection, HostOutput
from reconciler.wire import record
from reconciler.wire.submission import pack_documents
from reconciler.wire.transaction import TxOutput

_FIELDS: Final = frozenset({"producer", "kind", "name", "tag", "text", "outpoint", "history", "sort", "limit", "skip"})

_DOCUMENTATION: Final = """# Data catalog look-up

A query is an object; all its fields must hold, none lists everything: `producer` (identity key, hex), `kind`, `name`, `tag`,
`text` (anywhere in name, title, description, capability, tags), `outpoint` (`txid.vout`), `history` (true: spent tokens too),
`sort` (`newest`, `oldest`, `name`), `limit` (at most 50, the default), `skip`.

The context of each output is its document; of a producer's, a CBOR array of its document and its sealed document.
"""


class DataCatalogLookup:
    """Satisfies host.services.Lookup."""

    name = "ls_data_catalog"
    about = About(title="Data Catalog", short="Finds records of data producers.", documentation=_DOCUMENTATION)
    topics = frozenset({"tm_data_catalog"})

    async def index(
        self, connection: Connection, admitted: HostOutput, output: TxOutput, documents: Mapping[Digest, bytes]
    ) -> None:
        """Take up a record whose document is here."""
        token = record.parse(output.locking)
        if token is None:
            raise VerificationError(f"{admitted.outpoint} holds no record token")
        await Records(connection).add(admitted.id, entry_of(token, documents[token.anchor.document_hash]))

    async def answer(self, connection: Connection, query: Json, now: int) -> tuple[Hit, ...]:  # noqa: ARG002 - ageless
        """One page of records."""
        found = await Records(connection).find(parse_query(query))
        documents = Documents(connection)
        return tuple([Hit(listed.outpoint, await _context(documents, listed)) for listed in found])


def parse_query(query: Json) -> RecordQuery:
    """Read a query. Raises RefusedError."""
    fields = Query(query, _FIELDS)
    return RecordQuery(
        producer=fields.read("producer", identity_key),
        kind=fields.read("kind", Kind),
        name=fields.read("name", str),
        tag=fields.read("tag", str),
        text=fields.read("text", str),
        outpoint=fields.outpoint(),
        history=fields.flag("history"),
        order=fields.read("sort", Order) or Order.NEWEST,
        page=fields.page(),
    )


async def _context(documents: Documents, listed: ListedRecord) -> bytes:
    document = await _document(documents, listed.document)
    if listed.sealed is None:
        return document
    return pack_documents([document, await _document(documents, listed.sealed)])


async def _document(documents: Documents, digest: Digest) -> bytes:
    data = await documents.get(digest)
    if data is None:
        raise StateError(f"document {digest} of a listed record is gone")
    return data
