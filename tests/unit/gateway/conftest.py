"""A gateway over a database that holds what an apply would have left there."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.gateway.app import build_app
from reconciler.model.ids import Digest, IdentityKey, Outpoint, RecordId, Txid
from reconciler.model.json import Json, JsonObject
from reconciler.model.observed import ObservedRecord, ObservedRoot
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.outcome import Outcome
from reconciler.store.published import Published
from reconciler.store.transactions import Transactions
from reconciler.wallet.keys import Keys
from reconciler.web.lifespans import running
from reconciler.web.metrics import Metrics
from reconciler.web.operators import Operator
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.documents import (
    PublishedContent,
    RecordDocument,
    RootDocument,
    RootKeys,
    SealedRef,
    Source,
    StoredPart,
)
from reconciler.wire.merkle import path_of
from reconciler.wire.state_root import Leaf, state_root
from reconciler.wire.transaction import Transaction, TxInput, TxOutput
from reconciler.wire.uhrp import url_of
from tests.delivering import Contents

SECRET = "only the producer may read this"


@dataclass(frozen=True)
class Record:
    """A record to publish. `price` in satoshis makes its content sold."""

    id: str
    public: JsonObject
    price: int = 0
    parts: int = 1
    has_content: bool = True
    sealed: JsonObject = field(default_factory=dict)


class Publisher:
    """Makes generations live, as apply does."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.identity = IdentityKey("02" + self.digest(name))
        self.gateway_key = IdentityKey("03" + self.digest(f"gateway of {name}"))
        self.sealed = b"\xa3" + SECRET.encode()

    @staticmethod
    def digest(label: object) -> Digest:
        return Digest(hashlib.sha256(str(label).encode()).hexdigest())

    async def publish(
        self,
        records: Iterable[Record],
        *,
        generation: int = 1,
        settings: Mapping[str, JsonObject] | None = None,
        defaults: Json = SECRET,
        **profile: Json,
    ) -> ObservedRoot:
        records = tuple(records)
        spent = Outpoint(Txid(self.digest(f"spent {generation}")), 0)
        outputs = tuple(TxOutput(1, bytes([index])) for index in range(len(records) + 1))
        transaction = Transaction((TxInput(spent),), outputs)
        documents = {RecordId.parse(each.id): self.document(each) for each in records}
        leaves = [Leaf(record, sha256_hex(document)) for record, document in documents.items()]
        public = {"displayName": "Acme & Sons", **profile}
        root = RootDocument(
            producer=self.identity,
            name="acme",
            public=public,
            network_id=self.digest("network"),
            generation=generation,
            keys=RootKeys(self.identity, self.gateway_key, "http://localhost:3000"),
            state_root=state_root(leaves),
            leaf_count=len(leaves),
            sealed=SealedRef(sha256_hex(self.sealed), len(self.sealed), None),
            source=Source(None, "c0ffee", dirty=False),
        ).to_bytes()
        observed = [
            ObservedRecord(
                id=leaf.id,
                outpoint=transaction.outpoint(index + 1),
                document_hash=leaf.document_hash,
                public=dict(records[index].public),
                sealed={
                    "content": {"sha256": self.digest(SECRET), "size": 12},
                    "note": SECRET,
                    **records[index].sealed,
                },
            )
            for index, leaf in enumerate(leaves)
        ]
        own = ObservedRecord(
            id=RecordId.parse("producer/acme"),
            outpoint=transaction.outpoint(0),
            document_hash=sha256_hex(root),
            public=public,
            sealed={"defaults": defaults},
        )
        live = ObservedRoot(
            record=own,
            generation=generation,
            state_root=state_root(leaves),
            leaf_count=len(leaves),
            gateway_key=self.gateway_key,
            source=SECRET,
            network_id=self.digest("network"),
            settings=settings or {},
        )
        proof = path_of([transaction.txid], [0], generation)
        async with self.database.begin() as connection:
            await Documents(connection).put(root, self.sealed, *documents.values())
            await Transactions(connection).put(transaction, proof)
            await Published(connection).clear()
            await Published(connection).commit(
                Outcome(identity=self.identity, root=live, upserts=tuple(observed), at=1_800_000_000)
            )
        return live

    def document(self, record: Record) -> bytes:
        named = RecordId.parse(record.id)
        parts = [self.digest(f"{record.id} part {index}") for index in range(record.parts)]
        content = PublishedContent(
            digest=self.digest(f"content of {record.id}"),
            size=1234,
            media_type="text/csv",
            parts=tuple(StoredPart(url_of(part), part, 617) for part in parts),
            key_commitment=self.digest("key") if record.price else None,
        )
        return RecordDocument(
            self.identity, named, record.public, content if record.has_content else None, b"ciphertext" * 4
        ).to_bytes()


@pytest.fixture
def make() -> Callable[..., Record]:
    """A record from its address and public fields."""

    def record(
        address: str,
        *,
        price: int = 0,
        parts: int = 1,
        has_content: bool = True,
        sealed: JsonObject | None = None,
        **public: Any,
    ) -> Record:
        public = {"title": f"About {address}", "tags": [], **public}
        if price:
            public["pricing"] = {"model": "per-request", "satoshis": price}
        return Record(address, public, price, parts, has_content, sealed or {})

    return record


@pytest.fixture
def publisher(database, request) -> Publisher:
    return Publisher(database, request.node.name)


@dataclass
class FakeHost:
    """Stands where the producer's host does; says what it was asked, and whether its lifespan runs."""

    alive: bool = False

    def app(self) -> Starlette:
        from contextlib import asynccontextmanager

        async def answer(request: Any) -> Response:
            return JSONResponse({"host": request.url.path}, status_code=418)

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            self.alive = True
            yield
            self.alive = False

        return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])], lifespan=lifespan)


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def keys(request) -> Keys:
    """The gateway's own."""
    return Keys(hashlib.sha256(f"gateway of {request.node.name}".encode()).digest())


@pytest.fixture
def contents() -> Contents:
    """What the gateway delivers."""
    return Contents()


@pytest.fixture
async def gateway(database, publisher, host, keys, contents) -> AsyncIterator[httpx.AsyncClient]:
    """The gateway, spoken to over HTTP in-process."""
    app = build_app(
        database=database,
        identity=publisher.identity,
        host=host.app(),
        keys=keys,
        contents=contents,
        clock=time.time,
        randomness=secrets.token_bytes,
        metrics=Metrics(database, Operator(identity=publisher.identity, token="token"), clock=time.time),
    )
    async with (
        running(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway.example") as client,
    ):
        yield client


@pytest.fixture
def get(gateway) -> Callable[..., Any]:
    """The JSON of a route that is to succeed."""

    async def ask(path: str, **parameters: Any) -> Mapping[str, Any]:
        reply = await gateway.get(path, params=parameters)
        assert reply.status_code == 200, reply.text
        return reply.json()

    return ask


@pytest.fixture
def secret() -> str:
    """What stands in every sealed field."""
    return SECRET
