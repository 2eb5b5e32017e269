from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.wire.transaction import FINAL, Transaction, TxInput, TxOutput, parse_transaction, spent_txids

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "transactions.json").read_text())["vectors"]

outpoints = st.builds(
    Outpoint, st.binary(min_size=32, max_size=32).map(bytes.hex).map(Txid), st.integers(0, 0xFFFFFFFF)
)
uint32 = st.integers(0, 0xFFFFFFFF)
transactions = st.builds(
    Transaction,
    st.lists(st.builds(TxInput, outpoints, st.binary(max_size=300), uint32), max_size=4).map(tuple),
    st.lists(st.builds(TxOutput, st.integers(0, 2**64 - 1).map(Satoshis), st.binary(max_size=300)), max_size=4).map(
        tuple
    ),
    uint32,
    uint32,
)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_the_reference_reads_the_same_transaction(vector):
    transaction = parse_transaction(bytes.fromhex(vector["raw"]))
    assert transaction.raw.hex() == vector["raw"]
    assert transaction.txid == vector["txid"]
    assert transaction == Transaction(
        tuple(
            TxInput(Outpoint(spent["txid"], spent["vout"]), bytes.fromhex(spent["unlocking"]), spent["sequence"])
            for spent in vector["inputs"]
        ),
        tuple(TxOutput(output["satoshis"], bytes.fromhex(output["locking"])) for output in vector["outputs"]),
        vector["version"],
        vector["lockTime"],
    )


@given(transactions)
def test_a_transaction_comes_back(transaction):
    assert parse_transaction(transaction.raw) == transaction


@given(transactions, st.data())
def test_a_cut_transaction_is_refused(transaction, data):
    cut = data.draw(st.integers(0, len(transaction.raw) - 1))
    with pytest.raises(VerificationError):
        parse_transaction(transaction.raw[:cut])


@given(transactions, st.binary(min_size=1, max_size=4))
def test_bytes_after_a_transaction_are_refused(transaction, more):
    with pytest.raises(VerificationError):
        parse_transaction(transaction.raw + more)


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else(data):
    try:
        transaction = parse_transaction(data)
    except VerificationError:
        return
    assert transaction.raw == data


def test_a_length_in_a_longer_form_is_refused_because_the_txid_would_be_of_other_bytes():
    with pytest.raises(VerificationError, match="shortest form"):
        parse_transaction(bytes.fromhex("01000000" + "fd0000" + "00" + "00000000"))


def test_an_input_waits_for_nothing_unless_told():
    assert TxInput(Outpoint(Txid("11" * 32), 0)).sequence == FINAL


def test_an_outpoint_names_the_transaction_by_its_txid():
    transaction = Transaction((), (TxOutput(Satoshis(1), b""),))
    assert transaction.outpoint(0) == Outpoint(transaction.txid, 0)


def test_what_a_transaction_spends_is_read_without_the_rest():
    parents = ["ab" * 32, "cd" * 32, "ab" * 32]
    inputs = tuple(TxInput(Outpoint(Txid(each), vout), b"x" * 300 * vout) for vout, each in enumerate(parents))

    spent = spent_txids(Transaction(inputs, (TxOutput(Satoshis(1), b""),)).raw)

    assert [each.hex() for each in spent] == ["ab" * 32, "cd" * 32]
