"""Every client against every server that means no good: an error of ours, soon, within bounds; and nobody else hears of it."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import pytest

from reconciler.clients.broadcaster import TopicBroadcaster
from reconciler.clients.host import HostClient
from reconciler.clients.http import HttpClient, _timed
from reconciler.clients.reputations import Reputations
from reconciler.clients.resolver import Resolver
from reconciler.content.fetching import download
from reconciler.model.errors import OverlayError, RefusedError, UnreachableError
from reconciler.wire.http import Http, Reply, Streamed
from reconciler.wire.submission import Submission
from tests.contract.calls import CALLS, INNOCENT, SHA, TXID, chunks, drained
from tests.contract.hostile import ENDLESS, SLOW, WRONG, answering, listening, request_of, saying

SECONDS = 0.3
"""In place of the deadlines that clients give."""
LIMIT = 4 * 1024 * 1024
"""In place of their limits, where those are higher."""
GIVE_UP = 60.0
"""A client that is still at it then never ends."""


class Hasty:
    """A door whose deadlines are short."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def request(self, method: str, url: str, *, within: float = 10.0, limit: int = LIMIT, **more: Any) -> Reply:
        return await self._http.request(method, url, within=min(within, SECONDS), limit=min(limit, LIMIT), **more)

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, within: float = 10.0
    ) -> AbstractAsyncContextManager[Streamed]:
        return self._http.stream(url, headers=headers, within=min(within, SECONDS))


@pytest.fixture
async def http() -> AsyncIterator[Hasty]:
    async with HttpClient() as client:
        yield Hasty(client)


async def _resolve(http: Http, url: str) -> object:
    """A tracker that is at the same time the host."""
    host = HostClient(http, url)
    reputations = Reputations(clock=lambda: 0.0, dice=lambda: 1.0)
    async with Resolver(
        {url: host},
        host=lambda _: host,
        besides={url: host},
        reputations=reputations,
        clock=lambda: 0.0,
        plain_http=True,
    ) as resolver:
        return await resolver.lookup("ls_a", {})


class _Nobody:
    async def hosts_for(self, name: str) -> tuple[str, ...]:
        return ()


async def _broadcast(http: Http, url: str) -> object:
    """What was acknowledged, if anything."""
    reputations = Reputations(clock=lambda: 0.0, dice=lambda: 1.0)
    broadcaster = TopicBroadcaster(_Nobody(), host=lambda each: HostClient(http, each), reputations=reputations)
    done = await broadcaster.broadcast(Submission(b"beef", ("tm_a",)), txid=TXID, besides=[url])
    return done if done.ok else None


ALL_CALLS = {**CALLS, "resolver": _resolve, "broadcaster": _broadcast}


async def ends_well(name: str, http: Http, url: str) -> str | None:
    """What is wrong with how a call ends; None where it ends with an error of ours, or knows an innocent answer."""
    try:
        given = await ALL_CALLS[name](http, url)
    except OverlayError as error:
        error.message.encode()  # can be printed
        return None if isinstance(error, UnreachableError | RefusedError) or error.message else f"{name}: {error!r}"
    except Exception as error:  # noqa: BLE001 - that it is none of ours is what is looked for
        return f"{name}: {error!r}"
    return None if given == INNOCENT.get(name) else f"{name} gives {given!r}"


@pytest.mark.parametrize("deed", [*SLOW, *ENDLESS, *WRONG])
async def test_every_call_ends_with_an_error_of_ours(http, deed):
    async with listening({**SLOW, **ENDLESS, **WRONG}[deed]) as url, asyncio.timeout(GIVE_UP):
        faults = await asyncio.gather(*(ends_well(name, http, url) for name in ALL_CALLS))

    assert [fault for fault in faults if fault] == []


async def test_a_redirect_is_never_followed_and_no_header_goes_astray():
    visited = []

    async def elsewhere(reader, writer):
        visited.append(await request_of(reader))

    async with AsyncExitStack() as stack:
        target = await stack.enter_async_context(listening(elsewhere))
        for status in ("301 Moved", "302 Found", "303 Other", "307 Same", "308 Same"):
            origin = await stack.enter_async_context(
                listening(answering(b"", status=status, more=f"location: {target}/\r\n"))
            )
            async with HttpClient() as client:
                reply = await client.request(
                    "POST", origin, headers={"x-bsv-payment": "secret", "authorization": "secret"}, content=b"{}"
                )
            assert reply.status == int(status[:3])
    assert visited == []


async def test_a_download_that_is_redirected_takes_no_header_of_ours_along_and_stops(http):
    asked = []

    async def again(reader, writer):
        asked.append(await request_of(reader))
        host, port = writer.get_extra_info("sockname")[:2]
        writer.write(f"HTTP/1.1 302 Found\r\nlocation: http://{host}:{port}/\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()

    async with listening(again) as url:
        with pytest.raises(UnreachableError, match="redirects more than"):
            await drained(download(http, url, sha256=SHA, size=1, plain_http=True))
    assert len(asked) == 6
    assert not any(b"x-bsv" in request or b"authorization" in request.lower() for request in asked)


async def test_an_answer_that_follows_unasked_reaches_no_other_origin():
    poison = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"

    async def poisoning(reader, writer):
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}" + poison * 3)
        await writer.drain()
        await reader.read()

    async with listening(poisoning) as bad, listening(answering(b"honest")) as good, HttpClient() as client:
        first = await client.request("GET", bad)
        other = await client.request("GET", good)

    assert (first.body, other.body) == (b"{}", b"honest")


async def test_who_speaks_no_tls_is_out_of_reach():
    async with listening(answering(b"{}")) as url, HttpClient() as client:
        with pytest.raises(UnreachableError):
            await client.request("GET", url.replace("http:", "https:"), within=SECONDS)


async def test_memory_stays_near_the_limit_of_an_endless_answer_and_of_a_bomb():
    async with HttpClient() as client:
        for deed in (*ENDLESS.values(), WRONG["a gzip bomb"]):
            async with listening(deed) as url:
                tracemalloc.start()
                try:
                    with pytest.raises(UnreachableError):
                        await client.request("GET", url, limit=LIMIT)
                    _, most = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
            assert most < 4 * LIMIT


async def test_every_chunk_of_an_upload_has_its_own_deadline_and_making_one_has_none():
    told = []

    class Deadline:
        def reschedule(self, when):
            told.append(when)

    async for _ in _timed(chunks(2), Deadline(), 10.0):
        told.append("sent")  # noqa: PERF401 - the order counts

    assert [each if each in {None, "sent"} else "limit" for each in told] == [
        *(None, "limit", "sent", None, "limit", "sent", None, "limit")
    ]


async def test_an_upload_that_is_answered_by_a_drip_ends():
    async with listening(SLOW["a dripping body"]) as url, HttpClient() as client:
        with pytest.raises(UnreachableError, match="in time"):
            await client.request("PUT", url, headers={"content-length": "1000"}, content=chunks(), within=SECONDS)


async def test_whoever_is_told_to_be_patient_waits_longer_than_each_request_would():
    async def slow(reader, writer):
        await request_of(reader)
        await asyncio.sleep(2 * SECONDS)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()

    async with listening(slow) as url, HttpClient() as hasty, HttpClient(patience=GIVE_UP) as patient:
        with pytest.raises(UnreachableError, match="in time"):
            await hasty.request("GET", url, within=SECONDS)
        reply = await patient.request("GET", url, within=SECONDS)
        async with patient.stream(url, within=SECONDS) as streamed:
            pieces = [chunk async for chunk in streamed.chunks()]

    assert (reply.body, b"".join(pieces)) == (b"{}", b"{}")


async def test_a_door_for_what_strangers_name_leads_to_no_private_network_and_sends_nothing_there():
    heard = []

    async def listener(reader, writer):
        heard.append(await reader.read())

    async with listening(listener) as url, HttpClient(public_only=True) as client:
        for named in (url, url.replace("127.0.0.1", "localhost")):
            with pytest.raises(RefusedError, match="private network"):
                await client.request("POST", named, content=b"secret")
            with pytest.raises(RefusedError, match="private network"):
                async with client.stream(named):
                    pass
    assert b"".join(heard) == b""


async def test_ordinary_answers_still_come_through():
    answer = saying(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-encoding: identity\r\n\r\n{}")
    async with listening(answer) as url, HttpClient() as client:
        assert (await client.request("GET", url)).json() == {}
