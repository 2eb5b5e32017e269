"""Values named by the test."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Digest, IdentityKey, Outpoint, RecordId, Txid
from reconciler.model.keys import FUNDING_KEY
from reconciler.model.observed import ObservedRecord, ObservedReplica, ObservedRoot
from reconciler.store.coins import Purpose, StoredCoin
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.transactions import Transactions
from reconciler.wire.transaction import Transaction, TxInput, TxOutput


@pytest.fixture
def name(request) -> Callable[[object], Digest]:
    """A SHA-256 that only this test uses, one for each label."""
    return lambda label: Digest(sha256(f"{request.node.name} {label}".encode()).hexdigest())


@pytest.fixture
def identity(name) -> IdentityKey:
    return IdentityKey("02" + name("identity"))


@pytest.fixture
def make_transaction(name) -> Callable[..., Transaction]:
    """A transaction that spends these outpoints (or a stranger's), with these amounts."""

    def make(label: object = 0, *, spends: tuple[Outpoint, ...] = (), pays: tuple[int, ...] = (1000,)) -> Transaction:
        inputs = spends or (Outpoint(Txid(name(f"stranger {label}")), 0),)
        tag = bytes.fromhex(name(f"locking {label}"))
        outputs = tuple(TxOutput(Satoshis(amount), tag + vout.to_bytes(4)) for vout, amount in enumerate(pays))
        return Transaction(tuple(map(TxInput, inputs)), outputs)

    return make


@pytest.fixture
def coins_of() -> Callable[[Transaction], tuple[StoredCoin, ...]]:
    """All outputs of a transaction as money coins."""
    return lambda transaction: tuple(
        StoredCoin(
            outpoint=transaction.outpoint(vout),
            satoshis=output.satoshis,
            locking=output.locking,
            key=FUNDING_KEY,
            purpose=Purpose.MONEY,
        )
        for vout, output in enumerate(transaction.outputs)
    )


@pytest.fixture
def make_entry(name) -> Callable[..., JournalEntry]:
    def make(
        entry: str = "entry", *transactions: Transaction, generation: int = 1, created: int = 100, spent: int = 0
    ) -> JournalEntry:
        return JournalEntry(
            id=entry,
            plan_id=name("plan"),
            generation=generation,
            txids=tuple(transaction.txid for transaction in transactions),
            publishes=True,
            owner="someone",
            spent=spent,
            created=created,
            updated=created,
        )

    return make


@pytest.fixture
def journalled(make_entry):
    """Write an entry down with its transactions, on a given connection."""

    async def write(connection, entry: str, *transactions: Transaction, **fields) -> JournalEntry:
        for transaction in transactions:
            await Transactions(connection).put(transaction)
        made = make_entry(entry, *transactions, **fields)
        await Journal(connection).create(made, outcome=b"{}")
        return made

    return write


@pytest.fixture
def make_record(name) -> Callable[..., ObservedRecord]:
    def make(record: str, version: int = 1, **public) -> ObservedRecord:
        return ObservedRecord(
            id=RecordId.parse(record),
            outpoint=Outpoint(Txid(name(f"transaction {version}")), 1),
            document_hash=name(f"{record} {version}"),
            public={"title": f"{record} v{version}", **public},
            sealed={"content": {"sha256": name(f"content of {record}"), "size": 12}},
        )

    return make


@pytest.fixture
def make_root(name, make_record) -> Callable[..., ObservedRoot]:
    def make(generation: int, branch: str = "", **public) -> ObservedRoot:
        return ObservedRoot(
            record=make_record("producer/acme", f"{generation}{branch}", **public),
            generation=generation,
            state_root=name(f"state {generation}"),
            leaf_count=1,
            gateway_key=IdentityKey("03" + name("gateway")),
            source="acme",
            network_id=name("network"),
        )

    return make


@pytest.fixture
def make_replica(name) -> Callable[..., ObservedReplica]:
    def make(dataset: str, host: str, expires: int = 5000) -> ObservedReplica:
        parts = (name(f"part of {dataset}"), name(f"more of {dataset}"))
        return ObservedReplica(
            dataset=dataset, host=host, content=name(f"content of {dataset}"), parts=parts, size=12, expires=expires
        )

    return make
