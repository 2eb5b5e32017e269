"""`python -m benchmarks.scale --sets 10000`: what a large set costs, from the first plan to the last spend.

The real commands, as processes, one after the other, against a local world in a process of its own. Relays in front of its
public host and its ARC count requests and bytes. Processor time is what counts on a machine that others use, too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.processes import ROOT, Server, memory
from benchmarks.relay import Relay, Traffic, relayed
from benchmarks.sets import Library
from benchmarks.shop import environment
from benchmarks.soak import serving_command
from reconciler.devnet.ports import SPAN
from reconciler.model.errors import StateError

_PORTS: Final = range(18_000, 30_000, 20)
"""Where a local world may begin; it has fourteen in a row."""
_HEADINGS: Final = (
    "step",
    "seconds",
    "CPU s",
    "CPU, ms a record",
    "memory, MB",
    "world CPU s",
    "world memory, MB",
    "transactions",
    "on chain, bytes",
    "look-ups",
    "answered, bytes",
    "submits",
    "submitted, bytes",
    "to ARC",
    "to ARC, bytes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one command took."""

    name: str
    seconds: float
    cpu: float
    memory: int
    """Bytes, at most."""
    world_cpu: float
    world_memory: int
    transactions: int
    bytes: int
    """Of these transactions."""
    host: Mapping[str, Traffic]
    arc: Mapping[str, Traffic]
    said: str
    """The last line that it printed."""


class Workshop:
    """A library of datasets, and a world that it is published in."""

    def __init__(self, folder: Path, count: int, world: Server, host: Relay, arc: Relay) -> None:
        ready = world.ready
        network = {"preset": "local", "arc": arc.url, "chainTracker": arc.url, "hosts": [host.url]}
        self.home = folder / "home"
        self.manifests = folder / "manifests"
        self.library = Library(self.manifests / "overlay", count, network, ready["storageHosts"])
        self._world, self._host, self._arc = world, host, arc

    def stages(self, *, looks: bool = True) -> Iterator[Stage]:
        """Everything, in order; without the first looks at what there is, where they are not wanted."""
        few = max(1, self.library.count // 100)
        if looks:
            yield self.run("validate", ["validate"])
            yield self.run("plan", ["plan"])
        yield self.run("apply", ["apply", "--yes"])
        if looks:
            yield self.run("plan, no change", ["plan"])
        for lost in (self.home / "local").glob("state.db*"):
            lost.unlink()
        yield self.run("rebuild", ["state", "rebuild"])
        yield self.run("plan, no change", ["plan"])
        for edition, changed in ((2, 1), (3, few)):
            self.library.edit(changed, edition=edition)
            if looks:
                yield self.run(f"plan, {changed} changed", ["plan"])
            yield self.run(f"apply, {changed} changed", ["apply", "--yes"])
        yield self.run("audit", ["wallet", "audit", "--network", "local"])
        yield self.run("destroy", ["destroy", "--yes"])

    def run(self, name: str, words: Sequence[str]) -> Stage:
        """Run one command, and look at what it took. Raises StateError where it fails."""
        self.home.mkdir(exist_ok=True)
        log = self.home.with_name("output")
        line = [sys.executable, "-m", "reconciler.cli", "-C", str(self.manifests), *words, "--json"]
        for relay in (self._host, self._arc):
            relay.taken()
        forget_peak(self._world)
        world_cpu, begun = self._world.cpu(), time.perf_counter()
        with log.open("w+") as output, log.with_suffix(".errors").open("w+") as errors:
            process = subprocess.Popen(
                line, cwd=ROOT, env=environment(self.home, None), stdout=output, stderr=errors, text=True
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - begun
        if process.returncode:
            said = log.with_suffix(".errors").read_text()[-800:] or log.read_text()[-800:]
            raise StateError(f"{name} ends with {process.returncode}: {said}")
        sizes, said = _built(log)
        return Stage(
            name=name,
            seconds=seconds,
            cpu=used.ru_utime + used.ru_stime,
            memory=used.ru_maxrss * 1024,
            world_cpu=self._world.cpu() - world_cpu,
            world_memory=self._world.memory("VmHWM"),
            transactions=len(sizes),
            bytes=sum(sizes),
            host=self._host.taken(),
            arc=self._arc.taken(),
            said=said,
        )


@contextmanager
def workshop(folder: Path, count: int, base_port: int | None = None) -> Iterator[Workshop]:
    """A world for the block, and what is to be published there."""
    with ExitStack() as stack:
        port = _free_ports() if base_port is None else base_port
        up = ["devnet", "up", "--base-port", str(port)]
        world = stack.enter_context(serving_command(up, folder / "world", None))
        host, arc = stack.enter_context(relayed(world.ready["hosts"][0], world.ready["arc"]))
        yield Workshop(folder, count, world, host, arc)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and print a row for each command as it ends."""
    asked = _parsed(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="overlay-scale-", dir=asked.folder) as name,
        workshop(Path(name), asked.sets, asked.base_port) as at_work,
    ):
        _row(_HEADINGS)
        _row(["---"] * len(_HEADINGS))
        for stage in at_work.stages(looks=not asked.without_looks):
            _row(_cells(stage, asked.sets))
            print(stage.said, file=sys.stderr, flush=True)
    return 0


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--sets", type=int, default=10_000, help="datasets (default 10,000)")
    parser.add_argument("--folder", type=Path, help="where databases lie: on a real disk")
    parser.add_argument("--without-looks", action="store_true", help="leave out what changes nothing before an apply")
    parser.add_argument("--base-port", type=int, help="of the local world (default: some that are free)")
    return parser.parse_args(arguments)


def _free_ports() -> int:
    """The first of a row of ports that nobody listens on."""
    begin = random.SystemRandom().sample(_PORTS, len(_PORTS))
    return next(port for port in begin if all(map(_is_free, range(port, port + SPAN + 1))))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def forget_peak(world: Server) -> None:
    """So that VmHWM is what comes from now on, where the system can do that."""
    for pid in world.pids:
        try:
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            assert memory(pid) >= 0


def _built(log: Path) -> tuple[list[int], str]:
    """The bytes of each transaction that a command says it has built, and its last words."""
    sizes, last = [], ""
    with log.open() as lines:
        for line in lines:
            last = line
            if line.startswith('{"event":"build"') or '"event": "build"' in line[:40]:
                sizes.append(int(json.loads(line)["detail"].split()[-2]))
    return sizes, last.strip()[:300]


def _cells(stage: Stage, count: int) -> tuple[str, ...]:
    lookups, submits = stage.host.get("lookup", Traffic()), stage.host.get("submit", Traffic())
    given = [traffic for kind, traffic in stage.arc.items() if kind in {"v1/tx", "v1/txs"}]
    return (
        stage.name,
        f"{stage.seconds:.1f}",
        f"{stage.cpu:.2f}",
        f"{stage.cpu / count * 1000:.2f}",
        f"{stage.memory / 1e6:.0f}",
        f"{stage.world_cpu:.2f}",
        f"{stage.world_memory / 1e6:.0f}",
        f"{stage.transactions:,}",
        f"{stage.bytes:,}",
        f"{lookups.requests:,}",
        f"{lookups.received:,}",
        f"{submits.requests:,}",
        f"{submits.sent:,}",
        f"{sum(each.requests for each in given):,}",
        f"{sum(each.sent for each in given):,}",
    )


def _row(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
