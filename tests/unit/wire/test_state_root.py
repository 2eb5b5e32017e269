from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.ids import Kind, RecordId, digest
from reconciler.wire.state_root import InclusionProof, Leaf, prove, state_root, verify_inclusion


def leaf(number: int) -> Leaf:
    return Leaf(RecordId(Kind.DATASET, f"d{number}"), digest(sha256(str(number).encode()).digest()))


def rfc_6962(items: list[bytes]) -> bytes:
    """The definition, word for word (RFC 6962 §2.1)."""
    if not items:
        return sha256().digest()
    if len(items) == 1:
        return sha256(b"\x00" + items[0]).digest()
    split = 1
    while split * 2 < len(items):
        split *= 2
    return sha256(b"\x01" + rfc_6962(items[:split]) + rfc_6962(items[split:])).digest()


@pytest.mark.parametrize("count", [*range(20), 31, 32, 33, 100])
def test_the_root_is_that_of_rfc_6962_in_any_order_of_leaves(count):
    leaves = [leaf(number) for number in range(count)]
    expected = digest(rfc_6962(sorted(one.to_bytes() for one in leaves)))
    assert state_root(leaves) == state_root(reversed(leaves)) == expected


def test_no_records_are_the_hash_of_nothing():
    assert state_root(()) == sha256().hexdigest()


def test_a_leaf_is_the_cbor_array_of_kind_name_and_hash():
    one = Leaf(RecordId(Kind.STREAM, "ticks"), digest("ab" * 32))
    assert one.to_bytes().hex() == "83" + "66" + b"stream".hex() + "65" + b"ticks".hex() + "5820" + "ab" * 32


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 21])
def test_every_leaf_can_be_proven_and_only_where_it_is(count):
    leaves = [leaf(number) for number in range(count)]
    root = state_root(leaves)
    for one in leaves:
        proof = prove(leaves, one.id)
        assert verify_inclusion(proof, one, root, count)
        assert not verify_inclusion(proof, leaf(count), root, count)
        assert not verify_inclusion(proof, one, state_root([*leaves, leaf(count)]), count)
        assert not verify_inclusion(InclusionProof(count, proof.path), one, root, count)
        assert not verify_inclusion(InclusionProof(-1, proof.path), one, root, count)
        assert not verify_inclusion(InclusionProof(proof.index, (*proof.path, root)), one, root, count)
        if proof.path:
            assert not verify_inclusion(InclusionProof(proof.index, proof.path[:-1]), one, root, count)
            assert not verify_inclusion(InclusionProof(proof.index, (root, *proof.path[1:])), one, root, count)
            assert not verify_inclusion(InclusionProof(proof.index ^ 1, proof.path), one, root, count)


@given(st.integers(0, 40), st.integers(0, 40), st.lists(st.binary(min_size=32, max_size=32).map(digest), max_size=7))
def test_invented_proofs_prove_nothing(index, count, path):
    assert not verify_inclusion(InclusionProof(index, tuple(path)), leaf(99), state_root(map(leaf, range(9))), count)


def test_a_record_counted_twice_or_not_at_all_is_an_error():
    twice = [leaf(1), Leaf(leaf(1).id, digest("cd" * 32))]
    for fail in (lambda: state_root(twice), lambda: prove(twice, leaf(1).id)):
        with pytest.raises(ValueError, match="twice"):
            fail()
    with pytest.raises(ValueError, match="not among"):
        prove([leaf(1)], leaf(2).id)
