from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.ids import Kind, Outpoint, RecordId, Txid
from reconciler.model.observed import CoinStatus
from reconciler.plan import sizes
from reconciler.wire.record import locking_size
from reconciler.wire.transaction import Transaction, TxInput, TxOutput


def test_known_sizes_are_those_of_the_protocol():
    assert (sizes.P2PKH_INPUT, sizes.PUSHDROP_INPUT, sizes.P2PKH_OUTPUT, sizes.anchor(0)) == (148, 114, 34, 78)


@pytest.mark.parametrize("length", [1, 14, 15, 75, 76, 253])
def test_a_record_token_is_as_large_as_the_wire_makes_it(length):
    name = RecordId(Kind.DATASET, "a" * length)
    for parents in (0, 1, 2, 5, 6, 7, 23, 24, 255, 256, 300):
        assert sizes.record_script(name, parents) == locking_size(name, parents)


@given(st.integers(0, 300), st.integers(0, 300), st.lists(st.integers(1, 253), max_size=30))
def test_the_size_is_exactly_that_of_a_transaction_with_the_longest_scripts(coins, tokens, name_lengths):
    records = [RecordId(Kind.DATASET, "a" * length) for length in name_lengths]
    scripts = [bytes(107)] * coins + [bytes(73)] * tokens
    inputs = tuple(TxInput(_outpoint(index), script) for index, script in enumerate(scripts))
    outputs = (*(TxOutput(1, bytes(sizes.record_script(record))) for record in records), TxOutput(1, bytes(25)))
    size = sizes.transaction(
        p2pkh_inputs=coins,
        pushdrop_inputs=tokens,
        outputs=len(outputs),
        outputs_size=sum(map(sizes.record_output, records)) + sizes.P2PKH_OUTPUT,
    )
    assert size == len(Transaction(inputs, outputs).raw)


def _outpoint(index):
    return Outpoint(Txid("ab" * 32), index)


def test_inputs_are_root_then_sorted_tokens_then_coins_and_outputs_root_then_sorted_tokens(world):
    old = world.desired(*(world.dataset(name) for name in ("b", "a", "d")))
    new = world.desired(world.dataset("d", title="New"), world.dataset("a", title="New"), world.dataset("c"))
    coins = (world.coin(500, "second"), world.coin(900, "first", CoinStatus.PENDING))
    plan = world.plan(new, world.published(old, coins=coins))
    assert plan.spends == (
        world.outpoint("producer/acme", 1),
        world.outpoint("dataset/a", 1),
        world.outpoint("dataset/b", 1),
        world.outpoint("dataset/d", 1),
        world.outpoint("second"),
        world.outpoint("first"),
    )
    assert [str(record) for record in plan.outputs] == ["producer/acme", "dataset/a", "dataset/c", "dataset/d"]
    assert plan.root == plan.spends[0]
    assert plan.cost.locked_satoshis == 0


def test_at_genesis_the_first_coin_is_the_anchor(world):
    plan = world.plan(world.desired(world.dataset("a")), world.empty(coins=(world.coin(700, "x"), world.coin(9, "y"))))
    assert world.outpoint("x") == plan.spends[0]
    assert (plan.root, plan.previous_generation, plan.generation) == (None, None, 1)
    assert plan.cost.locked_satoshis == 2


def test_inputs_pay_for_tokens_fee_and_change_to_the_satoshi(world):
    plan = world.plan(world.desired(world.dataset("a")), world.empty())
    assert plan.cost.fee_satoshis == plan.fee_rate.fee(plan.cost.bytes)
    assert plan.transactions[0].change + plan.cost.fee_satoshis + len(plan.outputs) == 100_000


def test_deletes_release_their_satoshis_into_the_change(world):
    old = world.desired(*(world.dataset(name) for name in ("a", "b", "c")))
    plan = world.plan(world.desired(world.dataset("a")), world.published(old))
    assert plan.cost.locked_satoshis == -2
    assert plan.transactions[0].change == 100_000 + 2 - plan.cost.fee_satoshis


def test_locked_coins_are_left_alone_and_at_most_a_hundred_are_spent(world):
    coins = [world.coin(1000, f"coin {number}") for number in range(120)]
    locked = world.coin(10**9, "locked", CoinStatus.LOCKED)
    plan = world.plan(world.desired(world.dataset("a")), world.empty(coins=(locked, *coins)))
    assert plan.spends == tuple(sorted(coin.outpoint for coin in coins[:100]))


def test_only_copies_changing_needs_no_transaction_and_no_generation(world):
    record = world.dataset("a")
    state = world.desired(record)
    plan = world.plan(state, world.published(state, replicas=world.copies(record, "storage-eu"), coins=()))
    assert [str(change.object) for change in plan.changes] == ["replica/a@storage-us"]
    assert (plan.cost.transactions, plan.cost.fee_satoshis, plan.spends, plan.outputs) == (0, 0, (), ())
    assert plan.generation == plan.previous_generation == 3
    assert plan.refused == ()


@pytest.mark.parametrize("have", [(), (40,), (40, 30)])
def test_one_more_coin_of_the_missing_amount_is_exactly_enough(world, have):
    state = world.desired(world.dataset("a"))
    coins = tuple(world.coin(amount, f"coin {amount}") for amount in have)
    poor = world.plan(state, world.empty(coins=coins))
    (guard,) = poor.refused
    missing = int(guard.detail.split()[1])
    exact = world.plan(state, world.empty(coins=(*coins, world.coin(missing, "gift"))))
    assert (exact.refused, exact.transactions[0].change) == ((), 1)
    assert exact.cost == poor.cost
    short = world.plan(state, world.empty(coins=(*coins, world.coin(missing - 1, "gift"))))
    assert [guard.name for guard in short.refused] == ["coins"]


def test_a_changed_producer_spends_and_makes_only_the_root(world):
    state = world.desired(world.dataset("a"))
    edited = replace(state.producer, public={"displayName": "Acme"})
    plan = world.plan(replace(state, producer=edited), world.published(state))
    assert [str(record) for record in plan.outputs] == ["producer/acme"]
    assert len(plan.spends) == 2
    assert plan.producer_public == {"displayName": "Acme"}
