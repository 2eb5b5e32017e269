"""Several processes that serve on the same sockets, and the one that starts them, starts them anew, and ends them.

A worker is a fresh process, never a fork: libraries with threads do not survive one. It is told two things, by number, on its
command line: the end of a socket pair, on which it says one JSON line when it takes connections, and the sockets to take them
from. The pair closes when its parent is gone, however that ended; then it ends, too.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from reconciler.model.backoff import Backoff
from reconciler.model.errors import StateError
from reconciler.web.listening import Listening

_PAUSES: Final = Backoff(first=0.2, most=30.0)
_STEADY: Final = 60.0
"""Seconds after which a worker's end has nothing to do with how it began."""

_PATIENCE: Final = 10.0
"""Seconds beyond the grace of its requests that a worker gets to end, before it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inheritance:
    """What a worker has from its parent: a number, and file descriptors; its text form stands on the command line."""

    number: int
    """From 0 on; who is started in the place of another one has his."""
    control: int
    sockets: tuple[int, ...]

    def __str__(self) -> str:
        return ":".join(map(str, (self.number, self.control, *self.sockets)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form. Raises ValueError."""
        number, control, *sockets = map(int, text.split(":"))
        return cls(number=number, control=control, sockets=tuple(sockets))


class Parent:
    """A worker's parent, as the worker sees it. Needs a running event loop."""

    def __init__(self, control: int) -> None:
        self._control = socket.socket(fileno=control)

    def ready(self, facts: Mapping[str, Any]) -> None:
        """Tell that connections are taken."""
        with suppress(BrokenPipeError):  # it is gone, and `on_end` says so
            self._control.sendall(json.dumps(facts).encode() + b"\n")

    def on_end(self, end: Callable[[], object]) -> None:
        """Have `end` called when the parent is gone."""
        loop = asyncio.get_running_loop()

        def gone() -> None:  # it never writes
            loop.remove_reader(self._control)
            end()

        loop.add_reader(self._control, gone)


class Workers:
    """`count` processes on the sockets of one place; `command` makes the command line of one from what it inherits.

    `grace` are the seconds that requests in flight get in the end; `tell` is told what an operator wants to know; `dice` gives
    numbers from 0 to 1.
    """

    def __init__(
        self,
        command: Callable[[Inheritance], Sequence[str]],
        place: Listening,
        count: int,
        *,
        environment: Mapping[str, str],
        grace: float,
        tell: Callable[[str], object],
        dice: Callable[[], float],
    ) -> None:
        self._command = command
        self._sockets = tuple(each.fileno() for each in place.sockets)
        self._count = count
        self._environment = environment
        self._grace = grace
        self._tell = tell
        self._dice = dice
        self._running: dict[int, _Worker] = {}

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the workers that run."""
        return tuple(worker.process.pid for worker in self._running.values())

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Mapping[str, Any]]:
        """Workers serve during the block; gives what the first one said when it was ready.

        The first starts alone, so that what only needs to be done once is done by it, and what is wrong is said once. One that
        ends later is replaced, with growing pauses. Raises WorkerError where one ends before all are ready.
        """
        keepers: list[asyncio.Task[None]] = []
        try:
            facts = await self._start(0)
            await asyncio.gather(*(self._start(number) for number in range(1, self._count)))
            keepers = [asyncio.create_task(self._keep(number)) for number in range(self._count)]
            yield facts
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await self._stop()

    async def _start(self, number: int) -> Mapping[str, Any]:
        """One more worker; what it says when it is ready. Raises WorkerError where it ends instead."""
        worker = self._running[number] = await self._spawned(number)
        line = await worker.control.readline()
        if not line:
            raise WorkerError(await worker.process.wait())
        facts: Mapping[str, Any] = json.loads(line)
        return facts

    async def _spawned(self, number: int) -> _Worker:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                inherited = Inheritance(number=number, control=theirs.fileno(), sockets=self._sockets)
                process = await asyncio.create_subprocess_exec(
                    *self._command(inherited),
                    stdin=asyncio.subprocess.DEVNULL,
                    env=self._environment,
                    pass_fds=(inherited.control, *inherited.sockets),
                    process_group=0,  # Ctrl-C is for the parent, which tells them
                )
            return _Worker(process, *await asyncio.open_connection(sock=ours))
        except BaseException:  # it ends when this does
            ours.close()
            raise

    async def _keep(self, number: int) -> None:
        """Have a worker in the place of each that ends."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            worker = self._running[number]
            code = await worker.process.wait()
            failures = 1 if loop.time() - began > _STEADY else failures + 1
            pause = _PAUSES.seconds(failures, self._dice())
            self._tell(f"Worker {worker.process.pid} {_ended(code)}; another one starts in {pause:.1f} s.")
            worker.writer.close()
            await asyncio.sleep(pause)
            with suppress(WorkerError):  # told in the next round
                await self._start(number)

    async def _stop(self) -> None:
        """End all: each is told once, told again when this is cancelled, and killed when it takes too long."""
        waits = [asyncio.create_task(worker.process.wait()) for worker in self._running.values()]
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait(waits, timeout=self._grace + _PATIENCE)
        except asyncio.CancelledError:
            self._signal(signal.SIGTERM)
            await asyncio.wait(waits, timeout=_PATIENCE)
            raise
        finally:
            self._signal(signal.SIGKILL)
            await asyncio.gather(*waits)
            for worker in self._running.values():
                worker.writer.close()

    def _signal(self, number: signal.Signals) -> None:
        for worker in self._running.values():
            if worker.process.returncode is None:
                with suppress(ProcessLookupError):  # it has ended by itself just now
                    worker.process.send_signal(number)


class WorkerError(StateError):
    """A worker has ended before it was ready. It has said itself why; `code` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"a worker {_ended(code)} before it was ready")
        self.code = code


@dataclass(frozen=True, slots=True)
class _Worker:
    process: asyncio.subprocess.Process
    control: asyncio.StreamReader
    writer: asyncio.StreamWriter


def python(*words: str) -> list[str]:
    """The command line of a module of this program in a fresh process: nothing is imported from the working directory."""
    return [sys.executable, "-P", "-m", *words]


def _ended(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
