"""What a stranger may do with a connection before anybody answers."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from reconciler.web import connections
from reconciler.web.connections import Protocol
from reconciler.web.server import Door, serving
from tests.patience import PATIENCE


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost: a\r\n", b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HT"])
async def test_a_connection_on_which_nobody_finishes_asking_is_closed(monkeypatch, sent):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)

    async def answer(_):
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/", answer)])
    async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        writer.write(sent)
        answered = await reader.read()  # to the end, which the server has to make
        writer.close()
    assert answered.count(b"200 OK") == sent.count(b"\r\n\r\n")


async def test_an_answer_may_take_longer_than_its_question(monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.02)
    looked, look = asyncio.Event(), Protocol._look

    def seen(protocol):
        look(protocol)
        looked.set()

    monkeypatch.setattr(Protocol, "_look", seen)

    async def answer(_):
        for _ in range(3):
            looked.clear()
            await looked.wait()
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/", answer)])
    async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,), httpx.AsyncClient() as client:
        assert (await client.get(url)).text == "ok"


@pytest.fixture
async def counter():
    """A server that says how often it was asked, what came as headers by the end, and what as a body."""
    asked = []

    async def answer(request):
        asked.append(request.url.path)
        await asyncio.sleep(0)
        body = await request.body()
        return PlainTextResponse(f"{len(asked)} {len(body)} {request.headers.get('x-late', 'nothing late')};")

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
        yield url


async def answered(url, *pieces: bytes) -> bytes:
    """All that is answered to these pieces, until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.01)  # so that it comes by itself
        return await asyncio.wait_for(reader.read(), PATIENCE)
    except ConnectionError:  # closed with more on its way
        return b"closed"
    finally:
        writer.close()


GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
MUCH = [b"a" * 10_000] * 30


async def test_requests_that_come_together_are_answered_in_turn(counter):
    told = await answered(counter, GET * 5 + LAST)
    assert [f"{number} 0".encode() in told for number in range(1, 8)] == [True] * 6 + [False]


async def test_of_very_many_that_come_together_each_is_answered(counter):
    told = await answered(counter, GET * 500 + LAST)
    assert told.count(b"200 OK") == 501


@pytest.mark.parametrize("nonsense", [b"\x00\x01\r\n\r\n", CHUNKED + b"zz\r\n"], ids=["head", "body"])
async def test_what_was_asked_before_nonsense_is_answered_first(counter, nonsense):
    told = await answered(counter, GET + nonsense)
    assert 0 < told.index(b"200 OK") < told.index(b"400 Bad Request")


async def test_nonsense_in_a_body_is_refused_at_once(counter):
    assert b"400 Bad Request" in await answered(counter, CHUNKED, b"nonsense\r\n")


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nhost: a\r\nx-long: ",
        CHUNKED + b"1\r\na\r\n0\r\nx-late: ",
        CHUNKED + b"1;",
        GET + b"GET / HTTP/1.1\r\nhost: a\r\nx-long: ",
    ],
    ids=["path", "header", "trailer", "extension", "second"],
)
async def test_what_never_ends_is_given_up(counter, begun):
    told = await answered(counter, begun, *MUCH)
    assert told == b"closed" or b"400 Bad Request" in told


async def test_trailers_join_no_headers(counter):
    told = await answered(counter, CHUNKED + b"1\r\na\r\n", b"0\r\nx-late: late\r\n\r\n", LAST)
    assert b"1 1 nothing late;" in told


async def test_a_body_is_not_a_head_however_long_it_is(counter):
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n"
    told = await answered(counter, head, *MUCH, LAST)
    assert b"1 300000 " in told
    assert b"2 0 " in told


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
@pytest.mark.parametrize("together", [True, False])
async def test_another_protocol_may_be_offered_and_is_passed_over(counter, together, protocol, caplog):
    """As curl --http2 and Java's client do. The body is a body, and no request, whatever is in it."""
    head = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: %s\r\ncontent-length: %d\r\n\r\n"
    head %= (protocol, len(GET))
    pieces = [head + GET + LAST] if together else [head, GET, LAST]
    told = await answered(counter, *pieces)
    assert told.count(b"200 OK") == 2
    assert b"1 %d " % len(GET) in told
    assert b"2 0 " in told
    assert caplog.records == []


async def test_who_half_closes_with_his_request_gets_an_answer_that_is_there_at_once():
    async def answer(_):
        return PlainTextResponse("ok")

    async with serving([Door(app=Starlette(routes=[Route("/", answer)]), host="127.0.0.1", port=0)]) as (url,):
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        writer.write(GET)
        writer.write_eof()
        told = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
    assert told.endswith(b"ok")


async def test_after_a_slow_answer_there_is_time_for_the_next_head(monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.4)

    async def answer(_):
        await asyncio.sleep(0.7)  # the first look sees it at work, the second one comes just after it
        return PlainTextResponse("ok;")

    app = Starlette(routes=[Route("/", answer)])
    async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        writer.write(GET)
        await asyncio.wait_for(reader.readuntil(b"ok;"), PATIENCE)
        writer.write(GET[:10])
        await asyncio.sleep(0.2)
        writer.write(GET[10:])
        assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"ok;"), PATIENCE)
        writer.close()


async def test_an_older_client_needs_no_host(counter):
    assert b"1 0 " in await answered(counter, b"GET / HTTP/1.0\r\n\r\n")
