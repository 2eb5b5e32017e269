"""A host on a real embedded chain, spoken to over HTTP in-process, and producers who publish on it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.chain.ledger import Ledger
from reconciler.clients.host import FoundOutput, HostClient
from reconciler.clients.http import HttpClient
from reconciler.devnet.arc import build_app as build_arc
from reconciler.host.app import build_app
from reconciler.host.lookups.advertisements import AdLookup
from reconciler.host.lookups.data_catalog import DataCatalogLookup, capability_lookup
from reconciler.host.lookups.uhrp import UhrpLookup
from reconciler.host.topics.advertisements import AdTopic
from reconciler.host.topics.data_catalog import DataCatalogTopic
from reconciler.host.topics.uhrp import UhrpTopic
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import AdProtocol, Digest, Kind, Outpoint, RecordId
from reconciler.model.json import Json
from reconciler.model.keys import FUNDING_KEY, UHRP_KEY, record_key
from reconciler.store.database import Database
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire import record, uhrp
from reconciler.wire.advertisement import AdToken
from reconciler.wire.advertisement import lock as lock_ad
from reconciler.wire.advertisement import preimage as preimage_of_ad
from reconciler.wire.beef import Beef, BeefTx, merge, parse_beef
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.documents import RecordDocument, RootDocument, RootKeys, SealedRef, Source
from reconciler.wire.record import Anchor, RecordToken
from reconciler.wire.script import p2pkh
from reconciler.wire.state_root import state_root
from reconciler.wire.submission import Admittance, Submission, pack_documents
from reconciler.wire.transaction import Transaction, TxOutput

HOST = "http://public.embedded"
ARC = "http://arc.embedded"
CATALOG = "ls_data_catalog"


@dataclass
class Clock:
    """Time that passes when told to."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Publication:
    """A transaction, everything that proves it, and what it publishes."""

    transaction: Transaction
    beef: Beef
    tokens: tuple[Spendable, ...]
    change: Spendable
    documents: tuple[bytes, ...]

    def submission(self, *topics: str, documents: Sequence[bytes] | None = None) -> Submission:
        """As it goes to a host."""
        wanted = self.documents if documents is None else documents
        off_chain = pack_documents(wanted) if wanted else None
        return Submission(self.beef.to_bytes(), topics or ("tm_data_catalog",), off_chain)


@dataclass(frozen=True)
class Money:
    """A coin and its proof."""

    coin: Spendable
    beef: Beef


class World:
    """The chain, one host, and a way to publish."""

    def __init__(self, folder: Path, database: Database, name: str) -> None:
        numbers = count()
        self.name = name
        self.clock = Clock()
        self.database = database
        self.ledger = Ledger(
            folder / "chain.db",
            clock=self.clock,
            randomness=lambda size: hashlib.shake_256(f"{name} {next(numbers)}".encode()).digest(size),
            block_time=0,
        )
        self.http = HttpClient(apps={ARC: build_arc(ledger=self.ledger, clock=self.clock)})
        self.arc = Arc(self.http, ARC)
        self.headers = Headers(self.http, ARC)
        self.host = HostClient(self.http, HOST)
        self.serve()

    def serve(self, **more: object) -> None:
        """Put a host over the database; again is as if it had been restarted."""
        self.app = build_app(
            database=self.database,
            headers=self.headers,
            arc=self.arc,
            clock=self.clock,
            topics=[
                DataCatalogTopic(),
                UhrpTopic(plain_http=True),
                *(AdTopic(protocol, plain_http=True) for protocol in AdProtocol),
            ],
            lookups=[DataCatalogLookup(), UhrpLookup(), *map(AdLookup, AdProtocol)],
            more_lookups=capability_lookup,
            **more,
        )
        self.http.mount(HOST, self.app)

    def keys(self, who: str = "producer") -> Keys:
        """A key of this test's."""
        return Keys(hashlib.sha256(f"{self.name} {who}".encode()).digest())

    async def coin(self, keys: Keys, satoshis: int = 100_000) -> Money:
        """Money, mined."""
        locking = p2pkh(keys.public(FUNDING_KEY))
        funding = await self.ledger.faucet(locking, Satoshis(satoshis))
        beef, _ = parse_beef(funding.beef)
        output = beef.transactions[funding.outpoint.txid].transaction.outputs[funding.outpoint.vout]
        return Money(Spendable(funding.outpoint, output, FUNDING_KEY, Lock.P2PKH), beef)

    async def publish(
        self,
        *documents: bytes,
        keys: Keys | None = None,
        money: Money | None = None,
        replacing: Sequence[tuple[Publication, int]] = (),
        unlisted: Sequence[bytes] = (),
    ) -> Publication:
        """A signed transaction with one token for each document; `unlisted` documents travel along."""
        keys = keys or self.keys()
        money = money or await self.coin(keys)
        spends = [money.coin, *(former.tokens[index] for former, index in replacing)]
        tokens = [self.token(keys, document, money.coin.outpoint) for document in documents]
        ids = [record_id(document) for document in documents]
        return self.signed(
            keys,
            spends,
            tokens,
            [money.beef, *(former.beef for former, _ in replacing)],
            token_keys=[record_key(each.kind, each.name) for each in ids],
            documents=(*documents, *unlisted),
        )

    def signed(
        self,
        keys: Keys,
        spends: Sequence[Spendable],
        tokens: Sequence[TxOutput],
        proofs: Sequence[Beef],
        *,
        token_keys: Sequence[object] = (),
        documents: tuple[bytes, ...] = (),
        fee: int = 1000,
    ) -> Publication:
        """Spend these, make those, and change."""
        rest = sum(spend.output.satoshis for spend in spends) - sum(token.satoshis for token in tokens) - fee
        change = TxOutput(Satoshis(rest), p2pkh(keys.public(FUNDING_KEY)))
        transaction = signed(spends, [*tokens, change], keys)
        made = [
            Spendable(transaction.outpoint(vout), token, key, Lock.PUSHDROP)
            for vout, (token, key) in enumerate(zip(tokens, token_keys, strict=False))
        ]
        left = Spendable(transaction.outpoint(len(tokens)), change, FUNDING_KEY, Lock.P2PKH)
        beef = merge([*proofs, Beef.of((), [*_entries(proofs), BeefTx(transaction)])])
        return Publication(transaction, beef, tuple(made), left, documents)

    def token(self, keys: Keys, document: bytes, anchor: Outpoint) -> TxOutput:
        """The token of one document."""
        token = RecordToken(keys.identity, record_id(document), Anchor(sha256_hex(document), anchor))
        return TxOutput(Satoshis(1), record.lock(token, keys.sign(token.key, record.preimage(token))))

    async def advert(self, content: Digest, *, expires: int, keys: Keys | None = None) -> Publication:
        """A UHRP token."""
        keys = keys or self.keys("storage")
        token = uhrp.UhrpToken(keys.identity, content, f"http://storage.embedded/cdn/{content}", expires, 1000)
        output = TxOutput(Satoshis(1), uhrp.lock(token, keys.sign(UHRP_KEY, uhrp.preimage(token)), plain_http=True))
        money = await self.coin(keys)
        return self.signed(keys, [money.coin], [output], [money.beef], token_keys=[UHRP_KEY])

    async def ads(
        self,
        *tokens: AdToken,
        keys: Keys | None = None,
        replacing: Sequence[tuple[Publication, int]] = (),
    ) -> Publication:
        """SHIP and SLAP tokens, in a transaction of their own."""
        keys = keys or self.keys()
        money = await self.coin(keys)
        spends = [money.coin, *(former.tokens[index] for former, index in replacing)]
        outputs = [
            TxOutput(Satoshis(1), lock_ad(token, keys.sign(token.key, preimage_of_ad(token)), plain_http=True))
            for token in tokens
        ]
        proofs = [money.beef, *(former.beef for former, _ in replacing)]
        return self.signed(keys, spends, outputs, proofs, token_keys=[token.key for token in tokens])

    async def submit(self, publication: Publication, *topics: str) -> Admittance:
        """Hand it to the host; what became of the (first) topic."""
        submission = publication.submission(*topics)
        return (await self.host.submit(submission))[submission.topics[0]]

    async def send(self, publication: Publication) -> None:
        """Hand it to ARC."""
        await self.arc.submit(publication.beef, publication.transaction.txid)

    async def found(self, **query: Json) -> tuple[FoundOutput, ...]:
        """All pages of a catalog look-up, at a time when the host looks after its proofs as well."""
        self.clock.now += 2
        return await self.host.lookup(CATALOG, query)

    async def names(self, **query: Json) -> list[str]:
        """The names of the records found."""
        parsed = [
            record.parse(each.transaction.outputs[each.outpoint.vout].locking) for each in await self.found(**query)
        ]
        return [token.id.name for token in parsed if token]

    async def proven(self, publication: Publication) -> Beef:
        """The transaction as the embedded chain proves it."""
        return await self.ledger.beef(publication.transaction.txid)


def dataset(keys: Keys, name: str, **public: Json) -> bytes:
    """A dataset's document."""
    return RecordDocument(keys.identity, RecordId(Kind.DATASET, name), public).to_bytes()


def root(keys: Keys, sealed: bytes, *, name: str = "acme", generation: int = 1, **public: Json) -> bytes:
    """A producer's document."""
    return RootDocument(
        producer=keys.identity,
        name=name,
        public=public,
        network_id=Digest("11" * 32),
        generation=generation,
        keys=RootKeys(keys.identity, keys.identity, None),
        state_root=state_root([]),
        leaf_count=0,
        ads=(),
        sealed=SealedRef(sha256_hex(sealed), len(sealed), None),
        source=Source(None, None, False),
        pending=None,
    ).to_bytes()


def record_id(document: bytes) -> RecordId:
    """Of which record a document is."""
    import json

    value = json.loads(document)
    return RecordId(Kind(value["kind"]), value["name"])


def _entries(proofs: Sequence[Beef]) -> list[BeefTx]:
    """The parents without their proofs, so that a child may stand among them."""
    return [replace(entry, bump=None) for beef in proofs for entry in beef.transactions.values()]


@pytest.fixture
async def world(tmp_path, database, request) -> AsyncIterator[World]:
    world = World(tmp_path, database, request.node.name)
    async with world.ledger, world.http:
        yield world


@pytest.fixture
def make_dataset():
    return dataset


@pytest.fixture
def make_root():
    return root
