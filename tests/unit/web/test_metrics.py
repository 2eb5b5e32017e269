"""What is counted, and who is shown it."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.web.metrics import Metrics
from reconciler.web.operators import Operator
from reconciler.wire.arc import parse_report

TXID = Txid("ab" * 32)
OPERATOR = Operator(identity=IdentityKey("02" + "11" * 32), token="a token")


async def fine(_):
    return PlainTextResponse("fine")


async def broken(_):
    raise RuntimeError("broken")


@pytest.fixture
async def metrics(database) -> Metrics:
    return Metrics(database, OPERATOR, clock=lambda: 1_800_000_000.0)


def served(metrics, *, client=("127.0.0.1", 5000), url="http://127.0.0.1:3000"):
    routes = [Route("/things/{name}", fine), Mount("/v1", app=Router([Route("/deep/{id}", fine)]))]
    app = metrics.counted(Starlette(routes=[*routes, Route("/broken", broken), metrics.route()]))
    transport = httpx.ASGITransport(app=app, client=client, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=url)


async def shown(http) -> dict[tuple[str, ...], float]:
    """Samples by their names and the values of their labels, in the order of the labels' names."""
    answer = await http.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_requests_are_counted_by_route_as_it_is_declared_whatever_is_asked_for(metrics):
    async with served(metrics) as http:
        for path in ("/things/a", "/things/b", "/v1/deep/7", "/nothing/there", "/nowhere", "/broken"):
            await http.get(path)
        await http.request("WHATEVER", "/things/a")
        samples = await shown(http)
    counted = {key[1:]: value for key, value in samples.items() if key[0] == "overlay_http_requests_total"}
    assert counted == {
        ("GET", "/things/{name}", "200"): 2,
        ("GET", "/v1/deep/{id}", "200"): 1,
        ("GET", "other", "404"): 2,
        ("GET", "/broken", "500"): 1,
        ("other", "/things/{name}", "405"): 1,
    }
    assert samples["overlay_http_response_bytes_total", "/things/{name}"] >= 2 * len("fine")
    assert samples["overlay_http_request_duration_seconds_count", "GET", "/things/{name}"] == 2


@pytest.mark.parametrize(
    ("client", "url", "headers", "status"),
    [
        (("127.0.0.1", 1), "http://localhost:3000", {}, 200),
        (("::1", 1), "http://[::1]:3000", {}, 200),
        (("127.0.0.1", 1), "http://shop.example", {}, 401),
        (("127.0.0.1", 1), "http://localhost:3000", {"x-forwarded-for": "203.0.113.9"}, 401),
        (("127.0.0.1", 1), "http://localhost:3000", {"forwarded": "for=203.0.113.9"}, 401),
        (("127.0.0.1", 1), "http://localhost:3000", {"x-real-ip": "203.0.113.9"}, 401),
        (("127.0.0.1", 1), "http://localhost:3000", {"x-forwarded-proto": "https"}, 401),
        (("127.0.0.1", 1), "http://localhost:3000", {"via": "1.1 proxy"}, 401),
        (
            ("127.0.0.1", 1),
            "http://localhost:3000",
            {"x-forwarded-for": "203.0.113.9", "authorization": "Bearer a token"},
            200,
        ),
        (("127.0.0.1", 1), "http://localhost:3000", {"origin": "https://page.example"}, 401),
        (("203.0.113.9", 1), "http://localhost:3000", {}, 401),
        (("203.0.113.9", 1), "http://shop.example", {"authorization": "Bearer a token"}, 200),
        (("203.0.113.9", 1), "http://shop.example", {"authorization": "Bearer another"}, 403),
    ],
)
async def test_programs_on_this_machine_and_the_operator_are_shown_it_and_nobody_else(
    metrics, client, url, headers, status
):
    async with served(metrics, client=client, url=url) as http:
        answer = await http.get("/metrics", headers=headers)
    assert answer.status_code == status
    assert ("overlay_generation" in answer.text) == (status == 200)


class Miner:
    """Answers, or raises, what it is told."""

    def __init__(self, *answers):
        self._answers = list(answers)

    async def submit(self, beef, subject=None):
        return self._next()

    async def status(self, txid):
        return self._next()

    def _next(self):
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_what_arc_answers_is_counted_and_passed_on(metrics):
    seen = parse_report({"txid": TXID, "txStatus": "SEEN_ON_NETWORK"})
    miner = metrics.watched(Miner(seen, None, RefusedError("no", code="465"), UnreachableError("nobody there")))
    assert await miner.submit(None) == seen
    assert await miner.status(TXID) is None
    with pytest.raises(RefusedError):
        await miner.submit(None)
    with pytest.raises(UnreachableError):
        await miner.submit(None)
    async with served(metrics) as http:
        samples = await shown(http)
    answers = {key[1:]: value for key, value in samples.items() if key[0] == "overlay_arc_answers_total"}
    assert answers == {
        ("seen", "submit"): 1,
        ("unknown", "status"): 1,
        ("refused", "submit"): 1,
        ("unreachable", "submit"): 1,
    }
    assert samples["overlay_arc_duration_seconds_count", "submit"] == 3


async def test_an_empty_database_shows_zeros(metrics):
    async with served(metrics) as http:
        samples = await shown(http)
    names = ("generation", "receipts", "downloads", "downloaded_bytes", "outbox_deliveries", "forwards", "leaders")
    assert {name: samples[f"overlay_{name}",] for name in names} == dict.fromkeys(names, 0)
    assert samples["overlay_unsettled_satoshis",] == 0


WORKER = """
import asyncio, sys
from reconciler.web.metrics import Metrics, share
share(int(sys.argv[1]))
metrics = Metrics(None, None, clock=None)
for _ in range(int(sys.argv[2])):
    metrics._count({"method": "GET", "path": "/"}, 200, 10, 0.1)
"""


def counts(folder, number, times):
    """A worker of this number counts so many requests, and ends."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", WORKER, str(number), str(times)], env=environment, check=True)


async def test_workers_show_the_sum_of_all_and_one_that_is_started_anew_goes_on(metrics, tmp_path, monkeypatch):
    folder = tmp_path / "shared"
    folder.mkdir()
    for number, times in ((0, 2), (1, 3), (0, 4)):  # the first one is started anew
        counts(folder, number, times)
    assert {path.name for path in folder.iterdir()} >= {"counter_0.db", "counter_1.db"}
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    async with served(metrics) as http:
        samples = await shown(http)
    assert samples["overlay_http_requests_total", "GET", "other", "200"] == 9
    assert samples["overlay_http_response_bytes_total", "other"] == 90
