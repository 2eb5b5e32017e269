from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Txid
from reconciler.wire.merkle import MAX_LEVELS, Leaf, MerklePath, combine, joined, merkle_root, parse_path, path_of
from reconciler.wire.reading import varint
from reconciler.wire.transaction import double_sha256

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "bump.json").read_text())["vectors"]


def block(size, seed=0):
    return [Txid(sha256(f"{seed} {index}".encode()).hexdigest()) for index in range(size)]


blocks = st.integers(1, 40).map(block)


@st.composite
def blocks_and_indexes(draw):
    txids = draw(blocks)
    indexes = draw(st.sets(st.integers(0, len(txids) - 1), min_size=1, max_size=5))
    return txids, indexes


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{vector['size']}-{vector['indexes']}" for vector in VECTORS])
def test_the_reference_makes_and_reads_the_same_path(vector):
    txids, indexes = block(vector["size"], vector["block"]), vector["indexes"]
    path = parse_path(bytes.fromhex(vector["bump"]))
    assert path == path_of(txids, indexes, vector["height"])
    assert path == combine([path_of(txids, [index], vector["height"]) for index in indexes])
    assert path.to_bytes().hex() == vector["bump"]
    assert path.txids == tuple(txids[index] for index in indexes)
    assert merkle_root(txids) == vector["root"]
    assert {path.root(txid) for txid in path.txids} == {vector["root"]}


@given(blocks_and_indexes())
def test_a_path_proves_what_it_was_made_for(made):
    txids, indexes = made
    path = parse_path(path_of(txids, indexes, 7).to_bytes())
    assert path.height == 7
    assert path.block_root == merkle_root(txids)
    for index in indexes:
        assert path.proves(txids[index])
    assert not path.proves(block(1, seed=1)[0])


@given(blocks_and_indexes())
def test_paths_of_one_block_combine_to_what_would_have_been_made_at_once(made):
    txids, indexes = made
    whole = path_of(txids, indexes, 7)
    assert combine([path_of(txids, [index], 7) for index in indexes]) == whole
    assert combine([whole, whole]) == whole
    for index in indexes:
        assert whole.only([txids[index]]) == path_of(txids, [index], 7)


@given(blocks_and_indexes(), st.data())
def test_a_changed_path_never_proves_a_stranger(made, data):
    txids, indexes = made
    changed = bytearray(path_of(txids, indexes, 7).to_bytes())
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        path = parse_path(bytes(changed))
    except VerificationError:
        return
    if path.block_root == merkle_root(txids):
        assert path.offsets.keys() <= set(txids)


@given(blocks_and_indexes(), st.data())
def test_a_cut_path_is_refused_and_so_is_one_with_more_behind_it(made, data):
    good = path_of(*made, 7).to_bytes()
    with pytest.raises(VerificationError):
        parse_path(good[: data.draw(st.integers(0, len(good) - 1))])
    with pytest.raises(VerificationError, match="too many"):
        parse_path(good + b"\0")


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_nothing_else(data):
    try:
        path = parse_path(data)
    except VerificationError:
        return
    assert parse_path(path.to_bytes()) == path


@given(st.integers(0, 3), st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=4), max_size=4))
def test_a_path_of_arbitrary_shape_is_refused_or_sound(height, shape):
    levels = (varint(len(row)) + b"".join(_leaf(offset, flag) for offset, flag in row) for row in shape)
    try:
        path = parse_path(varint(height) + bytes([len(shape)]) + b"".join(levels))
    except VerificationError:
        return
    assert all(path.root(txid) == path.block_root for txid in path.offsets)


def _leaf(offset, flag):
    return varint(offset) + bytes([flag]) + (b"" if flag == 1 else bytes([offset]) * 32)


def test_a_single_level_lists_the_whole_block():
    txids = block(11)
    leaves = tuple(Leaf(offset, bytes.fromhex(txid)[::-1], txid=True) for offset, txid in enumerate(txids))
    path = MerklePath(7, (leaves,))
    assert path.block_root == merkle_root(txids)
    assert path.only([txids[10]]) == path_of(txids, [10], 7)
    assert parse_path(path.to_bytes()) == path
    with pytest.raises(VerificationError, match="in order"):
        MerklePath(7, (leaves[1:],))


def test_the_only_transaction_of_a_block_is_its_root():
    (txid,) = block(1)
    assert path_of([txid], [0], 7).root(txid) == txid == merkle_root([txid])


PAIR = path_of(block(4), [1], 7)


@pytest.mark.parametrize(
    ("levels", "fault"),
    [
        ((), "1 to 64 levels"),
        (((),), "without transactions"),
        (PAIR.levels * (MAX_LEVELS // 2 + 1), "1 to 64 levels"),
        ((PAIR.levels[0][:1], PAIR.levels[1]), "lacks the sibling"),
        ((PAIR.levels[0][1:], PAIR.levels[1]), "lacks the sibling"),
        ((PAIR.levels[0], ()), "lacks the sibling"),
        ((PAIR.levels[0], (Leaf(3, bytes(32)),)), "no room"),
        ((PAIR.levels[0] * 2, PAIR.levels[1]), "no room"),
        ((PAIR.levels[0], (*PAIR.levels[1], Leaf(0, bytes(32)))), "contradicts itself"),
        ((PAIR.levels[0], (Leaf(0, None), PAIR.levels[1][0])), "repeats a left node"),
        (((*PAIR.levels[0], Leaf(3, bytes(32))), PAIR.levels[1]), "lacks the sibling"),
    ],
)
def test_a_path_with_a_hole_or_a_node_too_many_is_refused(levels, fault):
    with pytest.raises(VerificationError, match=fault):
        MerklePath(7, levels)


def test_a_node_given_and_implied_is_one_node():
    below = PAIR.levels[0]
    implied = Leaf(0, double_sha256(below[0].hash + below[1].hash))
    path = MerklePath(7, (below, (implied, *PAIR.levels[1])))
    assert path.block_root == PAIR.block_root
    assert combine([path]) == PAIR


def test_an_unmarked_transaction_is_proven_too():
    txids = block(4)
    assert PAIR.txids == (txids[1],)
    assert PAIR.proves(txids[0])
    assert combine([PAIR], [txids[0]]) == path_of(txids, [0], 7)


def test_a_path_that_marks_nothing_combines_with_all_it_proves():
    txids = block(4)
    unmarked = MerklePath(7, (tuple(replace(leaf, txid=False) for leaf in PAIR.levels[0]), PAIR.levels[1]))
    assert combine([unmarked]) == path_of(txids, [0, 1], 7)


def test_an_unknown_flag_is_refused():
    data = bytearray(PAIR.to_bytes())
    data[4] = 4
    with pytest.raises(VerificationError, match="unknown flag 4"):
        parse_path(bytes(data))


def test_a_height_beyond_32_bits_is_refused():
    with pytest.raises(VerificationError, match="height of a block"):
        replace(PAIR, height=2**32)


def test_paths_of_different_blocks_do_not_combine():
    for other in (path_of(block(4), [0], 8), path_of(block(4, seed=1), [0], 7)):
        with pytest.raises(VerificationError, match="cannot be combined"):
            combine([PAIR, other])


def test_a_transaction_that_is_not_there_has_no_root_and_no_path():
    stranger = block(1, seed=1)[0]
    for ask in (PAIR.root, lambda txid: PAIR.only([txid]), lambda txid: combine([PAIR], [txid])):
        with pytest.raises(VerificationError, match="prove"):
            ask(stranger)


def test_a_block_has_transactions_and_no_others():
    with pytest.raises(ValueError, match="none at 4"):
        path_of(block(4), [4], 7)
    with pytest.raises(VerificationError, match="no Merkle root"):
        merkle_root([])


@given(st.integers(1, 70), st.data())
def test_paths_are_joined_as_bytes_as_they_are_combined(count, data):
    txids = [Txid(sha256(bytes([number])).hexdigest()) for number in range(count)]
    chosen = data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True))
    paths = [path_of(txids, [index], 7) for index in chosen]

    assert joined([path.to_bytes() for path in paths]) == combine(paths).to_bytes()
