"""Where a server process stands: alone on a socket of its own, or as one worker of several on a socket of their parent's."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any, Self

from reconciler.cli import errors
from reconciler.cli.interrupt import stoppable
from reconciler.cli.invocation import Invocation
from reconciler.model.errors import UsageError
from reconciler.web.listening import Listening, listening
from reconciler.web.metrics import SHARED
from reconciler.web.server import GRACE
from reconciler.web.workers import Inheritance, Parent, WorkerError, Workers, python

Announce = Callable[[Mapping[str, Any]], None]
"""Tells whoever started the command that connections are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """The place of one process."""

    host: str
    port: int
    announce: Announce
    number: int = 0
    """From 0 on, among the workers of one command."""
    listening: Listening | None = None
    """What a parent has bound; None for who binds it himself."""
    parent: Parent | None = None

    @classmethod
    def inherited(cls, text: str, host: str) -> Self:
        """That of a worker, by what its parent has written on its command line. Raises UsageError."""
        try:
            given = Inheritance.parse(text)
        except ValueError:
            raise UsageError("--worker is for `overlay serve --workers` alone") from None
        parent = Parent(given.control)
        return cls(
            host=host,
            port=0,
            announce=parent.ready,
            number=given.number,
            listening=Listening.inherited(given.sockets, host),
            parent=parent,
        )

    def on_orphaned(self, end: Callable[[], object]) -> None:
        """Have `end` called when the parent is gone; needs a running event loop."""
        if self.parent is not None:
            self.parent.on_end(end)


async def supervise(
    invocation: Invocation, host: str, port: int, count: int, announce: Announce, *, more: Sequence[str] = ()
) -> int:
    """Serve by `count` workers, each with `more` options, until told to stop; the exit code."""
    console = invocation.console

    def command(inherited: Inheritance) -> list[str]:
        place = ("--host", host, "--worker", str(inherited))
        return python("reconciler.cli", *invocation.options.words(), "serve", *place, *more)

    async with AsyncExitStack() as stack:
        place = stack.enter_context(listening(host, port))
        counters = stack.enter_context(TemporaryDirectory(prefix="overlay-metrics-"))
        workers = Workers(
            command,
            place,
            count,
            environment={**invocation.environment, SHARED: counters},
            grace=GRACE,
            tell=console.complain,
            dice=random.random,
        )
        stop = stack.enter_context(stoppable())
        try:
            facts = await stack.enter_async_context(workers.serving())
        except WorkerError as error:  # it has said why
            return error.code if error.code > 0 else errors.ERROR
        announce({**facts, "url": place.url, "workers": workers.pids})
        await stop.wait()
    return errors.DONE
