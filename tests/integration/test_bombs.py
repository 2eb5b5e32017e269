"""What a stranger can throw at the gateway on TCP: heads and bodies without end, or slow, and signed requests that were seen before."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.http import HttpClient
from reconciler.gateway.app import build_app
from reconciler.web import bodies, connections
from reconciler.web.server import Door, serving
from tests.authenticating import keys_of
from tests.delivering import Contents

SERVER = keys_of("a gateway under attack")
POSTED = ("/.well-known/auth", "/authrite/initialRequest")


@pytest.fixture
async def url(database, monkeypatch) -> AsyncIterator[str]:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    app = build_app(
        database=database,
        identity=SERVER.identity,
        host=Starlette(),
        keys=SERVER,
        contents=Contents(),
        clock=time.time,
        randomness=secrets.token_bytes,
    )
    async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
        yield url


async def said(url: str, *pieces: bytes) -> bytes:
    """What is answered on a connection of its own to bytes, up to where it is closed; and that others are served meanwhile."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    try:
        for piece in pieces:
            writer.write(piece)
            try:
                await writer.drain()
            except ConnectionError:
                break
        try:
            answer = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            answer = b""
    finally:
        writer.close()
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{url}/health/live")).status_code == 200
    return answer


def status(answer: bytes) -> int | None:
    return int(answer.split(b" ", 2)[1]) if answer else None


LINE = b"x-a: " + b"a" * 8000 + b"\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n" + LINE * 40 + b"\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n" + b"a: b\r\n" * 40_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx-bsv-payment: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
    ids=["path", "lines", "many", "payment"],
)
async def test_a_head_that_is_too_long_is_refused_or_not_read(url, head):
    pieces = [head[at : at + 10_000] for at in range(0, len(head), 10_000)]
    assert status(await said(url, *pieces)) in {400, 404, 413, 431, None}


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"POST /.well-known/auth HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /.well-known/auth HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n{}",
        b"POST /.well-known/auth HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n{}",
        b"GET / HTTP/1.1\r\nhost: a\r\nx-bsv-auth-version : 0.1\r\n\r\n",
    ],
)
async def test_a_head_that_two_readers_could_read_differently_is_refused(url, head):
    assert status(await said(url, head)) in {400, 501}


@pytest.mark.parametrize("path", POSTED)
async def test_a_body_that_is_announced_as_too_long_is_refused_before_it_comes(url, path):
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {10**12}\r\n\r\n"
    assert status(await said(url, head.encode())) == 413


@pytest.mark.parametrize("path", POSTED)
async def test_a_body_without_end_is_given_up(url, path):
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%s\r\n" % (65536, b"[" * 65536)
    assert status(await said(url, head.encode(), *[chunk] * 32)) in {413, None}


@pytest.mark.parametrize("path", POSTED)
async def test_a_body_that_drips_is_given_up(url, path, monkeypatch):
    monkeypatch.setattr(bodies, "PATIENCE", 0.05)
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"
    assert status(await said(url, head.encode(), b'{"a')) == 408


@pytest.mark.parametrize("path", POSTED)
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 20_000, b"1" * 200_000, b'"\\u0000' * 30_000], ids=str)
async def test_json_that_is_deep_or_long_costs_nothing_but_its_refusal(url, path, body):
    async with httpx.AsyncClient(trust_env=False) as client:
        reply = await client.post(url + path, content=body, headers={"content-type": "application/json"})
    assert reply.status_code in {400, 401, 413}
    assert len(reply.content) < 1000


class Recording:
    """Keeps what was sent, to send it again. Satisfies Http."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self.sent: list[tuple[str, str, dict, bytes | None]] = []

    async def request(self, method, url, *, headers=None, content=None, within=10.0, limit=1 << 20):
        self.sent.append((method, url, dict(headers or {}), content))
        return await self._http.request(method, url, headers=headers, content=content, within=within, limit=limit)


async def test_a_signed_request_that_was_seen_is_refused(url):
    async with HttpClient() as http:
        recording = Recording(http)
        client = AuthenticatedHttp(recording, keys_of("a client that is overheard"))
        assert (await client.request("GET", f"{url}/v1/whoami")).status == 200
        method, where, headers, content = recording.sent[-1]
        again = [await http.request(method, where, headers=headers, content=content) for _ in range(3)]
        elsewhere = await http.request(method, where.replace("/v1/whoami", "/v1/catalog"), headers=headers)
    assert [reply.status for reply in again] == [401, 401, 401]
    assert elsewhere.status == 401
    assert json.loads(again[0].body)["code"] == "ERR_AUTH_FAILED"
