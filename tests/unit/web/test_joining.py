"""Writes that are sent together."""

from __future__ import annotations

import asyncio

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from reconciler.web.joining import JoinedWrites
from reconciler.web.server import Door, serving


class Recorder:
    """A transport that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("close")

    def is_closing(self) -> bool:
        return "close" in self.told


async def test_what_is_written_in_one_turn_is_sent_at_once():
    under = Recorder()
    joined = JoinedWrites(under)
    for each in (b"head", b"", b"body"):
        joined.write(each)
    assert under.told == []
    await asyncio.sleep(0)
    joined.write(b"next")
    await asyncio.sleep(0)
    assert under.told == [b"headbody", b"next"]


async def test_what_is_kept_is_sent_before_the_connection_is_closed():
    under = Recorder()
    joined = JoinedWrites(under)
    joined.write(b"end")
    joined.close()
    await asyncio.sleep(0)
    assert under.told == [b"end", "close"]
    assert joined.is_closing()


async def test_much_is_not_kept_back():
    under = Recorder()
    joined = JoinedWrites(under)
    joined.write(bytes(40_000))
    joined.write(bytes(40_000))
    assert [len(each) for each in under.told] == [80_000]


async def test_a_server_that_never_rests_waits_for_a_client_that_does_not_read():
    sent = []

    async def long(_):
        async def chunks():
            while len(sent) < 1000:
                sent.append(1)
                yield bytes(100_000)

        return StreamingResponse(chunks())

    async def ok(_):
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/", long), Route("/ok", ok)])
    async with (
        serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,),
        httpx.AsyncClient(base_url=url) as client,
        client.stream("GET", "/"),
    ):
        assert (await client.get("/ok")).text == "ok"
        assert len(sent) < 1000


async def test_what_is_large_is_sent_as_it_is_and_after_what_came_before():
    under = Recorder()
    joined = JoinedWrites(under)
    joined.write(b"head")
    large = bytes(1 << 20)
    joined.write(large)
    joined.write(b"end")
    await asyncio.sleep(0)
    assert under.told == [b"head", large, b"end"]
    assert under.told[1] is large
