"""The life of one apply, as the journal records it: an enum and a table.

Every transition is written before the effect that it names, so that whatever kills the process, the journal says what may
have happened (DESIGN §4.3, PROTOCOL §4).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from reconciler.model.errors import StateError


class JournalState(StrEnum):
    """Where an apply stands."""

    PREPARED = "prepared"
    """Signed and written down with every coin it locks; nothing has left this machine."""
    SENDING = "sending"
    """Some byte may have left."""
    SUBMITTED = "submitted"
    """ARC has taken the transactions."""
    SEEN = "seen"
    """The network has seen them: the commit point. Hosts are told from here on."""
    MINED = "mined"
    """Proven by a block."""
    CONTESTED = "contested"
    """ARC reports a conflict, or an orphan whose parents are mined; coins stay locked until it is certain who won."""
    REFUSED = "refused"
    """Whoever was given it has judged it and does not know it, but nobody can prove that it went nowhere.

    Its coins may be spent again: whatever spends one of them conflicts with it, so that at most one of the two is ever mined.
    """
    VOID = "void"
    """Lost to a conflicting spend that is mined, or certain never to have been sent; its coins are free again."""


class JournalEvent(StrEnum):
    """What moves an entry on."""

    PREPARE = "prepare"
    """The very transaction that was given up unsent is made again: same coins, same bytes, same id."""
    REPEAT = "repeat"
    """The same for one whose bytes have left before, or that somebody turns out to have after all."""
    SEND = "send"
    ACCEPT = "accept"
    SEE = "see"
    MINE = "mine"
    CONTEST = "contest"
    ABANDON = "abandon"
    """Given up before anything was sent."""
    LOSE = "lose"
    """A conflicting spend is mined."""
    REFUSE = "refuse"
    """Every ARC that was ever given it said no, and none knows it."""
    REORG = "reorg"
    """The block that proved it is gone."""


class EntryRole(StrEnum):
    """What an entry is to its apply. Declared in the order in which they are sent."""

    SPLITTER = "splitter"
    """Publishes nothing, and stays valid should the rest be void."""
    POUCH = "pouch"
    """The same."""
    PAYMENT = "payment"
    """Pays a storage host or a gateway, which is given it first. Nothing builds upon it, and no apply waits for it."""
    LOCK = "lock"
    """Once it has left, the root is pending, and the rest of its set must follow."""
    BATCH = "batch"
    ROOT = "root"
    """Publishes."""
    FOLLOWER = "follower"
    """Followed a root that has lost, had left before, and is valid by itself."""


_S, _E = JournalState, JournalEvent

TRANSITIONS: Final = {
    (_S.VOID, _E.PREPARE): _S.PREPARED,
    (_S.PREPARED, _E.SEND): _S.SENDING,
    (_S.PREPARED, _E.ABANDON): _S.VOID,
    (_S.SENDING, _E.ACCEPT): _S.SUBMITTED,
    (_S.SENDING, _E.SEE): _S.SEEN,
    (_S.SENDING, _E.MINE): _S.MINED,
    (_S.SENDING, _E.CONTEST): _S.CONTESTED,
    (_S.SENDING, _E.REFUSE): _S.REFUSED,
    (_S.SUBMITTED, _E.SEE): _S.SEEN,
    (_S.SUBMITTED, _E.MINE): _S.MINED,
    (_S.SUBMITTED, _E.CONTEST): _S.CONTESTED,
    (_S.SEEN, _E.MINE): _S.MINED,
    (_S.SEEN, _E.CONTEST): _S.CONTESTED,
    (_S.MINED, _E.REORG): _S.SEEN,
    (_S.CONTESTED, _E.SEE): _S.SEEN,
    (_S.CONTESTED, _E.MINE): _S.MINED,
    (_S.CONTESTED, _E.LOSE): _S.VOID,
    (_S.REFUSED, _E.REPEAT): _S.SENDING,
    (_S.REFUSED, _E.LOSE): _S.VOID,
    (_S.REFUSED, _E.MINE): _S.MINED,
    (_S.VOID, _E.REPEAT): _S.SENDING,
    (_S.VOID, _E.MINE): _S.MINED,  # the block in which it lost is gone, and another has it
}

UNFINISHED: Final = frozenset({_S.PREPARED, _S.SENDING, _S.SUBMITTED, _S.CONTESTED})
"""States that the next apply must finish or void before it plans."""

COMMITTED: Final = frozenset({_S.SEEN, _S.MINED})
"""States in which the published state is that of this entry."""


GIVEN_UP: Final = frozenset({_S.REFUSED, _S.VOID})
"""States in which an entry holds no coin; a proof alone brings it back."""


def advance(state: JournalState, event: JournalEvent) -> JournalState:
    """The state after `event`. Raises StateError for a move that the table does not know."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise StateError(f"a journal entry that is {state} cannot {event}") from None
