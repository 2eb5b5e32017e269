from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.desired import Rotation
from reconciler.model.ids import AdProtocol, Outpoint, RecordId, Txid
from reconciler.model.observed import CoinStatus, StorageGood, StorageQuote
from reconciler.plan import sizes
from reconciler.plan.layout import RESERVE
from reconciler.plan.transactions import Made, OutputRole, TxRole, parse_spend
from reconciler.wire.advertisement import AdToken, locking_size
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

MONEY_SCRIPT = bytes(107)
TOKEN_SCRIPT = bytes(73)


def roles(plan):
    return [str(transaction.role) for transaction in plan.transactions]


def texts(values):
    return [str(value) for value in values]


@pytest.mark.parametrize("url", ["http://acme.embedded", "https://" + "a" * 80 + ".example", "https://" + "a" * 300])
def test_an_ad_token_is_as_large_as_the_wire_makes_it(world, url):
    for protocol, name in ((AdProtocol.SHIP, "tm_data_a"), (AdProtocol.SLAP, "ls_data_" + "a" * 42)):
        token = AdToken(protocol=protocol, identity=world.key("identity"), url=url, name=name)
        assert sizes.ad_script(protocol, name, url) == locking_size(token)


def test_genesis_with_ads_splits_the_coins(world):
    state = world.desired(world.dataset("a"), ads=world.ads("crypto"))
    plan = world.plan(state, world.empty(coins=(world.coin(50_000, "x"), world.coin(9, "y"))))
    splitter, root, ads = plan.transactions
    assert roles(plan) == ["splitter", "root", "ads"]
    assert set(splitter.spends) == set(plan.spends) == {world.outpoint("x"), world.outpoint("y")}
    assert [output.role for output in splitter.outputs] == [OutputRole.COIN, OutputRole.PURSE]
    assert root.spends == (Made(TxRole.SPLITTER, 0),)
    assert texts(plan.outputs) == ["producer/acme", "dataset/a"]
    assert ads.spends == (Made(TxRole.SPLITTER, 1),)
    assert texts(output.object for output in ads.outputs) == ["ship/tm_data_crypto", "slap/ls_data_crypto", "None"]
    assert plan.cost.transactions == 3
    assert splitter.outputs[1].satoshis == ads.fee + 2 + 1 + RESERVE * ads.fee


def test_a_filled_purse_needs_no_splitter_and_no_change_of_records_needs_no_ads_transaction(world):
    state = world.desired(world.dataset("a"), ads=world.ads("crypto"))
    snapshot = world.published(state, coins=(world.coin(5000), world.purse(700)))
    more = replace(state, ads=world.ads("crypto", "weather"))
    plan = world.plan(more, snapshot)
    root, ads = plan.transactions
    assert roles(plan) == ["root", "ads"]
    assert root.spends == (plan.root, world.outpoint("coin"))
    assert texts(plan.outputs) == ["producer/acme"]
    assert ads.spends == (world.outpoint("purse"),)
    assert texts(output.object for output in ads.outputs[:-1]) == ["ship/tm_data_weather", "slap/ls_data_weather"]
    assert ads.outputs[-1].role is OutputRole.PURSE
    edited = world.desired(world.dataset("a", title="New"), ads=world.ads("crypto"))
    assert roles(world.plan(edited, snapshot)) == ["root"]
    assert world.outpoint("purse") not in world.plan(edited, snapshot).spends


def test_a_purse_that_is_short_is_spent_beside_a_new_one(world):
    state = world.desired(world.dataset("a"), ads=world.ads("crypto"))
    snapshot = world.published(state, coins=(world.coin(50_000), world.purse(3), world.purse(2, "older")))
    plan = world.plan(replace(state, ads=()), snapshot)
    assert roles(plan) == ["splitter", "root", "ads"]
    purses = sorted([world.outpoint("purse"), world.outpoint("older")])
    tokens = [world.outpoint("SHIP tm_data_crypto"), world.outpoint("SLAP ls_data_crypto")]
    assert plan.transactions[2].spends == (*purses, Made(TxRole.SPLITTER, 1), *tokens)
    assert [output.role for output in plan.transactions[2].outputs] == [OutputRole.PAYOUT]  # no token shows a purse


def test_where_money_is_short_the_purse_gets_no_reserve_at_the_cost_of_the_change(world):
    state = world.desired(world.dataset("a"), ads=world.ads("crypto"))
    needed = int(
        next(
            guard for guard in world.plan(state, world.empty(coins=())).guards if guard.name == "coins"
        ).detail.split()[1]
    )
    exact = world.plan(state, world.empty(coins=(world.coin(needed),)))
    assert exact.refused == ()
    assert [transaction.change for transaction in exact.transactions[1:]] == [1, 1]
    assert [guard.name for guard in world.plan(state, world.empty(coins=(world.coin(needed - 1),))).refused] == [
        "coins"
    ]


def test_a_setting_alone_is_one_root_and_no_token(world):
    old = world.desired(world.dataset("a"), settings=(world.setting("standard", http={"max": 1}),))
    new = replace(old, settings=(world.setting("standard", http={"max": 2}),))
    plan = world.plan(new, world.published(old))
    assert (roles(plan), texts(plan.outputs), plan.cost.locked_satoshis) == (["root"], ["producer/acme"], 0)
    assert plan.generation == 4


def test_a_moved_record_spends_the_old_token_and_counts_one_parent_more(world):
    old, new = world.dataset("btc"), world.dataset("bit", text="content of btc", renamed_from="btc")
    moved = world.plan(world.desired(new), world.published(world.desired(old)))
    assert world.outpoint("dataset/btc", 1) in moved.spends
    assert texts(moved.outputs) == ["producer/acme", "dataset/bit"]
    again = world.dataset("bit", title="New", text="content of btc")
    updated = world.plan(world.desired(again), world.published(world.desired(new)))
    grown = sizes.record_output(RecordId.parse("dataset/bit"), 1) - sizes.record_output(RecordId.parse("dataset/bit"))
    assert moved.cost.bytes - updated.cost.bytes == grown
    assert moved.changes[0].after["parents"] == [world.sha("document of dataset/btc")]
    assert moved.cost.locked_satoshis == 0


def test_destroying_pays_everything_to_the_funding_address_and_leaves_no_root(world):
    state = world.desired(world.dataset("a"), ads=world.ads("crypto"))
    plan = world.destroy(state, world.published(state, coins=(world.coin(5000), world.purse(700))))
    assert roles(plan) == ["root", "ads"]
    assert [[output.role for output in each.outputs] for each in plan.transactions] == [[OutputRole.PAYOUT]] * 2
    assert (plan.outputs, plan.ads, plan.settings) == ((), (), {})
    assert plan.generation == plan.previous_generation == 3
    assert plan.cost.locked_satoshis == -4


def test_destroying_without_ads_is_one_transaction_that_takes_the_purse_too(world):
    state = world.desired(world.dataset("a"))
    plan = world.destroy(state, world.published(state, coins=(world.coin(5000), world.purse(700))))
    assert roles(plan) == ["root"]
    assert plan.transactions[0].change == 5700 + 2 - plan.cost.fee_satoshis


def test_where_there_is_nothing_there_is_nothing_to_destroy(world):
    plan = world.destroy(world.desired(world.dataset("a")), world.empty())
    assert (plan.is_empty, plan.transactions, plan.generation) == (True, (), 0)


amounts = st.lists(st.integers(1, 3000), max_size=4)


@given(st.data())
def test_every_transaction_pays_exactly_the_fee_of_its_largest_size(world, data):
    """Whatever was live and is wanted, records and ads alike: built of the longest scripts, it is as large as was said."""

    def state():
        names = data.draw(st.sets(st.sampled_from("abcdef")))
        capabilities = data.draw(st.sets(st.sampled_from(["crypto", "weather", "sport"])))
        records = [world.dataset(name * 9, title=data.draw(st.sampled_from(["x", "y"]))) for name in names]
        return world.desired(*records, ads=world.ads(*capabilities))

    coins = [world.coin(amount, f"coin {index}") for index, amount in enumerate(data.draw(amounts))]
    coins += [world.purse(amount, f"purse {index}") for index, amount in enumerate(data.draw(amounts))]
    snapshot = world.empty() if data.draw(st.booleans()) else world.published(state())
    prices = {host.name: data.draw(st.integers(0, 3)) for host in world.hosts}
    quotes = {name: StorageQuote(satoshis=price, bytes=7, minimum=price) for name, price in prices.items()}
    snapshot = replace(snapshot, coins=tuple(coins), quotes=quotes)
    make = data.draw(st.sampled_from([world.plan, world.destroy]))
    strays = data.draw(st.sets(st.integers(1, 5))) if snapshot.root else ()
    snapshot = replace(snapshot, strays=tuple(sorted(world.outpoint(f"stray {number}") for number in strays)))
    plan = make(state(), snapshot, batch=data.draw(st.sampled_from([1, 2, 3, 100])))
    values = {coin.outpoint: coin.satoshis for coin in coins}
    made = {}
    for transaction in plan.transactions:
        _check_size(world, transaction, values)
        assert transaction.fee == plan.fee_rate.fee(transaction.size)
        if all(guard.name != "coins" for guard in plan.refused):
            spent = sum(made[each] if isinstance(each, Made) else values.get(each, 1) for each in transaction.spends)
            assert spent == transaction.fee + sum(output.satoshis for output in transaction.outputs)
        for vout, output in enumerate(transaction.outputs):
            assert output.satoshis >= 1
            made[Made(transaction.role, vout, transaction.index)] = output.satoshis
    assert plan.cost.fee_satoshis == sum(transaction.fee for transaction in plan.transactions)
    payments = [each for each in plan.transactions if each.role is TxRole.PAYMENT]
    assert [each.outputs[0].satoshis for each in payments] == [each.satoshis for each in plan.purchases]
    assert plan.cost.storage_satoshis == sum(each.satoshis for each in plan.purchases)
    assert len(set(plan.spends)) == len(plan.spends)


def _check_size(world, transaction, values):
    scripts = [MONEY_SCRIPT if _is_money(each, values) else TOKEN_SCRIPT for each in transaction.spends]
    outputs = [TxOutput(1, bytes(_script(world, output))) for output in transaction.outputs]
    inputs = [TxInput(Outpoint(Txid("ab" * 32), 0), script) for script in scripts]
    if transaction.role is TxRole.PAYMENT:  # what the host asks less is paid back
        outputs.append(TxOutput(1, bytes(25)))
    size = len(Transaction(tuple(inputs), tuple(outputs)).raw)
    one_more = size + sizes.P2PKH_INPUT
    assert transaction.size in {
        size,
        one_more,
    }  # the latter where money is missing: so much for the coin that brings it


def _is_money(spend, values):
    """Of what this apply makes, only a root is a token that is spent again."""
    if isinstance(spend, Made):
        return not (spend.role in {TxRole.LOCK, TxRole.ROOT} and spend.vout == 0)
    return spend in values


def _script(world, output):
    if output.object is None or output.role is OutputRole.PAYMENT:
        return 25
    if output.role is OutputRole.RECORD:
        return sizes.record_script(output.record)
    protocol = AdProtocol(str(output.object.type).upper())
    token = AdToken(protocol=protocol, identity=world.key("i"), url="http://acme.embedded", name=output.object.path)
    return locking_size(token)


QUOTES = {name: StorageQuote(satoshis=10, bytes=12) for name in ("storage-eu", "storage-us")}


def test_storage_is_paid_from_coins_of_the_splitter_before_anything_is_published(world):
    state = world.desired(world.dataset("a"), world.dataset("b", price=5))
    plan = world.plan(state, world.empty(coins=(world.coin(9000),), quotes=QUOTES))
    splitter, *payments, root = plan.transactions
    assert roles(plan) == ["splitter", *["payment"] * 4, "root"]
    assert [output.role for output in splitter.outputs] == [OutputRole.COIN, *[OutputRole.STORAGE] * 4]
    assert [payment.spends for payment in payments] == [(Made(TxRole.SPLITTER, 1 + number),) for number in range(4)]
    assert [str(payment.outputs[0].object) for payment in payments] == [
        "replica/a@storage-eu",
        "replica/b@storage-eu",
        "replica/a@storage-us",
        "replica/b@storage-us",
    ]
    assert [purchase.satoshis for purchase in plan.purchases] == [10, 24, 10, 24]  # what is sold has a tag of 16 bytes
    assert root.spends == (Made(TxRole.SPLITTER, 0),)
    assert plan.gross == plan.cost.fee_satoshis + 68 + 3
    assert plan.cost.transactions == 6


def test_a_plan_of_copies_alone_pays_too_and_keeps_the_rest_at_the_funding_address(world):
    state = world.desired(world.dataset("a"))
    plan = world.plan(state, world.published(state, replicas=(), coins=(world.coin(900),), quotes=QUOTES))
    assert roles(plan) == ["splitter", "payment", "payment"]
    assert [output.role for output in plan.transactions[0].outputs] == [OutputRole.PAYOUT, *[OutputRole.STORAGE] * 2]
    assert plan.generation == plan.previous_generation == 3


def test_what_datasets_share_is_paid_once_and_what_is_paid_already_not_again(world):
    same = [world.dataset(name, text="the same") for name in "ab"]
    snapshot = world.empty(quotes=QUOTES)
    plan = world.plan(world.desired(*same), snapshot)
    assert [(str(each.object), each.good.host) for each in plan.purchases] == [
        ("replica/a@storage-eu", "storage-eu"),
        ("replica/a@storage-us", "storage-us"),
    ]
    assert plan.cost.running == plan.cost.storage_satoshis == 14
    again = world.plan(world.desired(*same), replace(snapshot, paid=frozenset({plan.purchases[0].good})))
    assert again.purchases == plan.purchases[1:]
    sold = [world.dataset(name, text="the same", price=1) for name in "ab"]
    assert len(world.plan(world.desired(*sold), snapshot).purchases) == 4  # two names are two keys


def test_content_of_several_parts_is_paid_part_by_part(world):
    part = 64 << 20
    record = world.dataset("a", price=1)
    record = replace(record, content=replace(record.content, size=part + 5))
    plan = world.plan(world.desired(record), world.empty(quotes=QUOTES))
    assert [(each.good.part, each.size) for each in plan.purchases[:2]] == [(0, part + 64 * 16), (1, 5 + 16)]
    good = StorageGood(host="storage-eu", dataset="a", content=record.content.sha256, part=1)
    assert plan.purchases[1].good == good


def test_many_payments_are_paid_from_pouches(world):
    records = [world.dataset(name) for name in "abc"]
    plan = world.plan(world.desired(*records), world.empty(coins=(world.coin(9000),), quotes=QUOTES), batch=4)
    splitter, first, second, *payments, _ = plan.transactions
    assert roles(plan) == ["splitter", "pouch", "pouch", *["payment"] * 6, "root"]
    assert [output.role for output in splitter.outputs[1:]] == [OutputRole.POUCH] * 2
    assert (len(first.outputs), len(second.outputs)) == (4, 2)
    assert payments[5].spends == (Made(TxRole.POUCH, 1, 1),)


def test_a_rotation_pays_no_storage_since_a_key_that_goes_leaves_no_coin_behind(world):
    old, more = world.desired(world.dataset("a")), world.dataset("b")
    rotation = Rotation(key_file="next.key", key_env=None, transition=60)
    state = world.desired(world.dataset("a"), more, rotation=rotation)
    plan = world.plan(state, world.published(old, quotes=QUOTES), successor=world.key("next"))
    assert plan.purchases == ()


def test_locked_purses_are_left_alone(world):
    state = world.desired(world.dataset("a"), ads=world.ads("crypto"))
    locked = replace(world.purse(700), status=CoinStatus.LOCKED)
    plan = world.plan(replace(state, ads=()), world.published(state, coins=(world.coin(50_000), locked)))
    assert roles(plan) == ["splitter", "root", "ads"]
    assert world.outpoint("purse") not in plan.spends


def test_spends_have_a_text_form():
    outpoint = Outpoint(Txid("ab" * 32), 3)
    for spend in (outpoint, Made(TxRole.SPLITTER, 1), Made(TxRole.BATCH, 2, 13)):
        assert parse_spend(str(spend)) == spend
    for text in (
        "",
        "splitter",
        "splitter.",
        "splitter.-1",
        "gift.0",
        "splitter.\uff11",
        "batch.0",
        "batch-.0",
        "root-1.0",
    ):
        with pytest.raises(ValueError, match=r"not an? "):
            parse_spend(text)


def test_what_is_more_than_a_batch_is_locked_made_in_batches_and_committed_at_once(world):
    state = world.desired(*(world.dataset(name) for name in "abcdefg"))
    plan = world.plan(state, world.empty(coins=(world.coin(90_000),)), batch=3)
    assert [transaction.name for transaction in plan.transactions] == ["lock", "batch-0", "batch-1", "batch-2", "root"]
    lock, *batches, root = plan.transactions
    assert [output.role for output in lock.outputs] == ["record", "funding", "funding", "funding", "change"]
    assert [batch.spends for batch in batches] == [(Made(TxRole.LOCK, 1 + number),) for number in range(3)]
    assert [texts(batch.records) for batch in batches] == [
        ["dataset/a", "dataset/b", "dataset/c"],
        ["dataset/d", "dataset/e", "dataset/f"],
        ["dataset/g"],
    ]
    links = (Made(TxRole.BATCH, 3, 0), Made(TxRole.BATCH, 3, 1), Made(TxRole.BATCH, 1, 2))
    assert root.spends == (Made(TxRole.LOCK, 0), *links, Made(TxRole.LOCK, 4))
    assert texts(root.records) == ["producer/acme"]
    assert plan.cost.locked_satoshis == 8
    assert plan.swept == ()


def test_few_tokens_that_go_are_spent_by_the_root_and_many_are_swept_after_it(world):
    old = world.desired(*(world.dataset(name) for name in "abcdefg"))
    snapshot = world.published(old, coins=(world.coin(90_000),))
    few = world.plan(world.desired(*(world.dataset(name) for name in "cdefg")), snapshot, batch=3)
    assert roles(few) == ["root"]
    many = world.plan(world.desired(*(world.dataset(name) for name in "abc")), snapshot, batch=3)
    root, *sweeps = many.transactions
    assert [sweep.name for sweep in sweeps] == ["sweep-0", "sweep-1"]
    assert [sweep.spends[0] for sweep in sweeps] == [Made(TxRole.ROOT, 1), Made(TxRole.ROOT, 2)]
    assert many.swept == tuple(world.outpoint(f"dataset/{name}", 1) for name in "defg")
    assert [output.role for output in root.outputs] == ["record", "sweeping", "sweeping", "change"]
    assert many.cost.locked_satoshis == -4


def test_what_an_earlier_sweep_left_goes_with_the_next_root_and_is_no_reason_for_one(world):
    state = world.desired(world.dataset("a"))
    stray = world.outpoint("stray")
    snapshot = replace(world.published(state), strays=(stray,))
    assert world.plan(state, snapshot).is_empty
    edited = world.plan(world.desired(world.dataset("a", title="New")), snapshot)
    assert stray in edited.transactions[0].spends
    assert edited.cost.locked_satoshis == -1


def test_many_tokens_are_destroyed_by_sweeps_that_the_end_of_the_root_needs(world):
    state = world.desired(*(world.dataset(name) for name in "abcdefg"))
    plan = world.destroy(state, world.published(state, coins=(world.coin(90_000),)), batch=3)
    assert [transaction.name for transaction in plan.transactions] == ["root", "sweep-0", "sweep-1", "sweep-2", "end"]
    root, *sweeps, end = plan.transactions
    assert texts(root.records) == ["producer/acme"]
    assert end.spends == (
        Made(TxRole.ROOT, 0),
        *(Made(TxRole.SWEEP, 0, number) for number in range(3)),
        Made(TxRole.ROOT, 4),
    )
    assert [output.role for output in end.outputs] == ["payout"]
    assert [sweep.outputs[0].role for sweep in sweeps] == ["link"] * 3
    assert plan.cost.locked_satoshis == -8
