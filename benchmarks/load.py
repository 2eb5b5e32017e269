"""Clients, in a process of their own: keep-alive connections that send prepared requests as fast as they are answered.

It reads one question as JSON from its standard input and prints one answer. Requests are sent as they are; of a reply only
status and length are parsed, and whether it holds what it must, so that the client is not what is measured.
"""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final, Self
from urllib.parse import urlsplit

from benchmarks.processes import ROOT
from reconciler.model.errors import StateError

_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to send, and for how long."""

    url: str
    requests: str
    """A file that `write_requests` has written."""
    connections: int
    seconds: float
    skip: int = 0
    """How many of those that belong together to pass over."""
    again: bool = False
    """Whether to begin anew when all are sent."""
    holds: str = ""
    """What every reply must hold."""
    keep: str = ""
    """Where to keep the body of the first reply."""
    pause: float = 0
    """Seconds that a connection waits between a reply and its next request."""
    statuses: tuple[int, ...] = (200,)
    """What is answered: so many requests belong together, go one after the other on one connection, and count as one."""
    patient: bool = False
    """Whether what is not answered as it must be is counted, and does not end the run."""
    rate: float = 0
    """How many begin in a second, whether or not those before them are answered; 0 is as many as can be."""
    discard: bool = False
    """Whether replies are counted to their ends, and not kept: for those that are long. The status is all that is held then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it."""

    sent: int
    seconds: float
    """Until the last reply."""
    latencies: tuple[float, ...]
    """In seconds, sorted; at a `rate` from when it was their time, whoever they had to wait for."""
    size: int
    """Bytes of the first reply's body."""
    failed: int = 0
    """How many were not answered as they must be."""
    why: str = ""
    """The first of these answers."""

    @property
    def rate(self) -> float:
        """Requests in a second."""
        return self.sent / self.seconds

    def quantile(self, part: float) -> float:
        """The latency that so large a part of all requests stays below, in seconds."""
        return self.latencies[min(len(self.latencies) - 1, int(part * len(self.latencies)))]


def request(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """The bytes of one POST."""
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
    lines += (f"{name}: {value}" for name, value in headers.items())
    return "\r\n".join((*lines, "", "")).encode() + body


def write_requests(path: Path, requests: Iterable[bytes]) -> int:
    """Write requests into a file; how many there are."""
    count = 0
    with path.open("wb") as file:
        for each in requests:
            file.write(_LENGTH.pack(len(each)) + each)
            count += 1
    return count


def ask(question: Question) -> Answer:
    """Have a process of its own do it. Raises StateError where a reply was not what it must be."""
    with begun(question) as asked:
        return asked.answer()


@dataclass(slots=True)
class Asked:
    """A client that is at work. It writes into a file: a pipe that nobody reads yet would hold it up at its end."""

    process: subprocess.Popen[str]
    output: IO[str]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.output.close()

    def answer(self) -> Answer:
        """Wait for its end."""
        code = self.process.wait()
        self.output.seek(0)
        said = self.output.read()
        if code:
            raise StateError(f"the clients have failed: {said.strip()[-800:]}")
        value = json.loads(said)
        return Answer(**(value | {"latencies": tuple(value["latencies"])}))


def begun(question: Question) -> Asked:
    """The same, for who has something else to do meanwhile."""
    command = [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(question))]
    output = TemporaryFile("w+")  # noqa: SIM115 - Asked closes it
    return Asked(subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, text=True), output)


def _read_requests(path: Path) -> list[bytes]:
    data, found, position = path.read_bytes(), [], 0
    while position < len(data):
        (length,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size + length
        found.append(data[position - length : position])
    return found


class _Connection(asyncio.Protocol):
    """Sends a request, reads its reply, and so on."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: Any = None
        self._buffer = bytearray()
        self._size: int | None = None
        self._began = 0.0
        self._place = 0
        """Of the request in flight, among those that belong together."""
        self._rest: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._size is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._size = end + 4 + _content_length(self._buffer[:end])
        if len(self._buffer) >= self._size:
            is_right = self._load.check(self._place, bytes(self._buffer))
            self._buffer.clear()
            self._size = None
            if self._rest and is_right:
                self._place += 1
                self._transport.write(self._rest.pop(0))
                return
            self._load.took(time.perf_counter() - self._began)
            if self._load.pause:
                asyncio.get_running_loop().call_later(self._load.pause, self._next)
            else:
                self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(exc)

    def _next(self) -> None:
        due, requests = self._load.next()
        if not requests:
            self._transport.close()
            return
        early = due - time.perf_counter()
        if early > 0:
            asyncio.get_running_loop().call_later(early, self._send, due, requests)
        else:
            self._send(due, requests)

    def _send(self, due: float, requests: Sequence[bytes]) -> None:
        self._began, self._place = due, 0
        first, *self._rest = requests
        self._transport.write(first)


class _Download(asyncio.BufferedProtocol):
    """Sends a request, and reads its reply into the same memory over and over."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: Any = None
        self._buffer = bytearray(1 << 20)
        self._head = b""
        self._left = 0
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - as much as there is
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._left:
            self._left -= nbytes
        else:
            self._head += self._buffer[: min(nbytes, 4096)]
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            size = _content_length(self._head[:end])
            self._load.check(0, self._head[:end])
            self._left = end + 4 + size - (len(self._head) - min(nbytes, 4096)) - nbytes
        if self._left <= 0:
            self._load.took(time.perf_counter() - self._began)
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(exc)

    def _next(self) -> None:
        _, requests = self._load.next()
        if not requests:
            self._transport.close()
            return
        self._began, self._head, self._left = time.perf_counter(), b"", 0
        self._transport.write(requests[0])


class _Load:
    """What the connections share."""

    def __init__(self, question: Question, requests: Sequence[bytes]) -> None:
        self.pause = question.pause
        self._requests: Iterator[bytes] = cycle(requests) if question.again else iter(requests)
        self._connections = question.connections
        self._holds = question.holds.encode()
        self._until = question.seconds
        self._statuses = [f"HTTP/1.1 {status}".encode() for status in question.statuses]
        self._rate = question.rate
        self._given = 0
        self._patient = question.patient
        self.failed = 0
        self.why = ""
        self._began = 0.0
        self._ended = 0.0
        self.latencies: list[float] = []
        self.first = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def next(self) -> tuple[float, Sequence[bytes]]:
        """When the next requests that belong together are to go, and these; none at the end."""
        now = time.perf_counter()
        self._began = self._began or now
        due = self._began + self._given / self._rate if self._rate else now
        if due - self._began >= self._until:
            return due, ()
        self._given += 1
        requests = tuple(islice(self._requests, len(self._statuses)))
        return due, requests if len(requests) == len(self._statuses) else ()

    def took(self, latency: float) -> None:
        self._ended = time.perf_counter()
        self.latencies.append(latency)

    def check(self, place: int, reply: bytes) -> bool:
        """Whether a reply is what it must be."""
        is_last = place == len(self._statuses) - 1
        if is_last and not self.first:
            self.first = reply
        if reply.startswith(self._statuses[place]) and (not is_last or self._holds in reply):
            return True
        self.failed += 1
        self.why = self.why or f"a reply is not what it must be: {reply[:600]!r}"
        if not self._patient:
            self._fail(self.why)
        return False

    def lost(self, error: Exception | None) -> None:
        self._connections -= 1
        if error is not None:
            self._fail(f"a connection broke off: {error}")
        elif not self._connections and not self.done.done():
            self.done.set_result(None)

    @property
    def body(self) -> bytes:
        """Of the first reply."""
        return self.first.partition(b"\r\n\r\n")[2]

    def answer(self) -> Answer:
        return Answer(
            sent=len(self.latencies),
            seconds=self._ended - self._began,
            latencies=tuple(sorted(self.latencies)),
            size=len(self.body),
            failed=self.failed,
            why=self.why,
        )

    def _fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(StateError(why))


def _content_length(head: bytes | bytearray) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise StateError(f"a reply does not say how long it is: {head!r}")


def answered(question: Question) -> Answer:
    """Do it here."""
    answer, first = asyncio.run(
        _run(question, _read_requests(Path(question.requests))[question.skip * len(question.statuses) :])
    )
    if question.keep:
        Path(question.keep).write_bytes(first)
    return answer


async def _run(question: Question, requests: Sequence[bytes]) -> tuple[Answer, bytes]:
    load = _Load(question, requests)
    place = urlsplit(question.url)
    loop = asyncio.get_running_loop()
    made = _Download if question.discard else _Connection
    for _ in range(question.connections):
        await loop.create_connection(lambda: made(load), place.hostname or "", place.port or 80)
    await load.done
    return load.answer(), load.body


if __name__ == "__main__":
    print(json.dumps(asdict(answered(Question(**json.loads(sys.argv[1]))))))
