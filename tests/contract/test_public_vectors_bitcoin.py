"""The public conformance vectors for transactions, Merkle paths and BEEF, each passed or *invalid* for the reason given.

Invalid are those that describe another library's methods rather than bytes. The vectors stay where they are; see FOLDER.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.wire.beef import Beef, parse_beef
from reconciler.wire.extended import parse_extended
from reconciler.wire.merkle import Leaf, MerklePath, combine, merkle_root, parse_path, path_of
from reconciler.wire.sighash import preimage
from reconciler.wire.spv import roots_of, verify
from reconciler.wire.transaction import Transaction, TxInput, TxOutput, parse_transaction

FOLDER = Path(os.environ.get("OVERLAY_VECTORS") or Path(__file__).parents[2].parent / "shared" / "vectors")

BLOCK_125632 = "mp-block125632-001"

INVALID = {
    "regression.beef.v2-txid-panic.0001": "has a byte too many; the empty BEEF V2 is 0200beef0000",
    "tx-007": "asks for an exception of Transaction.addInput; here an input without an outpoint cannot be written down",
    "tx-009": "asks for an exception of Transaction.addOutput; here an output without an amount cannot be written down",
    "tx-010": "asks for an exception of Transaction.addOutput; here amounts are checked by model.amounts and by spv",
    "tx-014": "asks for an exception of Transaction.getFee, which there is none of here",
}


def read(path):
    """The vectors of one file by their ids, or nothing where it is absent."""
    file = FOLDER / path
    return {vector["id"]: vector for vector in json.loads(file.read_text())["vectors"]} if file.is_file() else {}


def parametrized(*paths):
    """Every vector of the files as a test parameter; one that is skipped stands for an absent file or an invalid vector."""
    parameters = []
    for path in paths:
        found = read(path)
        if not found:
            absent = pytest.mark.skip(reason=f"the public vectors are not here: {path} (set OVERLAY_VECTORS)")
            parameters.append(pytest.param(None, marks=absent, id=path))
        for name, vector in found.items():
            marks = [pytest.mark.skip(reason=f"vector invalid: {INVALID[name]}")] if name in INVALID else []
            parameters.append(pytest.param(vector, marks=marks, id=name))
    return pytest.mark.parametrize("vector", parameters)


def raw(text):
    return bytes.fromhex(text)


@parametrized("sdk/transactions/merkle-path.json")
def test_merkle_paths(vector):
    given, expected = vector["input"], vector["expected"]
    if "bump_hex" in given or "combined_bump_hex" in given:
        check_path(given, expected)
    elif "leaf0_hash" in given:
        check_duplicate(given, expected)
    elif "throws" in expected:
        check_no_path(given)
    else:
        check_block(given, expected)


def check_path(given, expected):
    path = parse_path(raw(given.get("bump_hex") or given["combined_bump_hex"]))
    for name, value in {
        "block_height": path.height,
        "path_levels": len(path.levels),
        "path_level0_length": len(path.levels[0]),
        "toHex": path.to_bytes().hex(),
        "serialized_bump_hex": path.to_bytes().hex(),
    }.items():
        assert expected.get(name, value) == value
    txids = [*given.get("txids_at_level_0", []), *(given[name] for name in given if name.startswith("txid_tx"))]
    roots = {value for name, value in expected.items() if name.startswith("merkle_root")}
    for txid in [*txids, *([given["txid"]] if "txid" in given else [])]:
        assert {path.root(txid)} == roots
    if "combined_bump_hex" in given:
        block = read("sdk/transactions/merkle-path.json")[BLOCK_125632]["input"]["txids"]
        assert combine([path_of(block, [block.index(txid)], path.height) for txid in txids]) == path


def check_duplicate(given, expected):
    left = raw(given["leaf0_hash"])[::-1]
    sibling = Leaf(1, bytes(32))
    path = MerklePath(1, ((Leaf(0, left), Leaf(1, None)), (sibling,)))
    assert path.tree.levels[1][0][::-1].hex() == expected["computed_hash"]


def check_no_path(given):
    path = path_of([Txid("11" * 32), Txid("22" * 32)], [0], 1)
    with pytest.raises(VerificationError):
        path.only(given.get("txids_to_extract", [given.get("txid")]))


def check_block(given, expected):
    block = read("sdk/transactions/merkle-path.json")[BLOCK_125632]["input"]["txids"]
    txids = given.get("txids") or given.get("full_block_txids") or block
    txid = given.get("extract_txid") or given.get("txid") or txids[0]
    txids = [txid] if txid not in txids else txids
    height = given.get("block_height", given.get("height"))
    path = path_of(txids, [txids.index(txid)], height)
    assert path.root(txid) == merkle_root(txids) == expected["merkle_root"]
    assert expected.get("bump_hex", path.to_bytes().hex()) == path.to_bytes().hex()
    if "proof_level0" in given:  # its hash of level 1 has 65 digits, so that one is not compared
        assert [(leaf.offset, leaf.hash[::-1].hex(), leaf.txid) for leaf in path.levels[0]] == [
            (leaf["offset"], leaf["hash"], leaf.get("txid", False)) for leaf in given["proof_level0"]
        ]
    if "extracted_smaller_than_full" in expected:
        whole = path_of(txids, range(len(txids)), height)
        assert whole.only([txid]) == path
        assert len(path.to_bytes()) < len(whole.to_bytes())


@parametrized("sdk/transactions/serialization.json")
def test_transactions(vector):
    given, expected = vector["input"], vector["expected"]
    if "raw_hex" in given:
        check_transaction(parse_transaction(raw(given["raw_hex"])), expected)
    elif "ef_hex" in given:
        extended = parse_extended(raw(given["ef_hex"]))
        check_transaction(extended.transaction, expected)
    elif "beef_hex" in given:
        check_beef(given, expected)
    elif "bump_hex" in given:
        path = parse_path(raw(given["bump_hex"]))
        assert (path.height, len(path.levels[0])) == (expected["block_height"], expected["path_leaf_count"])
        assert path.to_bytes().hex() == given["bump_hex"]
    elif "sequence" in expected:
        assert TxInput(Outpoint(given["source_txid"], given["source_output_index"])).sequence == expected["sequence"]
    else:
        check_transaction(Transaction((), ()), expected)


def check_transaction(transaction, expected):
    for name, value in {
        "raw_hex_roundtrip": transaction.raw.hex(),
        "txid": transaction.txid,
        "version": transaction.version,
        "locktime": transaction.lock_time,
        "inputs_count": len(transaction.inputs),
        "outputs_count": len(transaction.outputs),
        "hash_length_chars": len(transaction.txid),
        "id_length_bytes": len(raw(transaction.txid)),
    }.items():
        assert expected.get(name, value) == value


def check_beef(given, expected):
    beef, subject = parse_beef(raw(given["beef_hex"]))
    assert subject is None  # so that whoever needs an Atomic BEEF knows that this is none
    if "merkle_root" in expected:
        assert {root for _, root in roots_of(beef)} == {expected["merkle_root"]}
        check_standing(beef)


def check_standing(beef):
    for txid in beef.transactions:
        verify(beef, txid, roots=dict(roots_of(beef)), height=900_000, now=1_700_000_000)


@parametrized("regressions/merkle-path-odd-node.json")
def test_odd_nodes(vector):
    left, right = (raw(vector["input"][side]) for side in ("left_hex", "right_hex"))
    root = merkle_root([Txid(left[::-1].hex()), Txid(right[::-1].hex())])
    assert raw(root)[::-1].hex() == vector["expected"]["parent_hex"]


@parametrized("regressions/beef-isvalid-hydration.json", "regressions/beef-v2-txid-panic.json")
def test_beefs(vector):
    beef, subject = parse_beef(raw(vector["input"]["beef_hex"]))
    assert subject is None
    if vector["expected"].get("txid_non_null", True):
        assert beef.subject_or_last() in beef.transactions
        check_standing(beef)
    else:
        with pytest.raises(VerificationError, match="no transaction"):
            beef.subject_or_last()


@parametrized("regressions/tx-sequence-zero-sighash.json")
def test_sequences(vector):
    given, expected = vector["input"], vector["expected"]
    spending = TxInput(Outpoint(Txid("11" * 32), 0), b"", given["input_sequence"])
    transaction = Transaction((spending,), (), given.get("version", 1), given.get("lock_time", 0))
    if "preimage_sequence_field_hex" in expected:
        signed = preimage(transaction, 0, TxOutput(Satoshis(1), b"\x51"))
        assert signed[-44:-40].hex() == expected["preimage_sequence_field_hex"]
    else:
        assert transaction.raw[-9:-5].hex() == expected["serialised_sequence_hex"]


def test_every_vector_called_invalid_exists():
    files = ["sdk/transactions/serialization.json", "regressions/beef-v2-txid-panic.json"]
    if not all(found := [read(file) for file in files]):
        pytest.skip("the public vectors are not here (set OVERLAY_VECTORS)")
    assert INVALID.keys() <= set().union(*found)


def test_the_empty_beef_is_read():
    assert parse_beef(raw("0200beef0000")) == parse_beef(raw("0100beef0000")) == (Beef(), None)
