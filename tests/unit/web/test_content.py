"""Parts of content, validators, and senders who dawdle."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from reconciler.clients.http import HttpClient
from reconciler.model.errors import RefusedError
from reconciler.web.bodies import paced
from reconciler.web.content import content

DATA = bytes(range(250)) * 20
ETAG = '"e"'


async def answer(request):
    async def read(start, stop):
        for at in range(start, stop, 700):
            yield DATA[at : min(at + 700, stop)]

    return content(request, read, size=len(DATA), etag=ETAG, media_type="text/csv", headers={"x-more": "1"})


@pytest.fixture
async def ask():
    app = Starlette(routes=[Route("/", answer)])
    async with HttpClient(apps={"http://here.embedded": app}) as http:

        async def ask(method="GET", **headers):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await http.request(method, "http://here.embedded/", headers=named)

        yield ask


@pytest.mark.parametrize(
    ("asked", "part", "stated"),
    [
        ("bytes=0-9", slice(0, 10), "bytes 0-9/5000"),
        ("bytes=0-0", slice(0, 1), "bytes 0-0/5000"),
        ("bytes=4990-", slice(4990, 5000), "bytes 4990-4999/5000"),
        ("bytes=-5", slice(4995, 5000), "bytes 4995-4999/5000"),
        ("bytes=-9000", slice(0, 5000), "bytes 0-4999/5000"),
        ("bytes=4000-9999", slice(4000, 5000), "bytes 4000-4999/5000"),
        ("Bytes= 1-2 ", slice(1, 3), "bytes 1-2/5000"),
    ],
)
async def test_one_range_is_answered_with_that_part(ask, asked, part, stated):
    reply = await ask(range=asked)

    assert (reply.status, reply.body) == (206, DATA[part])
    assert reply.headers["content-range"] == stated
    assert reply.headers["content-length"] == str(len(DATA[part]))


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,3-4", "bytes=", "bytes=-", "bytes=x-", "bytes=9-3", "lines=0-1", "0-1", "bytes=" + "9" * 99 + "-"],
)
async def test_several_ranges_and_nonsense_are_answered_with_everything(ask, asked):
    reply = await ask(range=asked)

    assert (reply.status, reply.body) == (200, DATA)
    assert reply.headers["accept-ranges"] == "bytes"
    assert reply.headers["x-more"] == "1"


@pytest.mark.parametrize("asked", ["bytes=5000-", "bytes=9999-99999", "bytes=-0"])
async def test_what_lies_beyond_the_end_cannot_be_had(ask, asked):
    reply = await ask(range=asked)

    assert (reply.status, reply.headers["content-range"], reply.body) == (416, "bytes */5000", b"")


@pytest.mark.parametrize(("only_if", "status"), [(ETAG, 206), ('"other"', 200), (f"W/{ETAG}", 200), ("a date", 200)])
async def test_a_part_of_another_version_is_not_wanted(ask, only_if, status):
    assert (await ask(range="bytes=0-9", if_range=only_if)).status == status


@pytest.mark.parametrize(
    ("stated", "status"),
    [(ETAG, 304), ("*", 304), (f'"a", W/{ETAG}', 304), ('"a"', 200), ("", 200)],
)
async def test_who_has_it_need_not_fetch_it(ask, stated, status):
    reply = await ask(if_none_match=stated, range="bytes=9999-" if status == 304 else "x")

    assert (reply.status, reply.headers["etag"]) == (status, ETAG)
    assert reply.body == (DATA if status == 200 else b"")


@pytest.mark.parametrize(("asked", "status", "length"), [("", 200, "5000"), ("bytes=0-9", 206, "10")])
async def test_head_says_all_but_the_bytes(ask, asked, status, length):
    reply = await ask("HEAD", range=asked)

    assert (reply.status, reply.headers["content-length"], reply.body) == (status, length, b"")
    assert reply.headers["content-type"] == "text/csv"


async def test_a_sender_who_keeps_sending_is_listened_to():
    async def body():
        for _ in range(5):
            yield b"x" * 100

    assert b"".join([chunk async for chunk in paced(body())]) == b"x" * 500


async def test_a_sender_who_says_nothing_is_given_up():
    async def body():
        yield b"x"
        await asyncio.Event().wait()

    with pytest.raises(RefusedError, match="too slowly") as caught:
        async for _ in paced(body(), patience=0.01):
            pass
    assert caught.value.code == "ERR_TIMEOUT"


async def test_a_sender_is_not_blamed_for_what_the_reader_takes(monkeypatch):
    loop = asyncio.get_running_loop()
    true, passed = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: true() + passed[0])

    async def body():
        for _ in range(3):
            await asyncio.sleep(0)
            yield b"x"

    async for _ in paced(body()):
        passed[0] += 3600  # a disk that stalls


async def test_a_drop_now_and_then_buys_no_time():
    """Each chunk buys a thousandth of a second: a hundred of them cannot buy a tenth beyond the patience."""
    loop, sent = asyncio.get_running_loop(), 0

    async def body():
        nonlocal sent
        while True:
            next_drop = asyncio.Event()
            loop.call_later(0.01, next_drop.set)
            await next_drop.wait()
            sent += 1
            yield b"x"

    with pytest.raises(RefusedError, match="too slowly"):
        async for _ in paced(body(), patience=0.1, least=1000):
            pass
    assert sent < 100
