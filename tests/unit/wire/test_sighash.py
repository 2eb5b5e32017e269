from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Outpoint, Txid
from reconciler.wire import sighash
from reconciler.wire.sighash import Commitments, preimage
from reconciler.wire.transaction import Transaction, TxInput, TxOutput, parse_transaction

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "sighash.json").read_text())["vectors"]


@pytest.mark.parametrize("vector", VECTORS)
def test_the_reference_signs_the_same_bytes(vector):
    transaction = parse_transaction(bytes.fromhex(vector["raw"]))
    spent = TxOutput(vector["satoshis"], bytes.fromhex(vector["locking"]))
    assert Commitments(transaction).preimage(vector["index"], spent, vector["sighash"]).hex() == vector["preimage"]
    if vector["sighash"] == sighash.ALL:
        assert preimage(transaction, vector["index"], spent).hex() == vector["preimage"]


def test_single_without_an_output_of_its_index_commits_to_none():
    inputs = tuple(TxInput(Outpoint(Txid("11" * 32), vout)) for vout in range(2))
    transaction = Transaction(inputs, (TxOutput(Satoshis(1), b""),))
    spent = TxOutput(Satoshis(1), b"")
    assert bytes(32) not in Commitments(transaction).preimage(0, spent, sighash.SINGLE)[68:]
    assert Commitments(transaction).preimage(1, spent, sighash.SINGLE)[-40:-8] == bytes(32)


@pytest.mark.parametrize("sequence", [0, 1, 0xFFFFFFFF])
def test_the_sequence_signed_is_the_one_sent(sequence):
    transaction = Transaction((TxInput(Outpoint(Txid("11" * 32), 0), b"", sequence),), ())
    signed = preimage(transaction, 0, TxOutput(Satoshis(1), b"\x51"))
    assert signed[-44:-40] == transaction.raw[-9:-5] == sequence.to_bytes(4, "little")
