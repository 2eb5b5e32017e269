"""Several reconcilers on one database: whoever leads dies, or sleeps past its lease, and another one finishes what it has begun.

Each is a process of its own, with a home of its own; what they share is PostgreSQL, the manifests and the key (DESIGN §4.3, §4.4).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconciler.cli.main import main
from reconciler.model.journal import GIVEN_UP, EntryRole
from reconciler.store.coins import Coins
from reconciler.store.database import Database
from reconciler.store.handovers import Handovers
from reconciler.store.journal import Journal
from reconciler.wallet.keys import Keys
from tests.faults.checks import Chain, of_journal, of_money
from tests.faults.standing import INSTANTS, KILLED, STOPPED, UNSENT, UNWRITTEN, install, write

pytestmark = [pytest.mark.long, pytest.mark.only("postgresql")]

QUEUED = 1000
FEW = 20
PATIENCE = 300.0
"""Seconds after which a test gives up on processes that share a busy machine. Nothing is measured by it."""

RULE = """
---
apiVersion: overlay/v1
kind: ReplicationRule
metadata: {name: once}
spec: {replicas: 1, minReplicas: 1}
"""
DATASET = """\
---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: set{number:04d}}}
spec: {{source: {{path: data/a.csv}}, title: "Set {number}", replication: once}}
"""


@dataclass
class Watcher:
    """A process of `overlay watch`, and what it has said."""

    pid: int
    said: Path
    has_ended: bool = False

    def events(self) -> list[Any]:
        """So far, whole lines only."""
        return [json.loads(line) for line in self.said.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def count(self, **wanted: Any) -> int:
        """How often it said an event with these fields."""
        return sum(wanted.items() <= each.items() for each in self.events())

    def is_struck(self, how: signal.Signals) -> bool:
        """Whether it was, since this was asked last. It ends in no other way."""
        changed, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
        if not changed:
            return False
        self.has_ended = not os.WIFSTOPPED(status)
        struck = os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WSTOPSIG(status) if os.WIFSTOPPED(status) else 0
        assert struck == how, self.said.read_text()[-5000:]
        return True

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        if not self.has_ended:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@dataclass(frozen=True)
class Held:
    """The lease: whose, until when, and since when (unix seconds)."""

    pid: int
    host: str
    since: int
    until: int


@dataclass
class Fleet:
    """Watchers of one producer."""

    overlay: Any
    stack: ExitStack
    identity: str
    keys: Keys
    watchers: list[Watcher] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = self.overlay.home.parent
        self.instants = self.folder / "instants"
        self.overlay.state["OVERLAY_IDENTITY_KEY"] = self.identity
        write(self.instants, KILLED)
        self._base = (self.overlay.folder / "producer.yaml").read_text().partition("---\n")[0].rstrip("\n") + RULE

    @property
    def url(self) -> str:
        return self.overlay.state["DATABASE_URL"]

    def wish(self, count: int) -> None:
        """So many datasets, all at once as a checkout brings them."""
        new = self.overlay.folder / "new"
        new.write_text(self._base + "".join(DATASET.format(number=number) for number in range(count)))
        new.rename(self.overlay.folder / "producer.yaml")

    def start(self, machine: str) -> Watcher:
        """One more: forked, since starting Python takes longer than standing by does."""
        number = len(self.watchers)
        said = self.folder / f"said-{number}"
        environment = {**self.overlay.environment(), "OVERLAY_HOME": str(self.folder / f"home-{number}")}
        pid = os.fork()
        if not pid:
            code = 1
            try:
                for stream in (1, 2):
                    os.dup2(os.open(said if stream == 1 else f"{said}.log", os.O_CREAT | os.O_WRONLY), stream)
                sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
                os.environ.clear()
                os.environ.update(environment)
                install(machine, self.instants)
                code = main(["-C", str(self.overlay.folder), "watch", "--json", "--interval", "1h"])
            finally:
                os._exit(code)
        watcher = Watcher(pid, said)
        said.touch()
        self.stack.callback(watcher.end)
        self.watchers.append(watcher)
        return watcher

    def of(self, held: Held) -> Watcher:
        """Who holds it."""
        (found,) = (each for each in self.watchers if each.pid == held.pid)
        return found

    def lease(self) -> Held | None:
        """Who holds the apply lease."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute(
                "SELECT pid, host, extract(epoch FROM since)::bigint, extract(epoch FROM until)::bigint "
                "FROM leases WHERE name = 'apply' AND owner IS NOT NULL"
            ).fetchone()
        return None if row is None else Held(*row)

    def struck(self, how: signal.Signals) -> Held:
        """Wait until the one that leads is; the lease that it leaves."""
        eventually(lambda: any(not each.has_ended and each.is_struck(how) for each in self.watchers))
        held = self.lease()
        assert held is not None
        return held

    def taken_over(self, before: Held) -> Held:
        """Wait until somebody else holds the lease."""
        eventually(lambda: (held := self.lease()) is not None and held.pid != before.pid)
        found = self.lease()
        assert found is not None
        return found

    def check_everything_adds_up(self, count: int, *, generation: int) -> None:
        """On the chain, in the books and in the journal: each record once, each fee once, no coin unknown or locked."""
        audited = self.overlay.json("wallet", "audit")
        assert audited["balanced"], audited
        chain = Chain.read(self.overlay.home / "local" / "world" / "chain.db", self.keys)
        names = {f"dataset/set{number:04d}" for number in range(count)}
        assert chain.named == Counter({"producer/acme": 1, **dict.fromkeys(names, 1)})
        entries, coins, handed = asyncio.run(self._written())
        held = audited["balance"]["total"] + audited["tokens"]
        assert [*of_journal(chain, entries, coins), *of_money(chain, coins, held)] == []
        unsent = {txid for entry in entries if entry.state in GIVEN_UP for txid in entry.txids}
        assert not unsent & handed, "what is given up has not left"
        kept = [entry for entry in entries if entry.state not in GIVEN_UP]
        assert sorted(each.generation for each in kept if each.role is EntryRole.ROOT) == [*range(1, generation + 1)]
        ours = {txid for entry in kept for txid in entry.txids}
        spending = {each.txid for each in chain.paying}
        assert spending == ours == handed, "nothing was sent but what the journal has"
        assert sum(entry.spent for entry in kept) == chain.fees + count + 1
        assert "No changes." in self.overlay.run("plan", "--refresh").stdout

    async def _written(self) -> Any:
        database = Database.open(self.url)
        try:
            async with database.reading() as connection:
                entries = await Journal(connection).list(1000)
                handed = await Handovers(connection).sent(txid for entry in entries for txid in entry.txids)
                return entries, await Coins(connection).all(), handed
        finally:
            await database.close()


def eventually(come: Callable[[], bool]) -> None:
    """Other processes are asked until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not come():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def fleet(overlay, local, request) -> Iterator[Fleet]:
    key = hashlib.sha256(request.node.name.encode()).digest()
    with ExitStack() as stack:
        fleet = Fleet(overlay, stack, key.hex(), Keys(key))
        fleet.wish(1)
        overlay.run("apply", "--yes")
        yield fleet


def test_with_a_thousand_changes_queued_a_leader_killed_anywhere_is_replaced_within_its_lease_and_nothing_is_done_twice(
    fleet,
):
    for _ in range(2):
        fleet.start("north")
    eventually(lambda: all(each.count(event="planned", empty=True) for each in fleet.watchers))
    write(fleet.instants, KILLED, *INSTANTS)
    fleet.wish(QUEUED)
    for instant in INSTANTS:
        led = fleet.struck(KILLED)
        next_ = fleet.taken_over(led)
        assert next_.since <= led.until, instant
        fleet.start("north")
    eventually(lambda: fleet.of(next_).count(event="planned", empty=True))
    fleet.check_everything_adds_up(QUEUED, generation=2)


@pytest.mark.parametrize("instant", [UNWRITTEN, UNSENT])
def test_a_leader_that_sleeps_past_its_lease_wakes_up_to_find_it_done_and_does_nothing_of_it_again(fleet, instant):
    for machine in ("north", "south"):
        fleet.start(machine)
    eventually(lambda: all(each.count(event="planned", empty=True) for each in fleet.watchers))
    write(fleet.instants, STOPPED, instant)
    fleet.wish(FEW)
    led = fleet.struck(STOPPED)
    successor = fleet.taken_over(led)
    assert (successor.host != led.host, successor.since >= led.until) == (True, True)
    asleep = fleet.of(led)
    assert not asleep.count(kind="LockedError")
    eventually(lambda: fleet.of(successor).count(event="applied", generation=2))
    rounds = asleep.count(event="planned", empty=True)
    asleep.go_on()
    eventually(lambda: asleep.count(event="planned", empty=True) > rounds)
    assert asleep.count(kind="LockedError")
    assert not asleep.count(event="applied")
    fleet.check_everything_adds_up(FEW, generation=2)
