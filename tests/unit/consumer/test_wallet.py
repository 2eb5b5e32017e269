"""What a payment is made of: exact amounts, the fee that is asked, change that is worth having."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.consumer.ports import Money
from reconciler.consumer.wallet import make_payment
from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.errors import GuardError
from reconciler.model.ids import Outpoint, Txid
from reconciler.model.keys import FUNDING_KEY
from reconciler.plan import sizes
from reconciler.wallet.keys import Keys
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import TxOutput

KEYS = Keys(sha256(b"a buyer's wallet").digest())
OURS = p2pkh(KEYS.public(FUNDING_KEY))
THEIRS = p2pkh(Keys(sha256(b"a gateway").digest()).identity)


def coin(number: int, satoshis: int) -> Money:
    return Money(
        outpoint=Outpoint(Txid(f"{number:064x}"), 0), output=TxOutput(Satoshis(satoshis), OURS), key=FUNDING_KEY
    )


def coins(*amounts: int) -> list[Money]:
    return [coin(number, satoshis) for number, satoshis in enumerate(amounts, 1)]


def made_of(outputs, must, may, rate):
    """A payment, or None where there is not enough."""
    try:
        return make_payment(outputs, must=must, may=may, rate=rate, keys=KEYS)
    except GuardError:
        return None


amounts = st.integers(1, 20_000)


@given(
    must=st.lists(amounts, max_size=3),
    may=st.lists(amounts, max_size=6),
    asked=st.lists(amounts, min_size=1, max_size=4),
    rate=st.builds(FeeRate, st.integers(0, 500), st.integers(1, 1000)),
)
@settings(max_examples=60)
def test_every_satoshi_is_paid_left_over_or_the_fee(must, may, asked, rate):
    outputs = [TxOutput(Satoshis(satoshis), THEIRS) for satoshis in asked]
    needed, others = coins(*must), [coin(100 + number, satoshis) for number, satoshis in enumerate(may)]
    payment = made_of(outputs, needed, others, rate)
    if payment is None:
        count = len(must) + len(may)
        most = sizes.transaction(
            p2pkh_inputs=count, pushdrop_inputs=0, outputs=len(asked), outputs_size=34 * len(asked)
        )
        assert sum([*must, *may]) < sum(asked) + rate.fee(most)
        return
    made = payment.transaction
    spent = [each.outpoint for each in made.inputs]
    values = {each.outpoint: each.output.satoshis for each in (*needed, *others)}
    change = payment.change.output.satoshis if payment.change else 0

    assert list(made.outputs[: len(outputs)]) == outputs
    assert {each.outpoint for each in needed} <= set(spent)
    assert len(set(spent)) == len(spent)
    assert sum(values[each] for each in spent) == payment.paid + change + payment.fee
    assert (payment.paid, len(made.outputs)) == (sum(asked), len(outputs) + bool(change))
    assert payment.fee >= rate.fee(len(made.raw))
    assert change == 0 or change > rate.fee(sizes.P2PKH_INPUT)
    if payment.change is not None:
        assert (payment.change.outpoint, payment.change.output.locking) == (made.outpoint(len(outputs)), OURS)


def test_coins_are_taken_in_order_and_no_more_than_it_takes():
    rate = FeeRate(1, 1000)
    payment = make_payment([TxOutput(Satoshis(500), THEIRS)], must=[], may=coins(300, 300, 9000), rate=rate, keys=KEYS)
    assert [each.outpoint for each in payment.transaction.inputs] == [each.outpoint for each in coins(300, 300)]


def test_change_that_costs_more_to_spend_than_it_is_goes_to_the_fee():
    rate = FeeRate(50, 100)
    size = sizes.transaction(p2pkh_inputs=1, pushdrop_inputs=0, outputs=1, outputs_size=34)
    payment = make_payment(
        [TxOutput(Satoshis(500), THEIRS)], must=[], may=coins(500 + rate.fee(size) + 60), rate=rate, keys=KEYS
    )
    assert payment.change is None
    assert payment.fee == rate.fee(size) + 60


def test_no_coin_at_all_is_not_enough():
    with pytest.raises(GuardError, match="the wallet has 0 satoshis to spend, and 500"):
        make_payment([TxOutput(Satoshis(500), THEIRS)], must=[], may=[], rate=FeeRate(0, 1), keys=KEYS)
