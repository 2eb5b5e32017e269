"""The catalogue of faults is complete, and a sample of the long run (`python -m tests.faults.long`) goes through."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from reconciler.apply.events import Step
from reconciler.control.world import World
from reconciler.model.journal import JournalState
from reconciler.store.coins import Coins
from tests.faults.answers import DOUBTS, INSTEAD, LIES
from tests.faults.catalogue import (
    DEMANDED,
    FIELDS,
    KINDS,
    SILENT,
    TOLD,
    Fault,
    Injection,
    Kinds,
    Moment,
    Peer,
    Place,
    everything,
    peer_of,
)
from tests.faults.long import Case, Quota, ViolatedError, play, smallest, table
from tests.faults.scenario import LEADING, Struck

REACHED = {
    JournalState.PREPARED: "by every apply",
    JournalState.SENDING: "by every apply",
    JournalState.SEEN: "by every apply",
    JournalState.MINED: "by the first apply after a block",
    **dict.fromkeys(LEADING, "by other faults"),
}
"""How an entry gets into each state of the journal, so that a fault can meet it there."""

SAMPLE = Case(
    "sample",
    (
        (
            Injection(Fault.LOST, Moment(Kinds.REQUEST, Peer.FAUCET, 0)),
            Injection(Fault.KILL, Moment(Kinds.STATE, JournalState.SENDING)),
        ),
        (
            Injection(Fault.TIME_OUT, Moment(Kinds.STATE, JournalState.SUBMITTED)),
            Injection(Fault.DISK_FULL, Moment(Kinds.STATE, JournalState.PREPARED)),
        ),
        (
            Injection(Fault.RIVAL_MINED, Moment(Kinds.STATE, JournalState.PREPARED)),
            Injection(Fault.HIDES, Moment(Kinds.REQUEST, Peer.HOST, 0)),
            Injection(Fault.DUPLICATED, Moment(Kinds.REQUEST, Peer.STORAGE, 0)),
        ),
        (
            Injection(Fault.FORGOTTEN, Moment(Kinds.STATE, JournalState.SEEN)),
            Injection(Fault.ERROR_503, Moment(Kinds.STATE, JournalState.CONTESTED)),
            Injection(Fault.RESET, Moment(Kinds.START)),
        ),
        (
            Injection(Fault.IO_ERROR, Moment(Kinds.STATE, JournalState.VOID)),
            Injection(Fault.WRONG_PROOF, Moment(Kinds.REQUEST, Peer.HOST, 1)),
        ),
        (
            Injection(Fault.CACHE_FULL, Moment(Kinds.START)),
            Injection(Fault.KILL_AFTER_COMMIT, Moment(Kinds.STATE, JournalState.MINED)),
            Injection(Fault.TORN, Moment(Kinds.REQUEST, Peer.ARC, 1)),
        ),
    ),
)


def test_every_fault_can_be_made_and_befalls_somebody():
    assert set(KINDS) == set(Fault)
    assert {each.fault for each in everything()} == set(Fault)
    assert {each for each, kind in KINDS.items() if kind.place is Place.ANSWER} >= {*INSTEAD, *DOUBTS, *LIES}


def test_every_state_of_the_journal_is_reached_and_lives_through_what_is_demanded():
    assert set(REACHED) == set(JournalState)
    found = {(each.moment.of, each.fault) for each in everything() if each.moment.kind is Kinds.STATE}
    assert found >= {(state, fault) for state in JournalState for faults in DEMANDED.values() for fault in faults}


def test_every_step_of_an_apply_has_its_kill_or_says_where_it_is():
    assert set(TOLD) | set(SILENT) == set(Step)
    assert not set(TOLD) & set(SILENT)


def test_every_peer_of_the_world_fails_in_every_way():
    names = {field.name for field in dataclasses.fields(World)} - {"network", "http", "strangers"}
    assert set(FIELDS) == names
    assert {*FIELDS.values(), Peer.STORAGE} == set(Peer)
    found = {(each.moment.of, each.fault) for each in everything() if each.moment.kind is Kinds.REQUEST}
    assert found >= {
        (peer, fault) for fault, kind in KINDS.items() if kind.place is Place.ANSWER for peer in kind.peers
    }


def test_a_peer_that_the_catalogue_does_not_know_is_noticed():
    assert peer_of("http://storage-eu.embedded/upload") is Peer.STORAGE
    with pytest.raises(KeyError):
        peer_of("http://oracle.embedded/")


def test_injections_and_cases_survive_being_written_down():
    for each in everything():
        assert Injection.parse(str(each)) == each
    assert Case.parse(str(SAMPLE)) == SAMPLE


def test_all_of_the_catalogue_comes_before_any_of_it_comes_twice():
    quota = Quota(1)
    drawn: Counter[Injection] = Counter()
    while quota.missing:
        for number in range(6):
            faults = quota.draw(number)
            drawn.update(faults)
            quota.note(faults, [Struck(each, "done") for each in faults])
    assert set(drawn) == set(everything())


def test_a_violation_is_traced_to_the_faults_that_matter(monkeypatch):
    def broken(case: Case, *_: object) -> None:
        if SAMPLE.rounds[3][0] in case.rounds[3]:
            raise ViolatedError(case, "broken", ())

    monkeypatch.setattr("tests.faults.long.play", broken)
    assert smallest(SAMPLE).rounds == ((), (), (), (SAMPLE.rounds[3][0],), (), ())


def test_a_seen_apply_that_a_double_spend_undid_leaves_one_root():
    undone = Injection(Fault.DOUBLE_SPEND, Moment(Kinds.STATE, JournalState.SEEN))
    play(Case("undone", ((), (), (undone,))))


def test_a_coin_that_nobody_frees_is_noticed(monkeypatch):
    async def forget(*_: object) -> None:
        return None

    monkeypatch.setattr(Coins, "free", forget)
    given_up = Injection(Fault.KILL, Moment(Kinds.STATE, JournalState.PREPARED))
    with pytest.raises(ViolatedError, match="locked"):
        play(Case("forgetful", ((), (given_up,))))


@pytest.mark.long
def test_a_sample_of_the_long_run_goes_through():
    struck: list[Struck] = []
    play(SAMPLE, note=lambda _, found: struck.extend(found))
    assert {each.injection for each in struck} >= {each for faults in SAMPLE.rounds for each in faults}, table(struck)
