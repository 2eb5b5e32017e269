"""Every fault that is injected, at every moment where it can happen: closed vocabularies, and tables over them.

What must be tried follows from the states of the journal, the steps of an apply and the peers of the world: a new one of these
without its faults fails the suite (test_long.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self
from urllib.parse import urlsplit

from reconciler.apply.events import Step
from reconciler.model.journal import JournalState


class Peer(StrEnum):
    """Whom an apply speaks to. On the embedded network the first four are one server with four faces."""

    ARC = "arc"
    HEADERS = "headers"
    INDEX = "index"
    FAUCET = "faucet"
    HOST = "host"
    OWN = "own"
    STORAGE = "storage"


FIELDS: Final = {
    "arc": Peer.ARC,
    "headers": Peer.HEADERS,
    "index": Peer.INDEX,
    "faucet": Peer.FAUCET,
    "outside": Peer.HOST,
    "own": Peer.OWN,
}
"""Which field of control.world.World leads to whom; storage hosts are named by the manifests."""

_FACES: Final = {
    "v1": Peer.ARC,
    "block": Peer.HEADERS,
    "address": Peer.INDEX,
    "tx": Peer.INDEX,
    "faucet": Peer.FAUCET,
}


def peer_of(url: str) -> Peer:
    """Whose request this is. Raises ValueError for a peer that the catalogue does not know."""
    parts = urlsplit(url)
    name = parts.netloc.removesuffix(".embedded")
    if name == "arc":
        return _FACES[parts.path.split("/")[1]]
    if name.startswith("storage-"):
        return Peer.STORAGE
    return {"public": Peer.HOST, "own": Peer.OWN}[name]


class Fault(StrEnum):
    """What goes wrong."""

    ERROR_500 = "500"
    ERROR_503 = "503"
    TIME_OUT = "time-out"
    DROPPED = "dropped request"
    LOST = "lost answer"
    TORN = "torn answer"
    DUPLICATED = "duplicated request"
    LATE_COPY = "late copy of an earlier request"
    DELAYED = "delayed request"
    OLD = "old answer"
    NOT_JSON = "not JSON"
    TRUNCATED = "truncated answer"
    WRONG_TYPE = "answer of another type"
    HUGE = "huge answer"

    UNSEEN = "ARC has not seen it"
    CONTESTED = "ARC reports a conflict"
    ORPHANED = "ARC reports an orphan"
    REJECTED = "ARC reports a miner's no"
    UNKNOWN = "ARC does not know it"
    REFUSED = "ARC refuses it"
    UNAUTHORIZED = "ARC refuses us"

    LISTS_NOTHING = "host lists nothing"
    NO_SERVICE = "host lists no topic or service"
    HIDES = "host hides a record"
    FOREIGN = "host shows a foreign record"
    WRONG_PROOF = "host shows a wrong proof"
    WRONG_DOCUMENT = "host shows a wrong document"

    KILL = "kill"
    KILL_BEFORE_REQUEST = "kill before a request"
    KILL_AFTER_REQUEST = "kill after a request"
    KILL_BEFORE_COMMIT = "kill before a commit"
    KILL_AFTER_COMMIT = "kill after a commit"

    DISK_FULL = "disk full"
    IO_ERROR = "I/O error"
    COMMIT_FAILS = "failed commit"
    COMMIT_UNHEARD = "commit unheard"
    CACHE_FULL = "cache on a full disk"

    REORG = "reorg, mined again"
    REORG_TO_POOL = "reorg, waiting again"
    FORGOTTEN = "reorg, forgotten"
    DOUBLE_SPEND = "double spend, mined"
    RIVAL = "apply elsewhere"
    RIVAL_MINED = "apply elsewhere, mined"
    RESET = "reset world"


class Place(StrEnum):
    """Where a fault takes hold."""

    ANSWER = "answer"
    """Of a peer: instead of it, before it, after it, or in it."""
    PROCESS = "process"
    DISK = "disk"
    CHAIN = "chain"
    START = "start"
    """Of an apply, or not at all."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a fault is made. `peers` are those whose requests it can befall."""

    place: Place
    peers: frozenset[Peer] = frozenset(Peer)


_ANY: Final = Kind(Place.ANSWER)
_ARC: Final = Kind(Place.ANSWER, frozenset({Peer.ARC}))
_HOST: Final = Kind(Place.ANSWER, frozenset({Peer.HOST}))
_CHAIN: Final = Kind(Place.CHAIN)

KINDS: Final = {
    Fault.ERROR_500: _ANY,
    Fault.ERROR_503: _ANY,
    Fault.TIME_OUT: _ANY,
    Fault.DROPPED: _ANY,
    Fault.LOST: _ANY,
    Fault.TORN: _ANY,
    Fault.DUPLICATED: _ANY,
    Fault.LATE_COPY: Kind(Place.ANSWER, frozenset({Peer.ARC, Peer.HOST, Peer.OWN, Peer.STORAGE})),
    Fault.DELAYED: _ANY,
    Fault.OLD: Kind(Place.ANSWER, frozenset({Peer.ARC, Peer.HOST})),
    Fault.NOT_JSON: _ANY,
    Fault.TRUNCATED: _ANY,
    Fault.WRONG_TYPE: _ANY,
    Fault.HUGE: _ANY,
    Fault.UNSEEN: _ARC,
    Fault.CONTESTED: _ARC,
    Fault.ORPHANED: _ARC,
    Fault.REJECTED: _ARC,
    Fault.UNKNOWN: _ARC,
    Fault.REFUSED: _ARC,
    Fault.UNAUTHORIZED: _ARC,
    Fault.LISTS_NOTHING: _HOST,
    Fault.NO_SERVICE: _HOST,
    Fault.HIDES: _HOST,
    Fault.FOREIGN: _HOST,
    Fault.WRONG_PROOF: _HOST,
    Fault.WRONG_DOCUMENT: _HOST,
    Fault.KILL: Kind(Place.PROCESS, frozenset()),
    Fault.KILL_BEFORE_REQUEST: _ANY,
    Fault.KILL_AFTER_REQUEST: _ANY,
    Fault.KILL_BEFORE_COMMIT: Kind(Place.DISK, frozenset()),
    Fault.KILL_AFTER_COMMIT: Kind(Place.DISK, frozenset()),
    Fault.DISK_FULL: Kind(Place.DISK, frozenset()),
    Fault.IO_ERROR: Kind(Place.DISK, frozenset()),
    Fault.COMMIT_FAILS: Kind(Place.DISK, frozenset()),
    Fault.COMMIT_UNHEARD: Kind(Place.DISK, frozenset()),
    Fault.CACHE_FULL: Kind(Place.START, frozenset()),
    Fault.REORG: _CHAIN,
    Fault.REORG_TO_POOL: _CHAIN,
    Fault.FORGOTTEN: _CHAIN,
    Fault.DOUBLE_SPEND: _CHAIN,
    Fault.RIVAL: _CHAIN,
    Fault.RIVAL_MINED: _CHAIN,
    Fault.RESET: Kind(Place.START, frozenset()),
}

KILLS: Final = frozenset(fault for fault in Fault if fault.value.startswith("kill"))
"""Whoever meets one of these does not live to tell."""

DEMANDED: Final = {
    "kill": KILLS,
    "5xx": frozenset({Fault.ERROR_500, Fault.ERROR_503}),
    "time-out": frozenset({Fault.TIME_OUT}),
    "duplicate answer": frozenset({Fault.DUPLICATED, Fault.OLD}),
    "lost answer": frozenset({Fault.LOST, Fault.TORN}),
    "full disk": frozenset({Fault.DISK_FULL}),
    "reorg of the apply's block": frozenset({Fault.REORG, Fault.REORG_TO_POOL, Fault.FORGOTTEN}),
    "double spend from a second database": frozenset({Fault.RIVAL, Fault.RIVAL_MINED}),
}
"""What every state of the journal has to live through."""


class Kinds(StrEnum):
    """What a moment is counted by."""

    STATE = "state"
    """An entry of the journal has durably reached it."""
    STEP = "step"
    """An apply tells of it."""
    REQUEST = "request"
    """The n-th to a peer, from 0."""
    WRITE = "write"
    """The n-th database transaction of an apply, from 0."""
    START = "start"


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """When a fault is due. One that cannot take hold just then does at the first opportunity after it."""

    kind: Kinds
    of: str = ""
    nth: int = 0

    def __str__(self) -> str:
        return f"{self.kind}/{self.of}/{self.nth}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote."""
        kind, of, nth = text.split("/")
        return cls(Kinds(kind), of, int(nth))


@dataclass(frozen=True, slots=True, order=True)
class Injection:
    """One fault at one moment."""

    fault: Fault
    moment: Moment

    def __str__(self) -> str:
        return f"{self.fault} @ {self.moment}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote."""
        fault, moment = text.split(" @ ")
        return cls(Fault(fault), Moment.parse(moment))


START: Final = Moment(Kinds.START)
_FIRST_WRITES: Final = 12
_FIRST_REQUESTS: Final = 2


def at_states() -> Iterator[Injection]:
    """Every state of the journal with everything that can happen then."""
    for state in JournalState:
        for fault, kind in KINDS.items():
            if kind.place is not Place.START:
                yield Injection(fault, Moment(Kinds.STATE, state))


def at_steps() -> Iterator[Injection]:
    """A kill whenever an apply tells of a step."""
    for step in TOLD:
        yield Injection(Fault.KILL, Moment(Kinds.STEP, step))


def at_requests() -> Iterator[Injection]:
    """Every peer's first requests, with everything that can befall them."""
    for fault, kind in KINDS.items():
        for peer in sorted(kind.peers):
            if kind.place is Place.ANSWER:
                for nth in range(_FIRST_REQUESTS if peer is not Peer.FAUCET else 1):
                    yield Injection(fault, Moment(Kinds.REQUEST, peer, nth))


def at_writes() -> Iterator[Injection]:
    """Every one of the first database transactions of an apply, with everything that can befall it."""
    for fault, kind in KINDS.items():
        if kind.place is Place.DISK:
            for nth in range(0, _FIRST_WRITES, 2):
                yield Injection(fault, Moment(Kinds.WRITE, "", nth))


def at_start() -> Iterator[Injection]:
    """What is wrong from the start."""
    for fault, kind in KINDS.items():
        if kind.place in {Place.START, Place.CHAIN}:
            yield Injection(fault, START)


def everything() -> tuple[Injection, ...]:
    """The whole catalogue."""
    return (*at_states(), *at_steps(), *at_requests(), *at_writes(), *at_start())


TOLD: Final = (Step.UPLOAD, Step.BUILD, Step.BROADCAST, Step.DELIVER, Step.VERIFY)
"""The steps that an apply tells of by events."""

SILENT: Final = {
    Step.LEASE: "nothing is told of it; a kill right after is one at the first write",
    Step.RECOVER: "told of what it finished only: states of the journal cover it",
    Step.JOURNAL: "told by the states of the journal",
    Step.PAY: "hosts have no price here: test_kill_payments.py has it",
}
"""The others, and where their kills are."""
