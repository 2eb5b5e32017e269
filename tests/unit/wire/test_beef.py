from __future__ import annotations

import json
import random
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.wire.beef import Beef, BeefTx, merge, parse_beef, subset
from reconciler.wire.merkle import path_of
from reconciler.wire.reading import varint
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "beef.json").read_text())["vectors"]


def filler(block, index):
    return Txid(sha256(f"{block} {index}".encode()).hexdigest())


def transaction(*parents, outputs=2):
    inputs = tuple(TxInput(Outpoint(parent, 0)) for parent in parents)
    return Transaction(inputs, tuple(TxOutput(Satoshis(vout), b"") for vout in range(outputs)), lock_time=len(parents))


def proof(height, *transactions):
    """A path through a block that holds the transactions among others."""
    txids = [filler(height, 0), *(tx.txid for tx in transactions), filler(height, 1)]
    return path_of(txids, range(1, len(transactions) + 1), height)


ROOT = transaction(filler("coin", 0))
OTHER = transaction(filler("coin", 1), filler("coin", 2))
CHILD = transaction(ROOT.txid, OTHER.txid)
GRANDCHILD = transaction(CHILD.txid, ROOT.txid)
STRANGER = transaction(filler("coin", 3), filler("coin", 4), filler("coin", 5))
WHOLE = Beef.of(
    [proof(5, ROOT), proof(6, OTHER)],
    [BeefTx(ROOT, 0), BeefTx(OTHER, 1), BeefTx(CHILD), BeefTx(GRANDCHILD)],
)


@st.composite
def beefs(draw):
    """Families of up to twelve transactions, some proven, some of their ancestors known by txid only."""
    family = []
    for number in range(draw(st.integers(1, 12))):
        chosen = draw(st.lists(st.sampled_from(family), max_size=3, unique=True)) if family else []
        family.append(transaction(filler("coin", number), *(parent.txid for parent in chosen)))
    proven = [tx for tx in family if draw(st.booleans())]
    heights = {tx.txid: draw(st.integers(1, 3)) for tx in proven}
    blocks = {height: [tx for tx in proven if heights[tx.txid] == height] for height in sorted({*heights.values()})}
    places = {tx.txid: place for place, txs in enumerate(blocks.values()) for tx in txs}
    bumps = [proof(height, *txs) for height, txs in blocks.items()]
    known = draw(st.sets(st.integers(0, 3).map(lambda number: filler("known", number))))
    return Beef.of(bumps, [BeefTx(tx, places.get(tx.txid)) for tx in family], known)


def is_topological(beef):
    order = list(beef.transactions)
    return all(
        parent not in order or order.index(parent) < place
        for place, entry in enumerate(beef.transactions.values())
        for parent in entry.parents
    )


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_the_reference_reads_the_same(vector):
    beef, subject = parse_beef(bytes.fromhex(vector["beef"]))
    assert subject == vector["subject"]
    assert [(txid, entry.bump) for txid, entry in beef.transactions.items()] == [
        (entry["txid"], entry["bump"]) for entry in vector["transactions"]
    ]
    assert beef.known == set(vector["known"])
    assert [[bump.height, bump.block_root] for bump in beef.bumps] == vector["roots"]


@pytest.mark.parametrize("name", ["empty", "v2"])
def test_what_the_reference_wrote_is_written_the_same(name):
    (data,) = (bytes.fromhex(vector["beef"]) for vector in VECTORS if vector["name"] == name)
    assert parse_beef(data)[0].to_bytes() == data


def test_v1_and_v2_are_two_ways_to_write_one_thing():
    read = {vector["name"]: parse_beef(bytes.fromhex(vector["beef"]))[0] for vector in VECTORS}
    assert read["v1"] == read["v2"]


@given(beefs())
def test_a_beef_comes_back_in_the_order_it_had(beef):
    again, subject = parse_beef(beef.to_bytes())
    assert again == beef
    assert list(again.transactions) == list(beef.transactions)
    assert subject is None
    assert again.subject_or_last() == list(beef.transactions)[-1]


@given(beefs(), st.randoms())
def test_transactions_in_any_order_end_up_after_their_ancestors(beef, shuffler):
    entries = list(beef.transactions.values())
    shuffler.shuffle(entries)
    sorted_again = Beef.of(beef.bumps, entries, beef.known)
    assert sorted_again == beef
    assert is_topological(sorted_again)


@given(beefs(), beefs())
def test_a_merge_holds_all_of_both_once(one, two):
    both = merge([one, two])
    assert both.transactions.keys() == one.transactions.keys() | two.transactions.keys()
    assert both.known == (one.known | two.known) - both.transactions.keys()
    assert is_topological(both)
    assert parse_beef(both.to_bytes())[0] == both
    for txid in both.transactions:
        assert (both.proof(txid) is None) == (one.proof(txid) is None and two.proof(txid) is None)


@given(beefs())
def test_a_merge_of_one_with_itself_is_settled(beef):
    once = merge([beef])
    assert merge([beef, beef]) == once == merge([once])
    assert once.to_bytes() == merge([beef, beef]).to_bytes()


@given(beefs(), st.data())
def test_a_subset_has_the_ancestry_that_its_transactions_need_and_no_more(beef, data):
    wanted = data.draw(st.sampled_from(list(beef.transactions)))
    part = subset(beef, [wanted])
    for txid, entry in part.transactions.items():
        assert entry.transaction == beef.transactions[txid].transaction
        assert (entry.bump is None) == (beef.transactions[txid].bump is None)
        if entry.bump is None:
            assert all(parent in part.transactions or parent not in beef.transactions for parent in entry.parents)
    spent = {parent for entry in part.transactions.values() if entry.bump is None for parent in entry.parents}
    assert part.transactions.keys() - spent == {wanted} - spent
    assert subset(part, [wanted]) == part
    again, subject = parse_beef(beef.to_atomic(wanted))
    assert (again, subject) == (part, wanted)


def test_a_subset_keeps_only_the_paths_it_needs():
    together = Beef.of([proof(5, ROOT, OTHER)], [BeefTx(ROOT, 0), BeefTx(OTHER, 0), BeefTx(CHILD)])
    part = subset(together, [ROOT.txid])
    assert part.bumps == (together.bumps[0].only([ROOT.txid]),)


def test_a_subset_does_not_invent_what_is_missing():
    beef = Beef.of([], [BeefTx(CHILD)], [ROOT.txid])
    assert subset(beef, [CHILD.txid]) == beef
    with pytest.raises(VerificationError, match="lacks transaction"):
        subset(beef, [OTHER.txid])


def test_a_proof_found_later_is_put_in():
    assert merge([Beef.of([], [BeefTx(ROOT)]), WHOLE]) == WHOLE
    assert merge([Beef.of([], [], [ROOT.txid]), WHOLE]) == WHOLE


def test_of_proofs_in_two_blocks_the_first_stays():
    older, newer = (Beef.of([proof(height, ROOT)], [BeefTx(ROOT, 0)]) for height in (5, 9))
    assert merge([newer, older]).proof(ROOT.txid).height == 9
    assert merge([older, newer]).proof(ROOT.txid).height == 5


def test_a_repeated_transaction_is_one():
    raw = Beef.of([proof(5, ROOT)], [BeefTx(ROOT, 0)]).to_bytes()
    twice = raw.replace(
        b"\x01\x01\x00" + ROOT.raw, b"\x03\x00" + ROOT.raw + b"\x01\x00" + ROOT.raw + b"\x00" + ROOT.raw
    )
    assert twice != raw
    assert parse_beef(twice)[0].to_bytes() == raw


def test_a_repeated_transaction_with_two_paths_is_refused():
    with pytest.raises(VerificationError, match="two Merkle paths"):
        Beef.of([proof(5, ROOT), proof(6, ROOT)], [BeefTx(ROOT, 0), BeefTx(ROOT, 1)])


@pytest.mark.parametrize(
    ("bumps", "entry", "fault"),
    [
        ([], BeefTx(ROOT, 0), "names Merkle path 0 of 0"),
        ([proof(5, OTHER)], BeefTx(ROOT, 0), "not in the Merkle path it names"),
        ([proof(5, ROOT)], BeefTx(ROOT, -1), "names Merkle path -1"),
    ],
)
def test_a_path_that_does_not_prove_is_refused(bumps, entry, fault):
    with pytest.raises(VerificationError, match=fault):
        Beef.of(bumps, [entry])


def test_a_beef_out_of_order_or_misfiled_cannot_be_made():
    with pytest.raises(VerificationError, match="stands before"):
        Beef(transactions={CHILD.txid: BeefTx(CHILD), ROOT.txid: BeefTx(ROOT)})
    with pytest.raises(VerificationError, match="filed as"):
        Beef(transactions={CHILD.txid: BeefTx(ROOT)})
    with pytest.raises(VerificationError, match="both whole and by its txid"):
        Beef(transactions={ROOT.txid: BeefTx(ROOT)}, known=frozenset({ROOT.txid}))


def test_an_atomic_beef_without_its_subject_is_refused():
    raw = WHOLE.to_atomic(CHILD.txid)
    with pytest.raises(VerificationError, match="lacks its subject"):
        parse_beef(raw[:4] + bytes.fromhex(STRANGER.txid)[::-1] + raw[36:])
    with pytest.raises(VerificationError, match="lacks transaction"):
        WHOLE.to_atomic(STRANGER.txid)


def test_an_empty_beef_has_no_subject():
    with pytest.raises(VerificationError, match="no transaction"):
        Beef().subject_or_last()
    assert Beef().subject_or_last(ROOT.txid) == ROOT.txid


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "too early"),
        (bytes.fromhex("0300beef0000"), "not a BEEF"),
        (bytes.fromhex("01010101") + bytes(32) + bytes.fromhex("01010101") + bytes(40), "not a BEEF"),
        (bytes.fromhex("0200beef0001") + b"\x03" + STRANGER.raw, "unknown form 3"),
        (bytes.fromhex("0100beef0001") + STRANGER.raw + b"\x02", "unknown flag 2"),
        (bytes.fromhex("0200beefffffffffffffffffff"), "announces"),
        (bytes.fromhex("0200beef00ffffffffffffffffff"), "announces"),
    ],
)
def test_what_is_no_beef_is_refused(data, fault):
    with pytest.raises(VerificationError, match=fault):
        parse_beef(data)


@given(beefs(), st.data())
def test_a_cut_beef_is_refused_and_so_is_one_with_more_behind_it(beef, data):
    raw = beef.to_bytes()
    with pytest.raises(VerificationError):
        parse_beef(raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(VerificationError):
        parse_beef(raw + b"\0")


@given(beefs(), st.data())
def test_a_damaged_beef_is_refused_or_read_and_nothing_else(beef, data):
    damaged = bytearray(beef.to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        again, _ = parse_beef(bytes(damaged))
    except VerificationError:
        return
    assert is_topological(again)


@given(st.sampled_from(["0100beef", "0200beef", "01010101"]).map(bytes.fromhex), st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else(magic, data):
    try:
        parse_beef(magic + data)
    except VerificationError:
        return


def test_the_limits_are_kept():
    raw = WHOLE.to_bytes()
    assert parse_beef(raw, max_bytes=len(raw), max_transactions=4) == (WHOLE, None)
    with pytest.raises(VerificationError, match="more than 3"):
        parse_beef(raw, max_transactions=3)
    with pytest.raises(VerificationError, match="bytes, more than"):
        parse_beef(raw, max_bytes=len(raw) - 1)


def test_a_long_chain_and_a_wide_family_are_read_in_any_order():
    chain = [transaction(filler("coin", 0))]
    for _ in range(3_000):
        chain.append(transaction(chain[-1].txid, chain[len(chain) // 2].txid))
    wide = transaction(*(tx.txid for tx in chain))
    entries = [BeefTx(tx) for tx in [*chain, wide]]
    random.Random(7).shuffle(entries)
    raw = b"".join(
        (bytes.fromhex("0200beef00"), varint(len(entries)), *(b"\0" + entry.transaction.raw for entry in entries))
    )
    beef, _ = parse_beef(raw)
    assert list(beef.transactions) == [tx.txid for tx in [*chain, wide]]
