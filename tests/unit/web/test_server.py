"""Several apps on TCP in one event loop."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from reconciler.model.errors import StateError
from reconciler.web.server import Door, serving


def door(name: str, told: list[str] | None = None, *, host: str = "127.0.0.1", port: int = 0) -> Door:
    """An app that answers its name."""
    told = [] if told is None else told

    @asynccontextmanager
    async def lifespan(_):
        told.append(f"{name} up")
        yield
        told.append(f"{name} down")

    async def answer(_):
        return PlainTextResponse(name)

    return Door(app=Starlette(routes=[Route("/", answer)], lifespan=lifespan), host=host, port=port)


async def test_every_app_answers_at_its_own_url_while_the_block_runs():
    told = []
    async with serving([door("a", told), door("b", told)]) as urls, httpx.AsyncClient() as client:
        assert told == ["a up", "b up"]
        assert [(await client.get(url)).text for url in urls] == ["a", "b"]
    assert sorted(told[2:]) == ["a down", "b down"]
    async with httpx.AsyncClient() as client:
        for url in urls:
            with pytest.raises(httpx.ConnectError):
                await client.get(url)


async def test_a_port_in_use_is_named_and_nothing_starts():
    told = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StateError, match=f"port {port} is in use"):
            async with serving([door("a", told), door("b", told, port=port)]):
                pass
    assert told == []


async def test_the_same_port_can_be_had_again_at_once():
    async with serving([door("a")]) as (url,), httpx.AsyncClient() as client:
        await client.get(url)
    async with serving([door("b", port=httpx.URL(url).port)]) as (again,), httpx.AsyncClient() as client:
        assert again == url
        assert (await client.get(again)).text == "b"


async def test_localhost_listens_on_every_address_of_that_name():
    async with serving([door("a", host="localhost")]) as (url,):
        assert url.startswith("http://localhost:")
        port = httpx.URL(url).port
        for family, _, _, _, address in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM):
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setblocking(False)
                await asyncio.get_running_loop().sock_connect(probe, address)


async def test_a_wildcard_is_shown_as_a_name_that_can_be_opened():
    async with serving([door("a", host="0.0.0.0")]) as (url,), httpx.AsyncClient() as client:
        assert url.startswith("http://localhost:")
        assert (await client.get(url)).text == "a"


@pytest.mark.parametrize("host", ["nobody.invalid", "192.0.2.1"])
async def test_a_name_that_is_not_this_machines_is_refused(host):
    with pytest.raises(StateError, match=f"{host} is no address of this machine"):
        async with serving([door("a", host=host)]):
            pass


async def test_a_request_in_flight_ends_before_the_lifespan_does():
    told, arrived, go = [], asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lifespan(_):
        yield
        told.append("down")

    async def slow(_):
        arrived.set()
        await go.wait()
        told.append("answered")
        return PlainTextResponse("late")

    app = Starlette(routes=[Route("/", slow)], lifespan=lifespan)
    async with httpx.AsyncClient() as client:
        async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
            asked = asyncio.create_task(client.get(url))
            await arrived.wait()
            asyncio.get_running_loop().call_later(0.2, go.set)
        assert (await asked).text == "late"
    assert told == ["answered", "down"]


@pytest.mark.parametrize(
    "bomb",
    [
        b"x: " + b"a" * 2_000_000 + b"\r\n\r\n",
        b"".join(b"x-%d: %s\r\n" % (number, b"a" * 100) for number in range(20_000)) + b"\r\n",
        b"a" * 2_000_000,
    ],
    ids=["one", "many", "endless"],
)
async def test_more_headers_than_anyone_needs_are_not_kept_and_the_next_client_is_served(bomb):
    async with serving([door("here")]) as (url,), httpx.AsyncClient() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n" + bomb)
        answer = b""
        with suppress(ConnectionError):  # what was on its way when the server closed may take the answer with it
            answer = await reader.read(-1)
        assert answer[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 431"}
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        assert (await client.get(url)).text == "here"
