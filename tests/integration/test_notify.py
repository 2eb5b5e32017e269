"""`Producer.notify`: who is told of what, signed so that it can be checked, and in nobody's way."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from reconciler.control.happenings import DriftFound, PlanApplied, RoundFailed, Stopping
from reconciler.control.notify import Notifier, occasions_of, receivers_of
from reconciler.model.errors import (
    GuardError,
    LockedError,
    OverlayError,
    RefusedError,
    StateError,
    UnreachableError,
)
from reconciler.model.ids import Address, Network, ObjectType, Txid, digest
from reconciler.model.vocabulary import Occasion
from reconciler.wire.http import Reply

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://hooks.example/services/SECRET-PATH"
APPLIED = PlanApplied(plan_id=digest("ab" * 32), generation=3, txid=Txid("cd" * 32), cost=56)
DRIFT = DriftFound(objects=(Address(ObjectType.RECORD, "dataset/one"),))


class Posts(list):
    """Satisfies wire.http.Http, as far as posting goes: keeps what comes, and answers with a status or not at all."""

    status: int | None = 204

    async def request(self, method: str, url: str, *, headers: Any, content: bytes, **_: Any) -> Reply:
        if self.status is None:
            raise UnreachableError(f"{url} did not answer in time", where=url)
        self.append((url, dict(headers), content))
        return Reply(url, self.status, {}, b"")


def secrets(*, env: str | None, file: str | None) -> str:
    if env != "HOOK":
        raise StateError("not set")
    return SECRET


def notifier(http: Posts, *listed: Any, network: Network = Network.TEST) -> Notifier:
    return Notifier(
        http=http,
        receivers=receivers_of({"notify": list(listed)}),
        secrets=secrets,
        producer="acme",
        network=network,
        clock=time.time,
        randomness=bytes,
    )


async def test_what_happened_is_posted_signed_to_those_who_want_to_know():
    http = Posts()
    wants = {"url": URL, "secret": {"env": "HOOK"}, "on": ["applied"]}
    assert await notifier(http, wants, {"url": "https://all.example"}).notify([APPLIED, DRIFT, Stopping()]) == ()

    assert sorted(url for url, _, _ in http) == ["https://all.example", "https://all.example", URL]
    [(_, headers, body)] = [post for post in http if post[0] == URL]
    said = Webhook(SECRET).verify(body, headers)
    assert said["type"] == "overlay.applied"
    assert said["data"] == {
        "producer": "acme",
        "network": "test",
        "planId": "ab" * 32,
        "generation": 3,
        "txid": "cd" * 32,
        "cost": 56,
    }
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"acme", b"evil"), headers)


@pytest.mark.parametrize(
    ("happening", "occasions"),
    [
        (APPLIED, [Occasion.APPLIED]),
        (DRIFT, [Occasion.DRIFT]),
        (RoundFailed(error=LockedError("held")), []),
        (RoundFailed(error=UnreachableError("silent")), [Occasion.FAILED]),
        (RoundFailed(error=GuardError("the day's limit")), [Occasion.REFUSED]),
        (RoundFailed(error=GuardError("coins", guards=["coins"])), [Occasion.LOW_FUNDS]),
        (RoundFailed(error=GuardError("both", guards=["cost", "coins"])), [Occasion.REFUSED, Occasion.LOW_FUNDS]),
        (Stopping(), []),
    ],
)
def test_each_kind_of_event_has_its_occasions(happening, occasions):
    assert list(occasions_of(happening)) == occasions


@pytest.mark.parametrize(("status", "kind"), [(None, UnreachableError), (500, RefusedError), (302, RefusedError)])
async def test_who_cannot_be_told_is_named_by_origin_alone(status, kind):
    http = Posts()
    http.status = status
    [error] = await notifier(http, {"url": URL}).notify([APPLIED])
    assert isinstance(error, kind)
    assert error.where == "https://hooks.example"
    assert "SECRET" not in repr(vars(error))


@pytest.mark.parametrize(
    ("network", "url"),
    [
        (Network.TEST, "http://hooks.example"),
        (Network.MAIN, "https://127.0.0.1"),
        (Network.EMBEDDED, "https://hooks.example"),
    ],
)
async def test_nothing_goes_where_it_must_not(network, url):
    http = Posts()
    [error] = await notifier(http, {"url": url}, network=network).notify([APPLIED])
    assert isinstance(error, OverlayError)
    assert http == []


@pytest.mark.parametrize("secret", [{"env": "OTHER"}, {"file": "nowhere"}])
async def test_without_its_secret_nothing_is_sent_unsigned(secret):
    http = Posts()
    [error] = await notifier(http, {"url": URL, "secret": secret}).notify([APPLIED])
    assert isinstance(error, StateError)
    assert http == []


@contextmanager
def receiver() -> Any:
    """A web server of this machine that keeps what is posted to it."""
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", got
        finally:
            server.shutdown()
            thread.join()


def test_apply_and_watch_tell_and_a_receiver_that_is_gone_fails_neither(overlay):
    def write(url: str, title: str) -> None:
        (overlay.folder / "producer.yaml").write_text(
            "apiVersion: overlay/v1\nkind: Producer\nmetadata: {name: acme}\n"
            f'spec: {{displayName: {title}, network: embedded, notify: [{{url: "{url}"}}]}}\n'
        )

    with receiver() as (url, got):
        write(url, "One")
        overlay.run("apply", "--yes", "--max-cost", "1", code=3)
        overlay.run("apply", "--yes")
        write(url, "Two")
        overlay.run("watch", "--once", "--max-cost", "1", code=3)
        overlay.run("watch", "--once")
        assert [each["type"] for each in got] == [
            "overlay.refused",
            "overlay.applied",
            "overlay.refused",
            "overlay.applied",
        ]
        assert [each["data"]["generation"] for each in got if "generation" in each["data"]] == [1, 2]
    write(url, "Three")
    assert "Warning: a webhook did not answer" in overlay.run("apply", "--yes").stderr
    write(url, "Four")
    assert "not-notified" in overlay.run("watch", "--once").stderr
