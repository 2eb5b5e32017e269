from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from reconciler.model.errors import LockedError, StateError
from reconciler.model.journal import JournalEvent, JournalState
from reconciler.model.keys import FUNDING_KEY, KeyRef, change_key, record_key
from reconciler.model.observed import CoinStatus
from reconciler.store.coins import Balance, Coins, CoinState, Purpose
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.store.leases import APPLY, Leases, Owner
from reconciler.store.transactions import Transactions
from reconciler.wire.merkle import path_of


@pytest.fixture
def fund(make_transaction, coins_of):
    """Put a transaction with these amounts and its outputs as free money; returns their outpoints."""

    async def put(connection, *amounts, label="funding", height=None):
        transaction = make_transaction(label, pays=amounts)
        path = None if height is None else path_of([transaction.txid], [0], height)
        await Transactions(connection).put(transaction, path)
        await Coins(connection).add(coins_of(transaction))
        return tuple(map(transaction.outpoint, range(len(amounts))))

    return put


@pytest.fixture
def prepare(journalled, make_transaction, coins_of):
    """Journal an entry with one transaction that spends these coins and makes new ones, as apply does."""

    async def write(connection, entry, spends, *pays):
        transaction = make_transaction(entry, spends=spends, pays=pays)
        await Coins(connection).lock(spends, entry)
        await Coins(connection).add(coins_of(transaction), entry=entry)
        await journalled(connection, entry, transaction)
        return transaction

    return write


def balance(confirmed=0, pending=0, locked=0):
    return Balance(total=confirmed + pending + locked, confirmed=confirmed, pending=pending, locked=locked)


async def states(connection, outpoints):
    coins = await Coins(connection).get(outpoints)
    return [coins[outpoint].state if outpoint in coins else None for outpoint in outpoints]


async def test_a_coin_comes_back_as_it_was_added(database, make_transaction, coins_of, identity):
    transaction = make_transaction(pays=(1, 2, 3))
    money, token, strange = coins_of(transaction)
    token = replace(token, purpose=Purpose.TOKEN, key=record_key("dataset", "btc"))
    strange = replace(strange, key=KeyRef("some protocol", "1", identity))
    async with database.begin() as connection:
        await Transactions(connection).put(transaction)
        await Coins(connection).add([money, token, strange])
    async with database.begin() as connection:
        found = await Coins(connection).get([coin.outpoint for coin in (money, token, strange)])
    assert list(found.values()) == [money, token, strange]


async def test_adding_a_coin_again_leaves_it_as_it_stands(database, fund, prepare, make_transaction, coins_of):
    async with database.begin() as connection:
        coins = await fund(connection, 5)
        await prepare(connection, "entry", coins)
        await fund(connection, 5)
        assert await states(connection, coins) == [CoinState.LOCKED]


async def test_a_coin_whose_transaction_is_not_stored_is_not_committed(database, make_transaction, coins_of):
    with pytest.raises(IntegrityError):
        async with database.begin() as connection:
            await Coins(connection).add(coins_of(make_transaction()))


async def test_coins_are_taken_confirmed_first_then_larger_then_by_outpoint(database, fund):
    async with database.begin() as connection:
        pending = await fund(connection, 900, 50, label="pending")
        proven = await fund(connection, 10, 700, 10, label="proven", height=7)
        spendable = await Coins(connection).spendable()
    assert [coin.outpoint for coin in spendable] == [proven[1], proven[0], proven[2], *pending]
    assert [coin.status for coin in spendable] == [CoinStatus.CONFIRMED] * 3 + [CoinStatus.PENDING] * 2
    assert spendable[0].key == FUNDING_KEY


async def test_tokens_are_neither_picked_to_pay_nor_counted_but_live(database, make_transaction, coins_of):
    transaction = make_transaction(pays=(1,))
    token = replace(coins_of(transaction)[0], purpose=Purpose.TOKEN)
    async with database.begin() as connection:
        await Transactions(connection).put(transaction)
        await Coins(connection).add([token])
        assert await Coins(connection).spendable() == ()
        assert await Coins(connection).balance() == balance()
        assert await Coins(connection).live() == (token,)


async def test_the_balance_counts_locked_money_and_not_what_is_only_expected(database, fund, prepare):
    async with database.begin() as connection:
        proven = await fund(connection, 1000, 200, label="proven", height=7)
        await fund(connection, 30, label="pending")
        assert await Coins(connection).balance() == balance(confirmed=1200, pending=30)
        made = await prepare(connection, "entry", proven[:1], 990)
        assert await Coins(connection).balance() == balance(confirmed=200, pending=30, locked=1000)
        assert made.outpoint(0) not in {coin.outpoint for coin in await Coins(connection).spendable()}
        assert made.outpoint(0) not in {coin.outpoint for coin in await Coins(connection).live()}
        await Coins(connection).settle("entry")
        assert await Coins(connection).balance() == balance(confirmed=200, pending=1020)


async def test_locking_is_all_or_nothing(database, fund, journalled):
    async with database.begin() as connection:
        first, second = await fund(connection, 1, 2)
        await journalled(connection, "one")
        await journalled(connection, "two")
        await Coins(connection).lock([first], "one")
    with pytest.raises(LockedError, match="is locked") as refused:
        async with database.begin() as connection:
            await Coins(connection).lock([second, first], "two")
    assert refused.value.where == str(first)
    async with database.begin() as connection:
        assert await states(connection, [first, second]) == [CoinState.LOCKED, CoinState.FREE]


async def test_a_root_locks_what_two_thousand_entries_will_make(database, fund, prepare, journalled, make_transaction):
    entries = ["batch", *(f"another {number}" for number in range(2_000))]
    async with database.begin() as connection:
        coins = await fund(connection, 5)
        made = await prepare(connection, "batch", coins, 3)
        with pytest.raises(LockedError, match="is expected"):
            await Coins(connection).lock([made.outpoint(0)], "root", expected_of=entries[1:])
        await Coins(connection).lock([made.outpoint(0)], "root", expected_of=entries)
        await journalled(connection, "root", make_transaction("root", spends=[made.outpoint(0)], pays=(1,)))
        assert await states(connection, [made.outpoint(0)]) == [CoinState.LOCKED]


async def test_an_unknown_an_expected_and_a_twice_locked_coin_cannot_be_locked(
    database, fund, prepare, make_transaction
):
    async with database.begin() as connection:
        coins = await fund(connection, 100)
        made = await prepare(connection, "one", coins, 90)
        with pytest.raises(LockedError, match="is expected"):
            await Coins(connection).lock([made.outpoint(0)], "two")
        with pytest.raises(LockedError, match="not in the wallet"):
            await Coins(connection).lock([make_transaction("unknown").outpoint(0)], "two")
        with pytest.raises(LockedError, match="locked already"):
            await Coins(connection).lock(coins, "one")


async def test_an_outdated_lease_locks_nothing(database, fund, journalled):
    me = Owner("me", "here", 1, "boot")
    async with database.begin() as connection:
        coins = await fund(connection, 1)
        await journalled(connection, "entry")
        old = await Leases(connection).acquire(APPLY, me, now=0, ttl=15)
        new = await Leases(connection).take_over(APPLY, me, now=0, ttl=15)
        with pytest.raises(LockedError):
            await Coins(connection).lock(coins, "entry", token=old.token)
        assert await states(connection, coins) == [CoinState.FREE]
        await Coins(connection).lock(coins, "entry", token=new.token)


async def test_of_two_that_lock_the_same_coin_at_once_one_wins(database_url, fund, journalled):
    databases = [Database.open(database_url) for _ in range(2)]
    async with databases[0].begin() as connection:
        coins = await fund(connection, 1, 2)
        for entry in ("0", "1"):
            await journalled(connection, entry)

    async def lock(number):
        async with databases[number].begin() as connection:
            await Coins(connection).lock(coins, str(number))

    results = await asyncio.gather(lock(0), lock(1), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["LockedError", "NoneType"]
    winner = str(results.index(None))
    async with databases[0].begin() as connection:
        assert {coin.entry for coin in await Coins(connection).live()} == {winner}
    for database in databases:
        await database.close()


async def test_an_entry_that_was_given_up_gives_its_inputs_back_and_what_it_would_make_is_no_money(
    database, fund, prepare
):
    async with database.begin() as connection:
        coins = await fund(connection, 100, 200)
        made = await prepare(connection, "entry", coins, 250, 40)
        await Coins(connection).free("entry")
        made_ones = [*map(made.outpoint, range(2))]
        assert await states(connection, [*coins, *made_ones]) == [CoinState.FREE] * 2 + [CoinState.EXPECTED] * 2
        assert await Coins(connection).balance() == balance(pending=300)
        await Coins(connection).lock(coins, "entry")


async def test_settling_spends_what_was_locked_and_frees_what_was_made_any_number_of_times(database, fund, prepare):
    async with database.begin() as connection:
        coins = await fund(connection, 100)
        made = await prepare(connection, "entry", coins, 90)
        for _ in range(2):
            await Coins(connection).settle("entry")
            assert await states(connection, [*coins, made.outpoint(0)]) == [CoinState.SPENT, CoinState.FREE]
        spent = (await Coins(connection).get(coins))[coins[0]]
        assert (spent.spent_by, spent.entry) == (made.txid, "entry")


async def test_settling_an_earlier_entry_again_leaves_later_locks_alone(database, fund, prepare):
    async with database.begin() as connection:
        coins = await fund(connection, 100)
        first = await prepare(connection, "first", coins, 90)
        await Coins(connection).settle("first")
        await prepare(connection, "second", (first.outpoint(0),), 80)
        await Coins(connection).settle("first")
        assert await states(connection, [first.outpoint(0)]) == [CoinState.LOCKED]


async def test_an_entry_of_several_transactions_spends_what_it_makes_itself(
    database, fund, journalled, make_transaction, coins_of
):
    async with database.begin() as connection:
        coins = await fund(connection, 100)
        splitter = make_transaction("splitter", spends=coins, pays=(60, 30))
        root = make_transaction("root", spends=(splitter.outpoint(0),), pays=(50,))
        await Coins(connection).lock(coins, "entry")
        await Coins(connection).add([*coins_of(splitter), *coins_of(root)], entry="entry")
        await journalled(connection, "entry", splitter, root)
        await Coins(connection).settle("entry")
        assert await Coins(connection).balance() == balance(pending=80)
        await Coins(connection).free("entry")
        assert await Coins(connection).balance() == balance(pending=100)


@pytest.mark.parametrize("winner_first", [True, False])
async def test_a_coin_that_the_winner_of_a_conflict_spent_stays_spent(
    database, fund, prepare, make_transaction, winner_first
):
    async with database.begin() as connection:
        taken, ours = await fund(connection, 100, 200)
        made = await prepare(connection, "entry", (taken, ours), 290)
        winner = make_transaction("winner", spends=(taken,))
        steps = [
            lambda: Coins(connection).spend([taken], winner.txid),
            lambda: Coins(connection).free("entry"),
        ]
        for step in steps if winner_first else reversed(steps):
            await step()
        left = [CoinState.SPENT, CoinState.FREE, CoinState.EXPECTED]
        assert await states(connection, [taken, ours, made.outpoint(0)]) == left
        assert (await Coins(connection).get([taken]))[taken].spent_by == winner.txid


async def test_an_entry_that_was_seen_and_then_lost_gives_back_what_it_had_spent(database, fund, prepare):
    async with database.begin() as connection:
        coins = await fund(connection, 100)
        await prepare(connection, "entry", coins, 90)
        await Coins(connection).settle("entry")
        await Coins(connection).free("entry")
        assert await Coins(connection).balance() == balance(pending=100)


async def test_a_coin_is_spent_by_one_transaction_only(database, fund, make_transaction):
    async with database.begin() as connection:
        coins = await fund(connection, 100)
        one, other = make_transaction("one", spends=coins), make_transaction("other", spends=coins)
        await Coins(connection).spend(coins, one.txid)
        await Coins(connection).spend(coins, one.txid)
        with pytest.raises(StateError):
            await Coins(connection).spend(coins, other.txid)
        with pytest.raises(StateError):
            await Coins(connection).spend([one.outpoint(0)], other.txid)


async def test_a_rebuild_replaces_free_coins_but_not_locked_ones_nor_those_it_cannot_see(
    database, fund, journalled, make_transaction, coins_of
):
    change = change_key("anchor", 0)
    old, new = (make_transaction(label, pays=(10, 20)) for label in ("old", "new"))
    async with database.begin() as connection:
        funding = await fund(connection, 5)
        for transaction in (old, new):
            await Transactions(connection).put(transaction)
        await Coins(connection).add([replace(coin, key=change) for coin in coins_of(old)])
        await journalled(connection, "entry")
        await Coins(connection).lock([old.outpoint(0)], "entry")
        await Coins(connection).replace([replace(coin, key=change) for coin in coins_of(new)])
        live = {coin.outpoint: coin.state for coin in await Coins(connection).live()}
    assert live == {
        funding[0]: CoinState.FREE,
        old.outpoint(0): CoinState.LOCKED,
        new.outpoint(0): CoinState.FREE,
        new.outpoint(1): CoinState.FREE,
    }


async def test_what_a_rebuild_finds_is_ours_even_if_the_entry_that_made_it_was_given_up(
    database, fund, make_entry, make_transaction, coins_of
):
    async with database.begin() as connection:
        coins = await fund(connection, 100)
        made = make_transaction("made", spends=coins, pays=(90,))
        await Transactions(connection).put(made)
        await Journal(connection).create(replace(make_entry("entry", made), state=JournalState.SENDING))
        await Coins(connection).add(coins_of(made), entry="entry")
        await Coins(connection).lock(coins, "entry")
        await Coins(connection).replace(coins_of(made))
        assert await states(connection, [made.outpoint(0)]) == [CoinState.EXPECTED], "the entry will say"
        await Journal(connection).move("entry", JournalEvent.REFUSE, now=1, token=None)
        await Coins(connection).free("entry")
        await Coins(connection).replace(coins_of(made))
        found = (await Coins(connection).get([made.outpoint(0)]))[made.outpoint(0)]
        assert (found.state, found.created_by) == (CoinState.FREE, None)


async def test_what_follows_an_entry_and_is_let_go_takes_its_coins_along(
    database, fund, journalled, make_transaction, coins_of
):
    async with database.begin() as connection:
        (money,) = await fund(connection, 100)
        (purse,) = await fund(connection, 50, label="purse")
        root = make_transaction("root", spends=(money,), pays=(90,))
        ads = make_transaction("ads", spends=(purse,), pays=(40,))
        entry = await journalled(connection, root.txid, root, ads)
        await Coins(connection).lock([money, purse], entry.id)
        await Coins(connection).add([*coins_of(root), *coins_of(ads)], entry=entry.id)
        for event in (JournalEvent.SEND, JournalEvent.SEE):
            await Journal(connection).move(entry.id, event, now=1, token=None)
        await Coins(connection).settle(entry.id)
        await Journal(connection).release(entry, ads.txid)
        await Coins(connection).release(ads, entry.id)
        await Coins(connection).free(entry.id)
        kept = await Coins(connection).get([money, purse, ads.outpoint(0)])
        assert (kept[money].state, kept[money].entry) == (CoinState.FREE, None)
        assert (kept[purse].state, kept[purse].entry) == (CoinState.LOCKED, ads.txid)
        assert (kept[ads.outpoint(0)].state, kept[ads.outpoint(0)].created_by) == (CoinState.EXPECTED, ads.txid)
        await Coins(connection).settle(ads.txid)
        assert await states(connection, [purse, ads.outpoint(0)]) == [CoinState.SPENT, CoinState.FREE]


async def test_thousands_of_coins_are_locked_and_freed_at_once(database, fund, journalled):
    async with database.begin() as connection:
        coins = await fund(connection, *range(1, 2501))
        await journalled(connection, "entry")
        await Coins(connection).lock(coins, "entry")
        assert (await Coins(connection).balance()).locked == sum(range(1, 2501))
        await Coins(connection).free("entry")
        assert len(await Coins(connection).spendable()) == 2500
