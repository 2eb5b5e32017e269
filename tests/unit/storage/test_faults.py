"""Deaths, full disks, an S3 that fails and databases that are busy: nothing is lost, promised in vain, or served wrong."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import traceback
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from itertools import count
from urllib.parse import parse_qsl, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from reconciler.model.errors import UnreachableError
from reconciler.model.keys import UPLOAD_KEY
from reconciler.storage import disk
from reconciler.storage.advertise import Advertiser
from reconciler.storage.disk import Disk
from reconciler.storage.keeper import Keeper
from reconciler.storage.terms import Grant
from reconciler.store.database import Database
from reconciler.store.objects import Objects
from reconciler.web.server import Door, serving
from reconciler.wire.canonical import sha256_hex


@pytest.fixture
def opened(tmp_path, migrated, request, make_world):
    """Opens the same world anew, as a process does that comes after another."""
    for name in ("host", "storage"):
        shutil.copy(migrated, tmp_path / f"{name}.db")
    lives = count(1)

    @asynccontextmanager
    async def opened():
        async with AsyncExitStack() as stack:
            databases = {}
            for name in ("host", "storage"):
                databases[name] = Database.open(f"sqlite:///{tmp_path / name}.db")
                stack.push_async_callback(databases[name].close)
            world = make_world(tmp_path, databases, request.node.name)
            world._numbers = count(next(lives) * 1_000_000 + os.getpid() * 1_000_000_000)
            await stack.enter_async_context(world.ledger)
            await stack.enter_async_context(world.http)
            yield world

    return opened


def dies(work) -> None:
    """Run a coroutine function in a forked process, which is killed in it."""
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(work())
        except BaseException:  # noqa: BLE001 - a child reports whatever ends it, and ends
            traceback.print_exc()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


async def death(*_, **__) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (Disk, "write"),
        (Keeper, "_note"),  # the bytes are there, and nothing says whose they are
        (Keeper, "_advertise"),
        (Advertiser, "_send"),  # the token is written down, and has not left
        (Advertiser, "_tell_hosts"),  # the network has it
        (Objects, "sent"),  # a host has it, too
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_host_that_dies_in_any_step_goes_on_there(opened, monkeypatch, content, owner, step):
    sha256, urls = sha256_hex(content), []

    async def store() -> None:
        async with opened() as world:
            monkeypatch.setattr(owner, step, death)
            await world.ask("PUT", urls[0], content=content)

    async def ask() -> None:
        async with opened() as world:
            urls.append(await world.upload_url(len(content)))

    async def look() -> None:
        async with opened() as world:
            assert await world.client.listing() == {}  # nothing was promised
            shown = await world.ask("GET", f"/cdn/{sha256}")
            assert (shown.status, shown.body) == (200, content) or shown.status == 404
            assert (await world.ask("PUT", urls[0], content=content)).status == 200
            assert (await world.ask("GET", f"/cdn/{sha256}")).body == content
            assert list(await world.client.listing()) == [sha256]
            assert len(await world.adverts(sha256)) == 1
            for path in world.lying():
                os.utime(path, (0, 0))
            await world.keeper.tidy()
            assert [path.read_bytes() for path in world.lying()] == [content]

    asyncio.run(ask())
    dies(store)
    asyncio.run(look())


async def test_a_full_disk_takes_nothing_and_goes_on_when_there_is_room(world, monkeypatch):
    content, real = os.urandom(3 << 20), disk._append
    room = 2 << 20

    def append(file, block, measure):
        nonlocal room
        room -= len(block)
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file, block, measure)

    monkeypatch.setattr(disk, "_append", append)
    url = await world.upload_url(len(content))

    refused = await world.ask("PUT", url, content=content)
    assert (refused.status, refused.json()["code"]) == (503, "ERR_UNAVAILABLE")
    assert "space" not in refused.json()["description"]
    assert world.lying() == []

    room = 10 << 20
    assert (await world.ask("PUT", url, content=content)).status == 200


async def test_a_busy_database_costs_the_bytes_and_nothing_else(world, monkeypatch, content):
    url, real = await world.upload_url(len(content)), Objects.keep

    async def busy(*_, **__):
        raise UnreachableError("the database is busy")

    monkeypatch.setattr(Objects, "keep", busy)
    assert (await world.ask("PUT", url, content=content)).status == 503
    monkeypatch.setattr(Objects, "keep", real)
    assert (await world.ask("PUT", url, content=content)).status == 200

    assert len(world.lying()) == 2
    for path in world.lying():
        os.utime(path, (0, 0))
    await world.keeper.tidy()
    assert [path.read_bytes() for path in world.lying()] == [content]


async def test_an_s3_that_fails_or_is_silent_takes_nothing_and_gives_nothing_wrong(world, s3, content):
    async def broken(request):
        return Response(status_code=503)

    async def silent(request):
        while (await request.receive())["type"] != "http.disconnect":
            pass
        return Response()

    path, moment = f"/cdn/{sha256_hex(content)}", timedelta(seconds=0.3)
    world.serve(bucket=s3.bucket())
    await world.store(content)
    async with AsyncExitStack() as stack:
        for answer in (broken, silent):
            app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "HEAD", "PUT", "POST", "DELETE"])])
            (url,) = await stack.enter_async_context(serving([Door(app=app, host="127.0.0.1", port=0)]))
            world.serve(bucket=s3.bucket(endpoint=url, patience=moment))
            put = await world.ask("PUT", await world.upload_url(4000), content=content[:4000])
            assert (put.status, (await world.ask("GET", path)).status) == (503, 503)
            with suppress(UnreachableError):
                await world.keeper.tidy()
    world.serve(bucket=s3.bucket())
    assert (await world.ask("GET", path)).body == content
    assert list(await world.client.listing()) == [sha256_hex(content)]


@pytest.mark.parametrize("place", ["disk", "s3"])
async def test_two_processes_over_one_database_and_one_bucket_keep_one_truth(
    world, request, content, place, database_url
):
    bucket = world.bucket if place == "disk" else request.getfixturevalue("s3").bucket()
    world.serve(bucket=bucket)
    async with AsyncExitStack() as stack:
        database = Database.open(database_url)
        stack.push_async_callback(database.close)
        mine, world.databases = world.databases, {**world.databases, "storage": database}
        keeper = world.keeper
        world.serve(bucket=bucket)
        other = world.keeper
        world.databases = mine
        contents = [content[start:] for start in range(4)]
        urls = [await world.upload_url(len(data)) for data in contents for _ in range(2)]

        async def put(number: int, through: Keeper) -> None:
            query = dict(parse_qsl(urlsplit(urls[number]).query))
            grant = Grant.parse(query, lambda data: world.keys.mac(UPLOAD_KEY, data), world.clock())

            async def body():
                yield contents[number // 2]

            await through.receive(grant, body(), "text/csv")

        await asyncio.gather(
            *(put(number, keeper if number % 2 else other) for number in range(8)), keeper.sweep(), other.tidy()
        )

        assert sorted(await world.client.listing()) == sorted(sha256_hex(data) for data in contents)
        for data in contents:
            assert (await world.ask("GET", f"/cdn/{sha256_hex(data)}")).body == data
            assert len(await world.adverts(sha256_hex(data))) == 1
        names = [name async for batch in bucket.older_than(-60, below=world.keys.identity) for name in batch]
        assert len(names) == 4
