"""What a server counts and shows to Prometheus at /metrics.

What happens is counted by the process in which it happens; workers of one server write into files that they share, and any of
them shows the sum of all. How things stand is read from the database when somebody asks. Labels have few values: routes as they
are declared, never paths, names or keys.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Final, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.model.errors import OverlayError, RefusedError
from reconciler.model.ids import Txid
from reconciler.payments.ports import Miner
from reconciler.store.database import Database
from reconciler.store.figures import Counting, Figures
from reconciler.web.operators import Operator, is_beside
from reconciler.web.problems import problem
from reconciler.wire.arc import TxReport
from reconciler.wire.auth import PATH as HANDSHAKE
from reconciler.wire.beef import Beef

_Answer = TypeVar("_Answer", bound=TxReport | None)

PATH: Final = "/metrics"

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST

SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder that workers share: the library's own."""

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER: Final = "other"
_FRESH: Final = {"cache-control": "no-store"}


def share(number: int) -> None:
    """Count into the shared folder, if there is one, as the worker of this number. To be called before anything is counted."""
    if SHARED in os.environ:
        values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]  # the library's


class Metrics:
    """One process's counters, and everybody's figures. `clock` gives unix seconds."""

    def __init__(self, database: Database, operator: Operator, *, clock: Callable[[], float]) -> None:
        self._operator = operator
        self._counting = Counting(database, clock=clock)
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "overlay_http_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self._durations = Histogram(
            "overlay_http_request_duration_seconds",
            "From a request's head to the last byte of its answer.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._sent = Counter("overlay_http_response_bytes", "Bytes of answers.", ["route"], registry=registry)
        self._answers = Counter(
            "overlay_arc_answers", "What ARC answered about payments.", ["call", "answer"], registry=registry
        )
        self._waits = Histogram(
            "overlay_arc_duration_seconds", "How long ARC took.", ["call"], buckets=_SECONDS, registry=registry
        )

    def route(self) -> Route:
        """Where it is shown: to programs on this machine, and to the operator."""
        return Route(PATH, self._show)

    def counted(self, app: ASGIApp) -> ASGIApp:
        """The app, with its requests counted."""
        return _Counted(app, self._count)

    def watched(self, miner: Miner) -> Miner:
        """ARC, with its answers counted."""
        return _Watched(miner, self._heard)

    async def _show(self, request: Request) -> Response:
        if not is_beside(request):
            try:
                self._operator.check(request)
            except RefusedError as error:
                return problem(int(error.code), error.message)
        figures = await self._counting.figures()
        shown = CollectorRegistry()
        if folder := os.environ.get(SHARED):
            MultiProcessCollector(shown, path=folder)  # type: ignore[no-untyped-call]  # the library's
        else:
            shown.register(self._registry)
        shown.register(_Standing(figures))
        return PlainTextResponse(generate_latest(shown), media_type=MEDIA_TYPE, headers=_FRESH)

    def _count(self, scope: Scope, status: int, sent: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        route = _route(scope)
        self._requests.labels(method, route, str(status)).inc()
        self._durations.labels(method, route).observe(seconds)
        self._sent.labels(route).inc(sent)

    def _heard(self, call: str, answer: str, seconds: float) -> None:
        self._answers.labels(call, answer).inc()
        self._waits.labels(call).observe(seconds)


class _Counted:
    """Stands in front of everything, and tells `count` of every request: scope, status, bytes sent, seconds."""

    def __init__(self, app: ASGIApp, count: Callable[[Scope, int, int, float], None]) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status, sent = HTTPStatus.INTERNAL_SERVER_ERROR.value, 0

        async def counting(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counting)
        finally:
            self._count(scope, status, sent, time.perf_counter() - began)


class _Watched:
    """Satisfies payments.ports.Miner, and tells `heard` of every answer: call, answer, seconds."""

    def __init__(self, miner: Miner, heard: Callable[[str, str, float], None]) -> None:
        self._miner = miner
        self._heard = heard

    async def submit(self, beef: Beef, subject: Txid | None = None) -> TxReport:
        """See payments.ports.Miner."""
        return await self._asked("submit", self._miner.submit(beef, subject))

    async def status(self, txid: Txid) -> TxReport | None:
        """See payments.ports.Miner."""
        return await self._asked("status", self._miner.status(txid))

    async def _asked(self, call: str, answer: Awaitable[_Answer]) -> _Answer:
        began, said = time.perf_counter(), "failed"
        try:
            report = await answer
            said = "unknown" if report is None else report.standing.value
        except RefusedError:
            said = "refused"
            raise
        except OverlayError:
            said = "unreachable"
            raise
        finally:
            self._heard(call, said, time.perf_counter() - began)
        return report


class _Standing(Collector):
    """How things stand, as the library wants it."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All of it."""
        figures, sold = self._figures, self._figures.sold
        count = GaugeMetricFamily("overlay_payments", "Payments in the books.", labels=["method", "state"])
        paid = GaugeMetricFamily("overlay_payments_satoshis", "What they paid.", labels=["method", "state"])
        for (method, state), amount in sorted(sold.payments.items()):
            count.add_metric([method, state], amount.count)
            paid.add_metric([method, state], amount.satoshis)
        yield from (count, paid)
        for name, said, value in (
            ("overlay_unsettled_coins", "Coins of payments that are with the gateway.", sold.unsettled.count),
            ("overlay_unsettled_satoshis", "What these are worth.", sold.unsettled.satoshis),
            ("overlay_receipts", "Receipts given.", sold.receipts),
            ("overlay_downloads", "Downloads had for receipts.", sold.downloads),
            ("overlay_downloaded_bytes", "Bytes had for receipts.", sold.downloaded),
            ("overlay_generation", "The generation that is live here.", figures.generation),
            ("overlay_outbox_deliveries", "Deliveries that hosts are owed.", figures.outbox),
            ("overlay_forwards", "Submissions that other hosts are to be told.", figures.forwards),
            ("overlay_journal_unfinished", "Entries that the next apply finishes first.", figures.unfinished),
            ("overlay_leaders", "Servers that do the background work of this database.", figures.leaders),
        ):
            yield GaugeMetricFamily(name, said, value=value)


def _route(scope: Scope) -> str:
    """As it was declared. What no route has answered has few names: a handshake, or something else."""
    if scope["path"] == HANDSHAKE:
        return HANDSHAKE
    route = scope.get("route")
    declared = getattr(route, "path", None)
    return f"{scope.get('root_path', '')}{declared}" if declared else _OTHER
