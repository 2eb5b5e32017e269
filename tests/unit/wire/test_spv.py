from __future__ import annotations

import time
from dataclasses import replace
from hashlib import sha256

import pytest
from bsv.keys import PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.model.amounts import MAX_SATOSHIS, Satoshis
from reconciler.model.ids import Outpoint, Txid, identity_key
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.merkle import path_of
from reconciler.wire.script import p2pkh, push, unlock_p2pkh
from reconciler.wire.sighash import Commitments
from reconciler.wire.spend import Spending
from reconciler.wire.spv import Limits, SpvError, SpvFault, Verified, roots_of, verify, verify_all
from reconciler.wire.transaction import FINAL, Transaction, TxInput, TxOutput, double_sha256

HEIGHT, NOW = 900, 1_700_000_000
KEY = PrivateKey(sha256(b"test_spv").digest())
OWNER = identity_key(KEY.public_key().serialize())
LOCK = p2pkh(OWNER)


def filler(name):
    return Txid(sha256(str(name).encode()).hexdigest())


def coin(*amounts, name="coin", locking=LOCK):
    """A transaction out of nowhere: good for something only where it is proven."""
    return Transaction(
        (TxInput(Outpoint(filler(name), 0)),), tuple(TxOutput(Satoshis(amount), locking) for amount in amounts)
    )


def spend(coins, amounts, *, sequence=FINAL, lock_time=0, sign=True, locking=LOCK):
    """A transaction that spends `(parent, vout)` pairs, properly signed."""
    bare = Transaction(
        tuple(TxInput(parent.outpoint(vout), b"", sequence) for parent, vout in coins),
        tuple(TxOutput(Satoshis(amount), locking) for amount in amounts),
        1,
        lock_time,
    )
    if not sign:
        return bare
    commitments = Commitments(bare)
    return replace(
        bare,
        inputs=tuple(
            replace(
                spending, unlocking=unlock_p2pkh(KEY.sign(commitments.preimage(index, parent.outputs[vout])), OWNER)
            )
            for index, (spending, (parent, vout)) in enumerate(zip(bare.inputs, coins, strict=True))
        ),
    )


def beef(proven, *unproven, known=()):
    """Each of `proven` in a block of its own."""
    paths = [path_of([filler(f"block {place}"), tx.txid], [1], 100 + place) for place, tx in enumerate(proven)]
    entries = [BeefTx(tx, place) for place, tx in enumerate(proven)]
    return Beef.of(paths, [*entries, *(BeefTx(tx) for tx in unproven)], known)


def check(bundle, subject, **changed):
    given = {"roots": dict(roots_of(bundle)), "height": HEIGHT, "now": NOW} | changed
    return verify(bundle, subject.txid, **given)


def fault_of(bundle, subject, **changed):
    with pytest.raises(SpvError) as refused:
        check(bundle, subject, **changed)
    return refused.value.fault


# what is accepted


def test_a_signed_child_of_a_proven_parent_stands():
    parent = coin(1000, 2000)
    child = spend([(parent, 1), (parent, 0)], [2999])
    assert check(beef([parent], child), child) == Verified(child, (parent.outputs[1], parent.outputs[0]), proven=False)


def test_a_proven_transaction_needs_neither_ancestry_nor_valid_scripts():
    alone = coin(1000)
    assert check(beef([alone]), alone) == Verified(alone, (), proven=True)
    parent = coin(5)
    unsigned = spend([(parent, 0)], [1_000_000], sign=False)
    bundle = beef([unsigned], parent)
    assert check(bundle, unsigned) == Verified(unsigned, parent.outputs, proven=True)


def test_what_the_subject_does_not_need_is_not_looked_at():
    parent = coin(1000)
    child = spend([(parent, 0)], [1])
    rival = spend([(parent, 0)], [5_000], sign=False)
    bundle = beef([parent], child, rival)
    assert not check(bundle, child).proven
    assert fault_of(bundle, rival) == SpvFault.INFLATED


def test_a_coinbase_transaction_counts_where_it_is_proven():
    minted = Transaction((TxInput(Outpoint(Txid("00" * 32), 0xFFFFFFFF), b"\x51"),), (TxOutput(Satoshis(50), LOCK),))
    other = replace(minted, lock_time=1)
    child = spend([(minted, 0), (other, 0)], [100])
    assert check(beef([minted, other], child), child).spent == (*minted.outputs, *other.outputs)
    assert fault_of(beef([other], minted, child), child) == SpvFault.COINBASE


def test_roots_may_be_asked_for_one_by_one():
    parent = coin(1000)
    child = spend([(parent, 0)], [1])
    bundle = beef([parent], child)
    known = dict(roots_of(bundle))
    asked = []
    check(bundle, child, roots=lambda height: asked.append(height) or known.get(height))
    assert asked == [100]


@pytest.mark.parametrize(
    ("lock_time", "final"),
    [
        (0, True),
        (HEIGHT, True),
        (HEIGHT + 1, False),
        (499_999_999, False),
        (500_000_000, True),
        (NOW - 1, True),
        (NOW, False),
    ],
)
def test_a_lock_time_holds_until_the_next_block_could_take_it(lock_time, final):
    parent = coin(1000)
    waiting = spend([(parent, 0)], [1], sequence=0, lock_time=lock_time)
    if final:
        check(beef([parent], waiting), waiting)
    else:
        assert fault_of(beef([parent], waiting), waiting) == SpvFault.NOT_FINAL


def test_a_lock_time_means_nothing_where_all_inputs_are_final():
    parent = coin(1000)
    child = spend([(parent, 0)], [1], lock_time=NOW + 1000)
    check(beef([parent], child), child)


# what is not


def test_a_subject_that_is_not_there_is_refused():
    parent = coin(1000)
    assert fault_of(beef([parent]), coin(1)) == SpvFault.SUBJECT_MISSING
    assert fault_of(beef([parent], known=[coin(1).txid]), coin(1)) == SpvFault.SUBJECT_MISSING


def test_an_unproven_transaction_without_its_parents_is_refused():
    parent, other = coin(1000), coin(5, name="other")
    child = spend([(parent, 0), (other, 0)], [1])
    assert fault_of(beef([parent], child), child) == SpvFault.PARENT_MISSING
    assert fault_of(beef([], parent), parent) == SpvFault.PARENT_MISSING


def test_a_txid_alone_proves_nothing():
    parent = coin(1000)
    child = spend([(parent, 0)], [1])
    assert fault_of(beef([], child, known=[parent.txid]), child) == SpvFault.PARENT_KNOWN_ONLY


def test_an_output_that_does_not_exist_cannot_be_spent():
    parent = coin(1000)
    child = spend([(parent, 1)], [1], sign=False)
    assert fault_of(beef([parent], child), child) == SpvFault.OUTPUT_MISSING


def test_a_proof_that_leads_elsewhere_is_an_error_even_where_the_ancestry_is_good():
    grandparent = coin(1000)
    parent = spend([(grandparent, 0)], [900])
    child = spend([(parent, 0)], [1])
    good = beef([grandparent], parent, child)
    bundle = merge([good, beef([coin(1, name="shift"), parent])])
    roots = dict(roots_of(bundle))
    check(bundle, child)
    assert fault_of(bundle, child, roots=roots | {101: filler("another root")}) == SpvFault.BAD_PROOF
    del roots[101]
    assert fault_of(bundle, child, roots=roots) == SpvFault.UNKNOWN_BLOCK


def test_two_hashes_dressed_up_as_a_transaction_are_refused():
    """An inner node of a real tree has 64 bytes, and some 64 bytes are a transaction."""
    fake = Transaction((TxInput(Outpoint(filler("any"), 0)),), (TxOutput(Satoshis(10**6), bytes(4)),))
    assert len(fake.raw) == 64
    left, right = fake.raw[:32], fake.raw[32:]
    block = [Txid(half[::-1].hex()) for half in (left, right)]
    real_root = path_of(block, [0], 100).block_root
    assert double_sha256(fake.raw)[::-1].hex() == real_root == fake.txid
    bundle = Beef.of([path_of([fake.txid], [0], 100)], [BeefTx(fake, 0)])
    assert fault_of(bundle, fake, roots={100: real_root}) == SpvFault.BAD_PROOF


def test_outputs_above_inputs_are_refused():
    parent = coin(1000)
    assert fault_of(beef([parent], spend([(parent, 0)], [1001])), spend([(parent, 0)], [1001])) == SpvFault.INFLATED


@pytest.mark.parametrize("amounts", [[MAX_SATOSHIS + 1], [2**64 - 1], [MAX_SATOSHIS, 1]])
def test_amounts_that_cannot_exist_are_refused_one_by_one_and_in_sum(amounts):
    rich = coin(*amounts)
    child = spend([(rich, vout) for vout in range(len(amounts))], [1])
    assert fault_of(beef([rich], child), child) == SpvFault.AMOUNT
    parent = coin(1000)
    paying = spend([(parent, 0)], amounts)
    assert fault_of(beef([parent], paying), paying) == SpvFault.AMOUNT


def test_an_outpoint_spent_twice_in_one_transaction_is_refused():
    parent = coin(1000)
    child = spend([(parent, 0), (parent, 0)], [1500])
    assert fault_of(beef([parent], child), child) == SpvFault.SPENT_TWICE


def test_an_outpoint_spent_twice_among_the_ancestors_is_refused():
    parent = coin(1000, 5)
    one, two = spend([(parent, 0)], [900]), spend([(parent, 0), (parent, 1)], [800])
    child = spend([(one, 0), (two, 0)], [1700])
    assert fault_of(beef([parent], one, two, child), child) == SpvFault.SPENT_TWICE
    assert fault_of(beef([parent, one], two, child), child) == SpvFault.SPENT_TWICE


def test_a_transaction_that_spends_or_pays_nothing_is_refused():
    parent = coin(1000)
    paying_nothing = spend([(parent, 0)], [])
    spending_nothing = Transaction((), (TxOutput(Satoshis(0), LOCK),))
    assert fault_of(beef([parent], paying_nothing), paying_nothing) == SpvFault.EMPTY
    assert fault_of(beef([], spending_nothing), spending_nothing) == SpvFault.EMPTY


def test_an_input_that_is_not_unlocked_is_refused_and_named():
    parent = coin(1000, 1000)
    child = spend([(parent, 0), (parent, 1)], [1])
    swapped = replace(child, inputs=(child.inputs[0], replace(child.inputs[1], unlocking=child.inputs[0].unlocking)))
    with pytest.raises(SpvError, match=f"input 1 of {swapped.txid}: its scripts fail: .*signature") as refused:
        check(beef([parent], swapped), swapped)
    assert refused.value.fault == SpvFault.SCRIPT


def test_a_script_hash_output_cannot_be_spent_by_knowing_the_script():
    redeem = b"\x51"
    old = coin(1000, locking=bytes.fromhex("a914da1745e9b549bd0bfa1a569971c77eba30cd5a4b87"))
    child = replace(
        spend([(old, 0)], [1], sign=False), inputs=(TxInput(old.outpoint(0), push(redeem + b"\x61")[:1] + redeem),)
    )
    assert fault_of(beef([old], child), child) == SpvFault.SCRIPT


def test_a_hostile_script_runs_into_its_limit():
    bomb = coin(1000, locking=bytes.fromhex("51" + "767e" * 40 + "7551"))
    child = spend([(bomb, 0)], [1], sign=False)
    assert fault_of(beef([bomb], child), child) == SpvFault.LIMIT


def test_the_limits_are_kept():
    chain = [coin(1000)]
    for _ in range(5):
        chain.append(spend([(chain[-1], 0)], [1000]))
    bundle, subject = beef(chain[:1], *chain[1:]), chain[-1]
    size = sum(len(tx.raw) for tx in chain)
    check(bundle, subject, limits=Limits(bytes=size, transactions=6, depth=5))
    for limits in (Limits(bytes=size - 1), Limits(transactions=5), Limits(depth=4), Limits(bytes=0)):
        assert fault_of(bundle, subject, limits=limits) == SpvFault.LIMIT


# what it costs


def ladder(generations, width):
    """Honest tokens: each generation spends all of the last one."""
    rungs = [coin(*[1000] * width)]
    for _ in range(generations):
        rungs.append(spend([(rungs[-1], vout) for vout in range(width)], [1000] * width))
    return rungs


def test_thirty_generations_of_thirty_tokens_are_checked_once_each():
    rungs = ladder(30, 30)
    bundle = beef(rungs[:1], *rungs[1:])
    started = time.process_time()
    check(bundle, rungs[-1])
    assert time.process_time() - started < 2  # once each takes 0.1 s; once per path would be 30^30


def test_a_hundred_inputs_and_a_hundred_outputs_cost_no_more_than_their_number():
    parent = coin(*[1000] * 400)
    costs = []
    for width in (100, 400):
        child = spend([(parent, vout) for vout in range(width)], [1] * width)
        bundle = beef([parent], child)
        started = time.process_time()
        check(bundle, child)
        costs.append(time.process_time() - started)
    assert costs[1] < 10 * costs[0]


# families of any shape


@st.composite
def families(draw):
    """Honest transactions that spend each other's outputs: chains, ladders, diamonds. The last one gathers all ends."""
    roots = [coin(*[1000] * 3, name=f"root {number}") for number in range(draw(st.integers(1, 2)))]
    unspent = [(root, vout) for root in roots for vout in range(3)]
    family = []
    for _ in range(draw(st.integers(0, 5))):
        count = draw(st.integers(1, min(3, len(unspent))))
        coins = [unspent.pop(draw(st.integers(0, len(unspent) - 1))) for _ in range(count)]
        total = sum(parent.outputs[vout].satoshis for parent, vout in coins)
        parts = draw(st.integers(1, 3))
        tx = spend(coins, [total // parts] * parts)
        family.append(tx)
        unspent += [(tx, vout) for vout in range(parts)]
    total = sum(parent.outputs[vout].satoshis for parent, vout in unspent)
    return roots, [*family, spend(unspent, [total])]


families_checked = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@families_checked
@given(families())
def test_an_honest_family_stands(made):
    roots, family = made
    bundle = beef(roots, *family)
    for tx in family:
        verified = check(bundle, tx)
        assert len(verified.spent) == len(tx.inputs)
        assert sum(output.satoshis for output in verified.spent) >= sum(output.satoshis for output in tx.outputs)


@families_checked
@given(families(), st.data())
def test_a_family_with_one_member_spoilt_falls(made, data):
    """The last member needs all others, so whatever is done to one of them shows."""
    roots, family = made
    honest, subject = beef(roots, *family), family[-1]
    spoil = data.draw(st.sampled_from([drop, unprove, misprove, lengthen]))
    with pytest.raises(SpvError):
        spoil(honest, subject, data)


def drop(honest, subject, data):
    victim = data.draw(st.sampled_from([txid for txid in honest.transactions if txid != subject.txid]))
    rest = {txid: entry for txid, entry in honest.transactions.items() if txid != victim}
    check(Beef(honest.bumps, rest, data.draw(st.sampled_from([frozenset(), frozenset({victim})]))), subject)


def unprove(honest, subject, data):
    victim = data.draw(st.sampled_from([txid for txid, entry in honest.transactions.items() if entry.bump is not None]))
    entries = {
        txid: BeefTx(entry.transaction, None if txid == victim else entry.bump)
        for txid, entry in honest.transactions.items()
    }
    check(Beef(honest.bumps, entries), subject)


def misprove(honest, subject, data):
    height, _ = data.draw(st.sampled_from(sorted(roots_of(honest))))
    check(honest, subject, roots=dict(roots_of(honest)) | {height: filler("another root")})


def lengthen(honest, subject, data):
    """A child that also spends, inflates or signs what it must not."""
    victims = [
        (entry.transaction, spent.outpoint)
        for entry in honest.transactions.values()
        if entry.bump is None
        for spent in entry.transaction.inputs
    ]
    _, outpoint = data.draw(st.sampled_from(victims))
    parent = honest.transactions[outpoint.txid].transaction
    coins = [(subject, 0), (parent, outpoint.vout)]
    child = spend(coins, [1], sign=data.draw(st.booleans()))
    check(merge([honest, Beef.of([], [BeefTx(child)])]), child)


scripts = st.binary(max_size=40) | st.lists(
    st.sampled_from([b"\x51", b"\x00", b"\x76", b"\xac", b"\x7e", b"\x80"]), max_size=9
).map(b"".join)


@settings(deadline=None)
@given(scripts, scripts)
def test_whatever_the_scripts_only_an_spv_error_comes_out(locking, unlocking):
    parent = coin(1000, 0, locking=locking)
    child = replace(spend([(parent, 0)], [1], sign=False), inputs=(TxInput(parent.outpoint(0), unlocking),))
    faults = set()
    try:
        check(beef([parent], child), child)
    except SpvError as refused:
        faults.add(refused.fault)
    assert faults <= {SpvFault.SCRIPT, SpvFault.LIMIT}


# several subjects of one BEEF


def check_all(bundle, *subjects):
    txids = [subject.txid for subject in subjects]
    return verify_all(bundle, txids, roots=dict(roots_of(bundle)), height=HEIGHT, now=NOW)


def test_what_subjects_share_is_checked_once(monkeypatch):
    runs = []
    run = Spending.check
    monkeypatch.setattr(Spending, "check", lambda self, *given: runs.append(self.transaction) or run(self, *given))
    parent = coin(1000)
    trunk = spend([(parent, 0)], [10] * 20)
    branches = [spend([(trunk, vout)], [9]) for vout in range(20)]
    joined = spend([(branch, 0) for branch in branches], [100])
    bundle = beef([parent], trunk, *branches, joined)

    found = check_all(bundle, *branches, joined)

    assert [each.transaction for each in found] == [*branches, joined]
    assert [len(each.spent) for each in found] == [1] * 20 + [20]
    assert (runs.count(trunk), len(runs)) == (1, 1 + 20 + 20)


def test_each_of_several_subjects_is_judged_as_if_it_were_alone():
    parent = coin(1000)
    first, second = (spend([(parent, 0)], [amount]) for amount in (1, 2))
    both = spend([(first, 0), (second, 0)], [3])
    bundle = beef([parent], first, second, both)

    assert [each.transaction for each in check_all(bundle, first, second)] == [first, second]
    with pytest.raises(SpvError) as refused:
        check_all(bundle, first, second, both)
    assert refused.value.fault == SpvFault.SPENT_TWICE


def test_a_bad_ancestor_fails_whoever_needs_it():
    parent = coin(1000)
    bad = spend([(parent, 0)], [900], sign=False)
    heir = spend([(bad, 0)], [1])
    bundle = beef([parent], bad, heir)
    for subjects in ((bad, heir), (heir, bad)):
        with pytest.raises(SpvError) as refused:
            check_all(bundle, *subjects)
        assert refused.value.fault == SpvFault.SCRIPT
