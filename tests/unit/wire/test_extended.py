from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.wire.extended import Extended, is_extended, parse_extended
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

uint32 = st.integers(0, 2**32 - 1)
scripts = st.binary(max_size=300)
outpoints = st.builds(Outpoint, st.binary(min_size=32, max_size=32).map(lambda raw: Txid(raw.hex())), uint32)
inputs = st.lists(st.builds(TxInput, outpoints, scripts, uint32), min_size=1, max_size=4).map(tuple)
outputs = st.lists(st.builds(TxOutput, st.integers(0, 2**64 - 1).map(Satoshis), scripts), max_size=4).map(tuple)
transactions = st.builds(Transaction, inputs, outputs, uint32, uint32)


@st.composite
def extended(draw: st.DrawFn) -> Extended:
    transaction = draw(transactions)
    spent = [TxOutput(Satoshis(draw(st.integers(0, 2**63))), draw(scripts)) for _ in transaction.inputs]
    return Extended(transaction, tuple(spent))


@given(extended())
def test_it_survives_a_round_trip(value: Extended) -> None:
    data = value.to_bytes()
    assert is_extended(data)
    assert parse_extended(data) == value


@given(extended(), st.data())
def test_it_is_never_read_from_less(value: Extended, data: st.DataObject) -> None:
    raw = value.to_bytes()
    with pytest.raises(VerificationError):
        parse_extended(raw[: data.draw(st.integers(0, len(raw) - 1))])


@given(extended())
def test_nor_from_more(value: Extended) -> None:
    with pytest.raises(VerificationError):
        parse_extended(value.to_bytes() + b"\x00")


@given(transactions)
def test_a_plain_transaction_is_not_extended(transaction: Transaction) -> None:
    assert not is_extended(transaction.raw)
    with pytest.raises(VerificationError):
        parse_extended(transaction.raw)


def test_the_layout_is_that_of_brc_30() -> None:
    transaction = Transaction(
        (TxInput(Outpoint(Txid("01" * 32), 2), b"\x51", 0xFFFFFFFE),), (TxOutput(Satoshis(7), b"\x52"),), 2, 9
    )
    value = Extended(transaction, (TxOutput(Satoshis(8), b"\x53\x53"),))
    assert value.to_bytes().hex() == (
        "02000000"
        "0000000000ef"
        "01" + "01" * 32 + "02000000"
        "0151"
        "feffffff"
        "0800000000000000"
        "025353"
        "01"
        "0700000000000000"
        "0152"
        "09000000"
    )


def test_every_input_has_its_output() -> None:
    with pytest.raises(ValueError, match="0 spent outputs for 1 inputs"):
        Extended(Transaction((TxInput(Outpoint(Txid("01" * 32), 2)),), ()), ())
