"""Makes faults happen in a running apply: in what its peers answer, in its database, in its process, on its chain.

An injector lives for one apply, in a process that a fault may kill; what it did stands in a diary that survives it.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy import event

from reconciler.apply.events import Event, Moved, Progress
from reconciler.cli.wiring import Site
from tests.faults.answers import DOUBTS, INSTEAD, LIES, Answer, Request, foreign, plain, problem, truncated
from tests.faults.catalogue import KILLS, KINDS, START, Fault, Injection, Kinds, Moment, Peer, Place, peer_of

_inside: ContextVar[bool] = ContextVar("inside", default=False)
"""Whether a request is one that peers make of each other, which goes undisturbed."""

_REMEMBERED: Final = 3
"""How many different answers to one question are kept, to be given again."""

_REPEATABLE: Final = frozenset({"/v1/tx", "/v1/txs", "/submit", "/upload"})
_DELAY: Final = 0.02
_MORE_THAN_IS_FREE: Final = 64 * 1024 * 1024

Deed = Callable[[Fault], Awaitable[bool]]
"""Does something to the chain; whether it came off."""


@dataclass
class Diary:
    """What was due and what has happened, in a file that is written before the fault strikes."""

    path: Path

    def note(self, what: str, injection: Injection) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps([what, str(injection)]) + "\n")

    def read(self) -> list[tuple[str, Injection]]:
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [(what, Injection.parse(text)) for what, text in map(json.loads, lines)]


@dataclass
class Past:
    """What was asked and answered in earlier applies of a scenario, for those who mix up the order of things."""

    path: Path
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    posted: dict[Peer, list[Request]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Past:
        past = cls(path)
        if path.exists():
            past.answers, past.posted = pickle.loads(path.read_bytes())
        return past

    def save(self) -> None:
        draft = self.path.with_suffix(".new")
        draft.write_bytes(pickle.dumps((self.answers, self.posted)))
        draft.replace(self.path)

    def keep(self, peer: Peer, request: Request, answer: Answer) -> None:
        if answer.status != 200 or peer not in KINDS[Fault.LATE_COPY].peers:
            return
        known = self.answers.setdefault(request.key, [])
        if answer not in known:
            known.append(answer)
            del known[:-_REMEMBERED]
        if request.method != "GET":
            self.posted[peer] = [*self.posted.get(peer, ())[-_REMEMBERED:], request]

    def handed_over(self, peer: Peer) -> Request | None:
        """Something that a peer was given before, and might be given again by a slow network."""
        return next((each for each in self.posted.get(peer, ()) if each.path in _REPEATABLE), None)

    def older(self, request: Request, answer: Answer) -> Answer | None:
        return next((each for each in self.answers.get(request.key, ()) if each != answer), None)


class Injector:
    """Holds the faults of one apply until each is due and has happened."""

    def __init__(
        self, waiting: Iterable[Injection], due: Iterable[Injection], *, diary: Diary, past: Past, deed: Deed
    ) -> None:
        """`due` are faults whose moment came in an earlier apply, which gave them no hold."""
        self.waiting = list(waiting)
        self.due = list(due)
        self.told: list[Event | Moved | Progress] = []
        self.disk = Disk(self)
        self._diary = diary
        self._past = past
        self._deed = deed
        self._asked: Counter[Peer] = Counter()
        self.reach(START)

    def reach(self, moment: Moment) -> None:
        """A moment has come: what waited for it is due. A kill that needs nothing more is carried out."""
        for injection in [each for each in self.waiting if each.moment == moment]:
            self.waiting.remove(injection)
            if injection.fault is Fault.KILL:
                self.strike(injection)
            self.due.append(injection)
            self._diary.note("due", injection)

    def strike(self, injection: Injection) -> None:
        """Write down that a fault happens now; kill, if that is the fault."""
        self._diary.note("struck", injection)
        if injection in self.due:
            self.due.remove(injection)
        if injection.fault in KILLS:
            os.kill(os.getpid(), signal.SIGKILL)

    def next(self, place: Place, *, among: Iterable[Fault] | None = None) -> Injection | None:
        """The first fault that is due at a place."""
        return next(
            (
                each
                for each in self.due
                if KINDS[each.fault].place is place and (among is None or each.fault in frozenset(among))
            ),
            None,
        )

    def tell(self, told: Event | Moved | Progress) -> None:
        """Listens to the apply."""
        self.told.append(told)
        if isinstance(told, Moved):
            self.reach(Moment(Kinds.STATE, told.state))
        elif isinstance(told, Event):
            self.reach(Moment(Kinds.STEP, told.step))

    def attach(self, site: Site) -> None:
        """Come between the apply and everything that it works with."""
        for netloc, transport in list(site.http._worlds.mounted.items()):
            origin = f"http://{netloc.decode()}"
            site.http.mount(origin, _Peer(self, origin, transport.app, site))
        self.disk.attach(site)

    async def answer(self, peer: Peer, request: Request, ask: Callable[[], Awaitable[Answer]], site: Site) -> Answer:
        """A peer's answer, or what is made of it."""
        self.reach(Moment(Kinds.REQUEST, peer, self._asked[peer]))
        self._asked[peer] += 1
        for injection in list(self.due):
            if KINDS[injection.fault].place is Place.CHAIN:
                self.due.remove(injection)  # once is enough, also where several requests are under way
                if await self._deed(injection.fault):
                    self.strike(injection)
        for injection in list(self.due):
            kind = KINDS[injection.fault]
            if kind.place is Place.ANSWER and peer in kind.peers:
                made = await self._disturb(injection, peer, request, ask, site)
                if made is not None:
                    return made
        return await self._truly(peer, request, ask)

    async def _truly(self, peer: Peer, request: Request, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        answer = await ask()
        self._past.keep(peer, request, answer)
        return answer

    async def _disturb(
        self, injection: Injection, peer: Peer, request: Request, ask: Callable[[], Awaitable[Answer]], site: Site
    ) -> Answer | None:
        """The disturbed answer; None where this request gives the fault no hold: then it has not been sent.

        Whatever has to see the answer first, and finds it unsuitable, keeps waiting, and the true one is given.
        """
        fault = injection.fault
        if not self._has_hold(fault, peer, request):
            return None
        if fault in _INSTEAD:
            self.strike(injection)
            return _INSTEAD[fault](request)
        if fault in _BEFOREHAND:
            self.strike(injection)
            await self._beforehand(fault, peer, ask, site)
            return await self._truly(peer, request, ask)
        answer = await self._truly(peer, request, ask)
        if fault in _AFTERWARDS:
            self.strike(injection)
            raise _AFTERWARDS[fault]
        changed = await self._changed(fault, request, answer, site)
        if changed is not None:
            self.strike(injection)
        return changed or answer

    def _has_hold(self, fault: Fault, peer: Peer, request: Request) -> bool:
        match fault:
            case Fault.REFUSED:
                return request.method == "POST"
            case Fault.NO_SERVICE:
                return request.path.startswith("/list")
            case Fault.LATE_COPY:
                return self._past.handed_over(peer) is not None
        return True

    async def _beforehand(self, fault: Fault, peer: Peer, ask: Callable[[], Awaitable[Answer]], site: Site) -> None:
        earlier = self._past.handed_over(peer)
        if fault is Fault.DELAYED:
            await asyncio.sleep(_DELAY)
        elif fault is Fault.DUPLICATED:
            await ask()
        elif earlier is not None:
            await site.http.request(earlier.method, earlier.url, headers=_text(earlier.headers), content=earlier.body)

    async def _changed(self, fault: Fault, request: Request, answer: Answer, site: Site) -> Answer | None:
        if fault is Fault.TRUNCATED:
            return truncated(answer)
        if fault is Fault.OLD:
            return self._past.older(request, answer)
        if fault in DOUBTS:
            return DOUBTS[fault](request, answer)
        if request.path != "/lookup":
            return None
        if fault is Fault.FOREIGN:
            return await foreign(answer, site.toy.ledger) if site.toy else None
        return LIES[fault](answer)


def _raise(error: Exception) -> Callable[[Request], Answer]:
    def lost(_: Request) -> Answer:
        raise error

    return lost


_INSTEAD: Final = {
    **{fault: (lambda _, make=make: make()) for fault, make in INSTEAD.items()},
    Fault.TIME_OUT: _raise(httpx.ReadTimeout("timed out")),
    Fault.DROPPED: _raise(httpx.ConnectError("connection refused")),
    Fault.REFUSED: lambda _: problem(465, "Fee too low"),
    Fault.UNAUTHORIZED: lambda _: problem(401, "Unauthorized"),
    Fault.NO_SERVICE: lambda _: plain(200, b"{}", "application/json"),
    Fault.KILL_BEFORE_REQUEST: _raise(httpx.ConnectError("nobody is left to hear this")),
}
"""The request does not arrive."""

_BEFOREHAND: Final = frozenset({Fault.DELAYED, Fault.DUPLICATED, Fault.LATE_COPY})
"""Something else arrives first, or nothing does for a while."""

_AFTERWARDS: Final = {
    Fault.LOST: httpx.ReadTimeout("timed out"),
    Fault.TORN: httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    Fault.KILL_AFTER_REQUEST: httpx.ReadError("nobody is left to hear this"),
}
"""The request arrived and was carried out, and nobody hears of it."""


class _Peer:
    """Satisfies ASGI: a peer, and the way to it."""

    def __init__(self, injector: Injector, origin: str, app: Any, site: Site) -> None:
        self._injector = injector
        self._origin = origin
        self._app = app
        self._site = site

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or _inside.get():
            await self._app(scope, receive, send)
            return
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        query = scope["query_string"].decode()
        url = self._origin + scope["raw_path"].decode() + (f"?{query}" if query else "")
        request = Request(scope["method"], url, tuple(scope["headers"]), bytes(body))

        async def ask() -> Answer:
            return await self._ask(scope, request.body)

        token = _inside.set(True)
        try:
            answer = await self._injector.answer(peer_of(url), request, ask, self._site)
        finally:
            _inside.reset(token)
        await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
        await send({"type": "http.response.body", "body": answer.body})

    async def _ask(self, scope: Any, body: bytes) -> Answer:
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])
        told: list[Any] = []

        async def receive() -> Any:
            return next(messages, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            told.append(message)

        await self._app(dict(scope), receive, send)
        parts = [each.get("body", b"") for each in told if each["type"] == "http.response.body"]
        return Answer(told[0]["status"], tuple((bytes(k), bytes(v)) for k, v in told[0]["headers"]), b"".join(parts))


def _text(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    skipped = {b"content-length", b"host", b"transfer-encoding"}
    return {name.decode(): value.decode() for name, value in headers if name not in skipped}


class Disk:
    """Comes between an apply and its database. The n-th transaction is a moment; a full disk stays full until the process ends."""

    def __init__(self, injector: Injector) -> None:
        self._injector = injector
        self._begun = 0
        self._full: Injection | None = None

    def attach(self, site: Site) -> None:
        engine = site.database._writing
        event.listen(engine, "begin", self._begin)
        event.listen(engine, "do_execute", self._execute)
        self._commit = engine.dialect.do_commit
        engine.dialect.do_commit = self._committing

    def _begin(self, connection: Any) -> None:
        self._injector.reach(Moment(Kinds.WRITE, "", self._begun))
        self._begun += 1
        self._full = self._full or self._injector.next(Place.DISK, among=[Fault.DISK_FULL])
        if self._full is not None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    def _execute(self, cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        if statement.split(None, 1)[0] not in {"INSERT", "UPDATE", "DELETE"}:
            return
        injection = self._injector.next(Place.DISK, among=[Fault.IO_ERROR])
        if injection is not None:
            self._injector.strike(injection)
            raise sqlite3.OperationalError("disk I/O error")
        if self._full is not None:
            if self._full in self._injector.due:
                self._injector.strike(self._full)
            # Log-structured writes need room too, also where no page is added: SQLite itself says that there is none.
            cursor.execute(f"CREATE TABLE no_room AS SELECT randomblob({_MORE_THAN_IS_FREE})")

    def _committing(self, connection: Any) -> None:
        for fault in (Fault.KILL_BEFORE_COMMIT, Fault.COMMIT_FAILS):
            injection = self._injector.next(Place.DISK, among=[fault])
            if injection is not None:
                self._injector.strike(injection)
                raise sqlite3.OperationalError("disk I/O error")
        self._commit(connection)
        for fault in (Fault.KILL_AFTER_COMMIT, Fault.COMMIT_UNHEARD):
            injection = self._injector.next(Place.DISK, among=[fault])
            if injection is not None:
                self._injector.strike(injection)
                raise sqlite3.OperationalError("disk I/O error")
