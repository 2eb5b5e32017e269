"""What is live, read whole from the database, once for each generation: what the gateway shows of it, and what it sells by.

Sealed fields stop here: an `Entry` has no room for them. What the shop needs of them goes the other way, into `Offers`, of
which nothing is an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from reconciler.gateway.offers import Offers
from reconciler.gateway.rules import Rules
from reconciler.model.errors import RefusedError, StateError
from reconciler.model.ids import Digest, IdentityKey, Outpoint, RecordId
from reconciler.model.json import Json, JsonObject
from reconciler.model.observed import ObservedRecord, ObservedRoot
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.published import Published
from reconciler.store.shared import Shared
from reconciler.store.transactions import Transactions
from reconciler.store.works import Connection
from reconciler.wire.documents import RecordDocument, RootDocument, parse_record_document, parse_root_document
from reconciler.wire.state_root import Leaf

_TEXTS: Final = ("title", "displayName", "description", "capability")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One live record, public parts only."""

    id: RecordId
    outpoint: Outpoint
    document_hash: Digest
    public: JsonObject
    tags: tuple[str, ...]
    text: str
    """Case-folded; what free text is looked for in."""

    @classmethod
    def of(cls, record: ObservedRecord) -> Self:
        """What may be shown of a record."""
        tags = _texts(record.public.get("tags"))
        words = (record.id.name, *tags, *_texts([record.public.get(name) for name in _TEXTS]))
        return cls(
            id=record.id,
            outpoint=record.outpoint,
            document_hash=record.document_hash,
            public=record.public,
            tags=tags,
            text="\n".join(words).casefold(),
        )

    @property
    def leaf(self) -> Leaf:
        """Its place under the state root."""
        return Leaf(self.id, self.document_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """One generation: its root document, and every record under it in the order of their ids."""

    outpoint: Outpoint
    document_hash: Digest
    root: RootDocument
    entries: tuple[Entry, ...]
    by_id: Mapping[RecordId, Entry]

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """What the state root is over."""
        return tuple(entry.leaf for entry in self.entries)


@dataclass(frozen=True, slots=True)
class _Generation:
    live: Live
    offers: Offers


class Shelf:
    """The live generation, kept between requests until another process, or this one, has applied."""

    def __init__(self, database: Database, gateway: IdentityKey | None = None) -> None:
        self._database = database
        self._gateway = gateway
        self._kept: _Generation | None = None
        self._outpoint = Shared(partial(database.glance, _live_outpoint))

    async def live(self) -> Live | None:
        """What is live now; None where nothing has been published. Raises StateError for a database with holes."""
        generation = await self._generation()
        return None if generation is None else generation.live

    async def required(self) -> Live:
        """What is live now. Raises as `live`, and RefusedError (code 404) where nothing has been published."""
        live = await self.live()
        if live is None:
            raise RefusedError("nothing has been published here yet", code="404")
        return live

    async def offers(self) -> Offers | None:
        """What is sold now, and how. As `live`, and from the same generation."""
        generation = await self._generation()
        return None if generation is None else generation.offers

    async def _generation(self) -> _Generation | None:
        outpoint = await self._outpoint.now()
        if outpoint is None:
            return None
        if self._kept is None or self._kept.live.outpoint != outpoint:
            self._kept = await self._database.read(self._load)
        return self._kept

    async def _load(self, connection: Connection) -> _Generation | None:
        root = await Published(connection).root()
        if root is None:
            return None
        documents = await Documents(connection).find([root.record.document_hash])
        records = await Published(connection).records()
        live = _live(root, documents, records.values())
        return _Generation(live, _offers(live, root, records, self._gateway or live.root.keys.gateway_key))

    async def documents(self, entries: Iterable[Entry]) -> dict[RecordId, RecordDocument]:
        """The documents of some records. Raises StateError where one is missing."""
        wanted = {entry.id: entry.document_hash for entry in entries}
        async with self._database.reading() as connection:
            found = await Documents(connection).find(wanted.values())
        return {record: parse_record_document(_present(found, digest)) for record, digest in wanted.items()}

    async def document(self, digest: Digest) -> bytes | None:
        """Any document by its hash."""
        async with self._database.reading() as connection:
            return await Documents(connection).get(digest)

    async def proof(self, live: Live) -> bytes:
        """The root's transaction as Atomic BEEF. Raises StateError where its ancestry is not here."""
        async with self._database.reading() as connection:
            beef = await Transactions(connection).beef([live.outpoint.txid])
        return beef.to_atomic(live.outpoint.txid)


def _live(root: ObservedRoot, documents: Mapping[Digest, bytes], records: Iterable[ObservedRecord]) -> Live:
    entries = sorted(map(Entry.of, records), key=lambda entry: entry.id)  # databases disagree on the order of texts
    return Live(
        outpoint=root.record.outpoint,
        document_hash=root.record.document_hash,
        root=parse_root_document(_present(documents, root.record.document_hash)),
        entries=tuple(entries),
        by_id={entry.id: entry for entry in entries},
    )


def _offers(live: Live, root: ObservedRoot, records: Mapping[RecordId, ObservedRecord], gateway: IdentityKey) -> Offers:
    return Offers(
        network=live.root.network_id,
        producer=live.root.producer,
        gateway=live.root.keys.gateway_key,
        document_hash=live.document_hash,
        settings=root.settings,
        rules=Rules.of(root.settings, root.record.sealed, gateway),
        records=records,
    )


async def _live_outpoint(connection: Connection) -> Outpoint | None:
    return await Published(connection).outpoint()


def _present(documents: Mapping[Digest, bytes], digest: Digest) -> bytes:
    try:
        return documents[digest]
    except KeyError:
        raise StateError(
            f"the document {digest} of a live record is not in the database", hint="run `overlay state rebuild`"
        ) from None


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()
