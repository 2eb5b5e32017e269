"""What a lying host puts beside its answers is not believed: nobody verified it, so nobody keeps it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from reconciler.chain.index import AddressIndex
from reconciler.cli.wiring import clock, keys_of
from reconciler.control.rebuild import keep_ads
from reconciler.control.restore import restore
from reconciler.control.world import World
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Network, Outpoint
from reconciler.observe.ads import read_ads
from reconciler.store.coins import Coins, StoredCoin
from reconciler.store.transactions import StoredTransaction, Transactions
from reconciler.wire.answer import parse_aggregated
from reconciler.wire.beef import Beef, BeefTx, parse_beef
from reconciler.wire.http import Http, Reply
from reconciler.wire.merkle import Leaf, MerklePath
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "http://localhost:3999"}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec:
  source: {glob: "data/*.csv"}
  title: "Table {stem}"
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: prices}
spec:
  serviceType: data-feed
  capability: price-feeds
  pricing: {model: per-minute, satoshis: 20}
"""


@dataclass
class Known:
    """What a liar can know of a producer: the transactions are public, and so is what spends what."""

    coins: tuple[StoredCoin, ...]
    transactions: tuple[StoredTransaction, ...]


Lie = Callable[[Known, Beef], Beef]


def with_more(beef: Beef, transaction: Transaction, path: MerklePath | None) -> Beef:
    """A BEEF with one more transaction, proven as it is said to be."""
    entries = [entry for txid, entry in beef.transactions.items() if txid != transaction.txid]
    bumps = beef.bumps if path is None else (*beef.bumps, path)
    return Beef.of(bumps, [*entries, BeefTx(transaction, None if path is None else len(beef.bumps))], beef.known)


def forged(transaction: Transaction, height: int = 1) -> MerklePath:
    """A proof by a block that holds nothing but this, and is not the chain's."""
    return MerklePath(height, ((Leaf(0, bytes.fromhex(transaction.txid)[::-1], txid=True),),))


def spending(outpoints: Sequence[Outpoint]) -> Transaction:
    """Spends what it wants: nobody has signed it."""
    return Transaction(tuple(map(TxInput, outpoints)), (TxOutput(Satoshis(1), b"\x51"),))


FOREIGN = spending([Outpoint("ab" * 32, 0)])


def a_foreign_transaction_with_a_made_up_proof(known: Known, beef: Beef) -> Beef:
    return with_more(beef, FOREIGN, forged(FOREIGN))


def a_foreign_transaction_in_a_block_that_nobody_knows(known: Known, beef: Beef) -> Beef:
    return with_more(beef, FOREIGN, forged(FOREIGN, 4_000_000))


def a_transaction_that_spends_our_coins_and_tokens(known: Known, beef: Beef) -> Beef:
    return with_more(beef, spending([coin.outpoint for coin in known.coins]), None)


def the_same_with_a_made_up_proof(known: Known, beef: Beef) -> Beef:
    thief = spending([coin.outpoint for coin in known.coins])
    return with_more(beef, thief, forged(thief))


def other_proofs_of_transactions_that_we_know(known: Known, beef: Beef) -> Beef:
    for each in known.transactions:
        if each.transaction.txid not in beef.transactions:
            beef = with_more(beef, each.transaction, forged(each.transaction))
    return beef


LIES: list[Lie] = [
    a_foreign_transaction_with_a_made_up_proof,
    a_foreign_transaction_in_a_block_that_nobody_knows,
    a_transaction_that_spends_our_coins_and_tokens,
    the_same_with_a_made_up_proof,
    other_proofs_of_transactions_that_we_know,
]


def poisoned(known: Known) -> Callable[[str, str, Reply], Reply]:
    """Every look-up of every host that is not ours, with all lies in its BEEF."""

    def after(method: str, url: str, reply: Reply) -> Reply:
        if not url.endswith("/lookup") or "own" in url or not reply.ok:
            return reply
        answer = parse_aggregated(reply.body)
        beef, _ = parse_beef(answer.beef)
        for lie in LIES:
            beef = lie(known, beef)
        return replace(reply, body=replace(answer, beef=beef.to_bytes()).to_bytes())

    return after


async def known_of(producer: Any) -> Known:
    async with producer.site() as site, site.database.reading() as connection:
        coins = await Coins(connection).all()
        found = await Transactions(connection).find({coin.outpoint.txid for coin in coins})
        return Known(tuple(coin for coin in coins if coin.spent_by is None), tuple(found.values()))


async def restored_by(producer: Any, http: Callable[[Http], Http]) -> Any:
    """`state rebuild`, in a world of which somebody lies."""
    async with producer.site() as site:
        return await restore(
            world=World.at(
                site.network, site.endpoints, http=http(site.http), strangers=site.http, own="http://own.embedded"
            ),
            database=site.database,
            keys=keys_of(producer.invocation, Network.EMBEDDED, create=False),
            index=AddressIndex(site.http, site.endpoints.headers),
            clock=clock,
            randomness=secrets.token_bytes,
        )


async def check_unharmed(producer: Any, before: Known, total: int) -> None:
    """Every proof leads to the chain, every coin is there, and nothing is to be done."""
    async with producer.site() as site:
        async with site.database.reading() as connection:
            every = await Transactions(connection).find(
                {FOREIGN.txid, *(each.transaction.txid for each in before.transactions)}
            )
            live = {coin.outpoint for coin in await Coins(connection).live()}
        headers = site.world().headers
        assert FOREIGN.txid not in every
        for txid, each in every.items():
            assert each.proof is None or await headers.proven(each.proof, txid)
    assert live == {coin.outpoint for coin in before.coins}
    audited = await producer.audit()
    assert (audited.differences, audited.balance.total) == ((), total)
    assert (await producer.plan()).plan.is_empty


@pytest.fixture
async def twice(producer: Any) -> Any:
    """A producer in its second generation, with an advertisement."""
    for title in ("First", "Second"):
        producer.write(MANIFEST, title=title)
        await producer.apply()
    async with producer.site() as site:
        await site.toy.ledger.mine()
    await producer.audit()
    return producer


async def test_a_rebuild_believes_nothing_that_lies_beside_the_answer(twice, door):
    before, total = await known_of(twice), (await twice.audit()).balance.total
    twice.lose_database()

    await restored_by(twice, lambda http: door(http, after=poisoned(before)))

    await check_unharmed(twice, before, total)
    twice.write(MANIFEST, title="Third")
    assert (await twice.apply()).applied.generation == 3
    assert (await twice.audit()).balanced


async def test_what_is_recorded_stays_as_it_is_whatever_lies_beside_an_answer(twice, door):
    before, total = await known_of(twice), (await twice.audit()).balance.total
    async with twice.site() as site:
        keys = keys_of(twice.invocation, Network.EMBEDDED, create=False)
        lying = door(site.http, after=poisoned(before))
        world = World.at(site.network, site.endpoints, http=lying, strangers=lying, own="http://own.embedded")
        found = await read_ads(
            keys.identity, hosts=world.outside, verifier=world.headers, now=int(clock()), plain_http=True
        )
        assert found.ads
        await keep_ads(found.ads, site.database, keys)
    await check_unharmed(twice, before, total)

    await restored_by(twice, lambda http: door(http, after=poisoned(before)))

    await check_unharmed(twice, before, total)
