"""I3 on one database: two commands at once; and a server that breaks off in the middle of an apply."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from reconciler.apply.events import Event, Moved, Progress
from reconciler.apply.lease import this_process
from reconciler.cli.wiring import clock
from reconciler.model.errors import UnreachableError
from reconciler.model.journal import JournalState
from reconciler.store.leases import APPLY, Leases
from tests.patience import PATIENCE


def started(producer: Any, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **producer.environment, "OVERLAY_HOME": str(producer.home)}
    command = [sys.executable, "-c", "from reconciler.cli.main import run; run()", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=producer.folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_of_two_commands_on_one_database_one_applies_and_the_other_finds_it_done(producer):
    processes = [started(producer, "apply", "--yes") for _ in range(2)]
    ends = [process.communicate(timeout=PATIENCE) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    last = sorted(stdout.splitlines()[-1] for stdout, _ in ends)
    assert last == [
        "Apply complete: 5 created, 0 updated, 0 deleted. Generation 1.",
        "No changes. The overlay matches the manifests.",
    ]


async def test_a_command_that_will_not_wait_says_who_is_at_it(producer):
    async with producer.site() as site, site.database.begin() as connection:
        await Leases(connection).acquire(APPLY, this_process("first"), now=int(clock()), ttl=60)
    with started(producer, "apply", "--yes", "--lock-timeout", "0s") as process:
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 6
    assert f"process {os.getpid()} on" in stderr


# A server that breaks off


@pytest.mark.long
@pytest.mark.only("postgresql")
@pytest.mark.parametrize("state", [JournalState.SENDING, JournalState.SEEN])
async def test_a_server_that_goes_away_in_the_middle_is_a_matter_of_time(producer, server, state):
    name = server.made[0]

    def tell(event: Event | Moved | Progress) -> None:
        if isinstance(event, Moved) and event.state is state:
            server.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    with pytest.raises(UnreachableError, match="the database cannot be reached"):
        await producer.apply(tell=tell)
    server.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    await producer.apply()
    assert (await producer.plan()).plan.is_empty
    assert (await producer.catalog()).root.generation == 1
    audited = await producer.audit()
    assert (audited.differences, audited.in_flight, audited.balance.locked) == ((), (), 0)
