"""Processes that share a port: started, replaced, and ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from reconciler.web.listening import listening
from reconciler.web.workers import Inheritance, WorkerError, Workers

SERVES = """
import asyncio, os, signal, sys
from reconciler.web.listening import Listening
from reconciler.web.workers import Inheritance, Parent
given = Inheritance.parse(sys.argv[1])

async def answer(reader, writer):
    await reader.readline()
    writer.write(f"{given.number} {os.getpid()}".encode())
    await writer.drain()
    writer.close()

async def main():
    end = asyncio.Event()
    parent = Parent(given.control)
    parent.on_end(end.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    place = Listening.inherited(given.sockets, "127.0.0.1")
    server = await asyncio.start_server(answer, sock=place.sockets[0])
    parent.ready({"number": given.number})
    await end.wait()
    server.close()
    FINALLY

asyncio.run(main())
"""


class Told:
    """What an operator is told."""

    def __init__(self):
        self.lines: list[str] = []
        self.news = asyncio.Event()

    def __call__(self, text):
        self.lines.append(text)
        self.news.set()


@pytest.fixture
def place():
    with listening("127.0.0.1", 0) as found:
        yield found


def workers(place, told, *, count=2, program=SERVES, grace=5.0, finally_="pass"):
    return Workers(
        lambda inherited: [sys.executable, "-c", program.replace("FINALLY", finally_), str(inherited)],
        place,
        count,
        environment=dict(os.environ),
        grace=grace,
        tell=told,
        dice=lambda: 0.0,
    )


async def asked(place) -> tuple[int, int]:
    """Number and process of the worker that answers."""
    host, port = place.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"who?\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    number, pid = answer.split()
    return int(number), int(pid)


async def test_all_take_connections_of_one_port_and_are_gone_at_the_end(place):
    crew = workers(place, Told())
    async with crew.serving() as facts:
        assert facts == {"number": 0}
        assert len(set(crew.pids)) == 2
        seen = {await asked(place) for _ in range(10)}
        assert {pid for _, pid in seen} <= set(crew.pids)
        os.kill(crew.pids[0], signal.SIGSTOP)  # the other one is left
        assert await asked(place) == (1, crew.pids[1])
        os.kill(crew.pids[0], signal.SIGCONT)
    for pid in crew.pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_one_that_dies_is_replaced_under_its_number_and_the_port_is_answered_meanwhile(place):
    told = Told()
    crew = workers(place, told)
    async with crew.serving():
        first, second = crew.pids
        os.kill(first, signal.SIGKILL)
        await told.news.wait()
        assert told.lines == [f"Worker {first} was ended by SIGKILL; another one starts in 0.1 s."]
        assert (await asked(place))[1] != first
        while (answer := await asked(place))[0] != 0:
            os.kill(second, signal.SIGSTOP)  # whoever answers next is the new one
        assert answer[1] not in {first, second}
        os.kill(second, signal.SIGCONT)


async def test_what_cannot_start_is_not_tried_again_and_its_exit_code_is_known(place):
    with pytest.raises(WorkerError) as raised:
        async with workers(place, Told(), program="import sys; sys.exit(3)").serving():
            pass
    assert raised.value.code == 3


async def test_one_that_does_not_end_is_killed(place, monkeypatch):
    monkeypatch.setattr("reconciler.web.workers._PATIENCE", 0.2)
    crew = workers(place, Told(), grace=0.1, finally_="await asyncio.Event().wait()")
    async with crew.serving():
        pass
    for pid in crew.pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


PARENT = """
import asyncio, os, sys
from reconciler.web.listening import listening
from reconciler.web.workers import Workers

async def main():
    with listening("127.0.0.1", 0) as place:
        command = lambda inherited: [sys.executable, "-c", sys.argv[1], str(inherited)]
        crew = Workers(command, place, 1, environment=dict(os.environ), grace=5, tell=print, dice=lambda: 0.0)
        async with crew.serving():
            print(*crew.pids, flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_workers_end_when_their_parent_is_killed():
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PARENT,
        SERVES.replace("FINALLY", "print('ended', flush=True)"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    assert int(await parent.stdout.readline())
    parent.kill()
    assert await parent.stdout.readline() == b"ended\n"
    assert await parent.stdout.read() == b""  # nobody holds the other end any more
    await parent.wait()


def test_what_is_inherited_is_read_as_it_was_written():
    given = Inheritance(number=1, control=4, sockets=(5, 6))
    assert Inheritance.parse(str(given)) == given


@pytest.mark.parametrize("text", ["", "1", "x:1:2", "1:2:3:y"])
def test_what_was_not_written_by_a_parent_is_refused(text):
    with pytest.raises(ValueError, match=r"not enough values|invalid literal"):
        Inheritance.parse(text)
