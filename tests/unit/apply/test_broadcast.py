"""What each status of ARC means in each state of the journal."""

from __future__ import annotations

from itertools import product

import pytest

from reconciler.apply.broadcast import meaning
from reconciler.model.ids import Txid
from reconciler.model.journal import JournalState, advance
from reconciler.wire.arc import STANDINGS, TxReport, TxStatus

S = JournalState
_TAKEN = {S.SENDING: S.SUBMITTED}
_SEEN = {S.SENDING: S.SEEN, S.SUBMITTED: S.SEEN, S.CONTESTED: S.SEEN}
_IN_DOUBT = {S.SENDING: S.CONTESTED, S.SUBMITTED: S.CONTESTED}
_JUDGED = {S.SUBMITTED: S.CONTESTED}

EXPECTED = {
    TxStatus.UNKNOWN: {},
    TxStatus.QUEUED: _TAKEN,
    TxStatus.RECEIVED: _TAKEN,
    TxStatus.STORED: _TAKEN,
    TxStatus.ANNOUNCED_TO_NETWORK: _TAKEN,
    TxStatus.REQUESTED_BY_NETWORK: _TAKEN,
    TxStatus.SENT_TO_NETWORK: _TAKEN,
    TxStatus.ACCEPTED_BY_NETWORK: _TAKEN,
    TxStatus.SEEN_IN_ORPHAN_MEMPOOL: _IN_DOUBT,
    TxStatus.SEEN_ON_NETWORK: _SEEN,
    TxStatus.DOUBLE_SPEND_ATTEMPTED: _IN_DOUBT,
    TxStatus.REJECTED: _IN_DOUBT,
    TxStatus.MINED_IN_STALE_BLOCK: _TAKEN,
    TxStatus.MINED: _SEEN,  # the commit point; mined only with the proof in hand
    TxStatus.INVALID: _JUDGED,
    TxStatus.MALFORMED: _JUDGED,
}
"""By status, the states that an entry leaves, each with the one it goes to; in any other it stays. Never void."""


def test_every_status_of_arc_has_its_row():
    assert set(EXPECTED) == set(TxStatus) == set(STANDINGS)


@pytest.mark.parametrize(("status", "state"), list(product(TxStatus, JournalState)))
def test_a_report_moves_an_entry_as_the_table_says_and_never_voids_it(status, state):
    report = TxReport(txid=Txid("ab" * 32), status=status)
    event = meaning(state, report.standing)
    assert (state if event is None else advance(state, event)) is EXPECTED[status].get(state, state)


@pytest.mark.parametrize(("status", "state"), list(product([TxStatus.INVALID, TxStatus.MALFORMED], JournalState)))
def test_only_what_was_never_taken_is_refused_and_only_when_all_have_judged_it(status, state):
    event = meaning(state, STANDINGS[status], is_nowhere=True)
    after = state if event is None else advance(state, event)
    assert after is (S.REFUSED if state is S.SENDING else _JUDGED.get(state, state))


@pytest.mark.parametrize("status", [TxStatus.SEEN_ON_NETWORK, TxStatus.STORED])
def test_an_orphan_in_words_is_in_doubt_whatever_the_status(status):
    report = TxReport(txid=Txid("ab" * 32), status=status, extra_info="missing inputs: orphan")
    assert advance(S.SENDING, meaning(S.SENDING, report.standing)) is S.CONTESTED
