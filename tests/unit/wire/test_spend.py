from __future__ import annotations

from hashlib import sha256

import pytest
from bsv.constants import SIGHASH
from bsv.keys import PrivateKey
from bsv.script.script import Script
from bsv.transaction_input import TransactionInput
from bsv.transaction_output import TransactionOutput
from bsv.transaction_preimage import tx_preimage
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Outpoint, Txid, identity_key
from reconciler.wire.script import p2pkh, push
from reconciler.wire.sighash import Commitments
from reconciler.wire.spend import Allowance, ScriptCostError, ScriptError, Spending
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

COIN = Outpoint(Txid("11" * 32), 0)
PLENTY = 1 << 26


@pytest.fixture
def key(request):
    return PrivateKey(sha256(request.node.originalname.encode()).digest())


@pytest.fixture
def lock(key):
    return p2pkh(identity_key(key.public_key().serialize()))


def run(locking, unlocking=b"", *, version=1, steps=PLENTY, operands=PLENTY):
    transaction = Transaction((TxInput(COIN, unlocking),), (TxOutput(Satoshis(1), b"\x51"),), version)
    allowance = Allowance(steps, operands)
    Spending(transaction).check(0, TxOutput(Satoshis(9), locking), allowance)
    return allowance


def spend_signed(key, locking, *, sighash=0x41, code=None, version=1, inputs=2, outputs=2, index=1):
    """Spend `locking` with a signature over `code`, by the digest that the flag asks for."""
    bare = Transaction(
        tuple(TxInput(Outpoint(COIN.txid, vout), b"", 7 + vout) for vout in range(inputs)),
        tuple(TxOutput(Satoshis(5 + vout), b"\x51") for vout in range(outputs)),
        version,
    )
    spent = TxOutput(Satoshis(9), locking)
    if sighash & 0x20:
        preimage = old_preimage(bare, index, spent, sighash)
    else:
        preimage = Commitments(bare).preimage(index, TxOutput(Satoshis(9), locking if code is None else code), sighash)
    unlocking = push(key.sign(preimage) + bytes([sighash])) + push(key.public_key().serialize())
    signed = list(bare.inputs)
    signed[index] = TxInput(signed[index].outpoint, unlocking, signed[index].sequence)
    transaction = Transaction(tuple(signed), bare.outputs, version)
    Spending(transaction).check(index, spent, Allowance(PLENTY, PLENTY))


def old_preimage(transaction, index, spent, sighash):
    inputs = []
    for spending in transaction.inputs:
        one = TransactionInput(
            source_txid=spending.outpoint.txid,
            source_output_index=spending.outpoint.vout,
            sequence=spending.sequence,
            sighash=SIGHASH(sighash),
        )
        one.satoshis, one.locking_script = spent.satoshis, Script(spent.locking)
        inputs.append(one)
    outputs = [TransactionOutput(Script(output.locking), output.satoshis) for output in transaction.outputs]
    return tx_preimage(index, inputs, outputs, transaction.version, transaction.lock_time)


@pytest.mark.parametrize("sighash", [0x41, 0x42, 0x43, 0xC1, 0xC2, 0xC3, 0x61, 0x62, 0x63, 0xE1, 0xE2, 0xE3])
def test_a_signature_of_every_kind_is_checked_by_its_digest(key, lock, sighash):
    spend_signed(key, lock, sighash=sighash)


@pytest.mark.parametrize("version", [1, 2])
def test_several_keys_may_have_to_sign(version):
    keys = [PrivateKey(sha256(name.encode()).digest()) for name in ("one", "two", "three")]
    locking = b"\x52" + b"".join(push(each.public_key().serialize()) for each in keys) + b"\x53\xae"
    bare = Transaction((TxInput(COIN),), (TxOutput(Satoshis(1), b"\x51"),), version)
    spent = TxOutput(Satoshis(9), locking)
    preimage = Commitments(bare).preimage(0, spent)
    one, two, three = (push(each.sign(preimage) + b"\x41") for each in keys)
    old = push(keys[2].sign(preimage) + b"\x01")
    for signatures, passes in {one + three: True, two + three: True, three + one: False, one + old: False}.items():
        transaction = Transaction((TxInput(COIN, b"\x00" + signatures),), bare.outputs, version)
        if passes:
            Spending(transaction).check(0, spent, Allowance(PLENTY, PLENTY))
        else:
            with pytest.raises(ScriptError):
                Spending(transaction).check(0, spent, Allowance(PLENTY, PLENTY))


@pytest.mark.parametrize("sighash", [0x01, 0x40, 0x44, 0x00])
def test_a_signature_of_no_known_kind_is_refused(key, lock, sighash):
    with pytest.raises(ScriptError):
        spend_signed(key, lock, sighash=sighash)


def test_a_signature_of_another_key_is_refused(key, lock):
    with pytest.raises(ScriptError, match="OP_EQUALVERIFY"):
        spend_signed(PrivateKey(sha256(b"another").digest()), lock)


def test_a_signature_over_other_bytes_is_refused(key, lock):
    with pytest.raises(ScriptError, match="failed to verify the signature"):
        spend_signed(key, lock, code=lock + b"\x61")


def test_data_after_a_return_is_signed_as_it_is(key, lock):
    spend_signed(key, lock + b"\x6a\x03abc")
    spend_signed(key, lock + b"\x6a\x4cunfinished pushes are data here too")


def test_an_inscription_with_pushes_in_a_longer_form_is_signed_as_it_is(key, lock):
    spend_signed(key, b"\x00\x63\x4c\x03ord\x68" + lock)


def test_a_signature_covers_what_follows_the_last_code_separator(key, lock):
    spend_signed(key, b"\x51\x75\xab" + lock, code=lock)
    with pytest.raises(ScriptError, match="failed to verify"):
        spend_signed(key, b"\x51\x75\xab" + lock)


def test_any_32_bit_version_is_run(key, lock):
    spend_signed(key, lock, version=0xFFFFFFFF)


@pytest.mark.parametrize("script", ["05aabb", "4c", "4c0301", "4d01", "4d0100", "4e01000000", "7551" + "4c05ab"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_script_that_ends_in_the_middle_of_a_push_is_refused(script, version):
    with pytest.raises(ScriptError, match="middle of a push"):
        run(bytes.fromhex(script), b"\x51", version=version)


@pytest.mark.parametrize(
    ("locking", "unlocking"),
    [(b"", b""), (b"", b"\x51"), (b"\x51\x51", b""), (b"\x00", b""), (b"\x6a", b"\x51\x51"), (b"\x51", b"\x51\x75")],
    ids=["nothing", "no lock", "two left", "false", "return", "not only pushes"],
)
def test_what_does_not_end_in_one_true_value_is_refused(locking, unlocking):
    with pytest.raises(ScriptError):
        run(locking, unlocking)


BOMBS = {
    "a gigabyte of zeros": "00" + "04ffffff3f" + "80" + "7551",
    "doubled 40 times": "51" + "767e" * 40 + "7551",
    "shifted by a gigabyte": "51" + "05ffffffff01" + "b6" + "7551",
    "squared 30 times": "02ff7f" + "7695" * 30 + "7551",
    "divided for hours": "02ff7f" + "767e" * 20 + "7602ff7f96" * 200 + "7551",
    "hashed 20,000 times": "4d60ea" + "01" * 60_000 + "76aa75" * 20_000 + "7551",
    "inverted 20,000 times": "4d60ea" + "01" * 60_000 + "83" * 20_000 + "7551",
    "a million keys": "00" * 1_000 + "0340420f" + "ae",
    "signatures without fork ID": "00" + "02aa01" * 500 + "02f401" + "51" * 500 + "02f401" + "ae" + "61" * 100_000,
}


@pytest.mark.parametrize("script", BOMBS.values(), ids=BOMBS.keys())
@pytest.mark.parametrize("version", [1, 2])
def test_a_few_bytes_of_script_cannot_buy_much_time_or_memory(script, version):
    with pytest.raises(ScriptError):
        run(bytes.fromhex(script), version=version)


def test_the_first_opcode_of_the_locking_script_is_charged_like_any_other():
    with pytest.raises(ScriptCostError, match="more data"):
        run(bytes.fromhex("80"), bytes.fromhex("00" + "04ffffff3f"))


def test_opcodes_and_signatures_are_paid_for(key, lock):
    assert run(b"\x51").steps < PLENTY
    with pytest.raises(ScriptCostError, match="more work"):
        run(b"\x61" * 100 + b"\x51", steps=50_000)


def test_a_branch_not_taken_costs_nothing_for_its_operands():
    assert run(bytes.fromhex("51" + "00" + "63" + "80" + "68")).operands > PLENTY - 1_000


def test_big_data_that_is_only_dropped_costs_nothing_for_its_operands():
    data = push(b"\x01" * 500_000)
    assert run(data + data + b"\x6d\x51").operands == PLENTY


numbers = st.sampled_from([0, 1, 2, 3, 8, 16, 127, 128, 255, 2**31 - 1, 2**31, 2**39]).map(
    lambda value: push(value.to_bytes(value.bit_length() // 8 + 1, "little")) if value else b"\x00"
)
opcodes = st.integers(0x4F, 0xFF).map(lambda opcode: bytes([opcode]))
scripts = st.lists(numbers | opcodes | st.binary(max_size=80).map(push) | st.binary(max_size=3), max_size=14).map(
    b"".join
)


@settings(deadline=None)
@given(scripts, scripts, st.sampled_from([1, 2, 0xFFFFFFFF]))
def test_whatever_a_script_holds_it_passes_or_fails_as_a_script(locking, unlocking, version):
    try:
        run(locking, unlocking, version=version)
    except ScriptError:
        return
