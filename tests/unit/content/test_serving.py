"""Plaintext out of stored parts, from storage hosts that may be away, lie, or change what they give."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tracemalloc

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.clients.http import HttpClient
from reconciler.content.cache import PartCache
from reconciler.content.fetching import Fetcher
from reconciler.content.serving import Library
from reconciler.content.sources import FreeContent, LocalFiles
from reconciler.model.errors import RefusedError, StateError, UnreachableError
from reconciler.model.ids import IdentityKey, RecordId, digest
from reconciler.wire.documents import PublishedContent, RecordDocument, StoredPart
from reconciler.wire.sealed_content import KnownContent
from reconciler.wire.sealing import seal_record
from reconciler.wire.stream_cipher import Layout, SegmentCipher, key_commitment
from reconciler.wire.uhrp import url_of

MIB = 1 << 20
HOSTS = ("http://one.embedded", "http://two.embedded")


class StorageHost:
    """Gives parts by their hash; may be told to give something else."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.arrivals: asyncio.Queue[str] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self.app = Starlette(routes=[Route("/{name}", self.answer)])

    async def answer(self, request: Request) -> Response:
        name = request.path_params["name"]
        self.asked.append(name)
        self.arrivals.put_nowait(name)
        await self.gate.wait()
        return Response(self.kept[name]) if name in self.kept else Response(status_code=404)


@pytest.fixture
def hosts():
    return {origin: StorageHost() for origin in HOSTS}


@pytest.fixture
async def http(hosts):
    async with HttpClient(apps={origin: host.app for origin, host in hosts.items()}) as http:
        yield http


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "parts"


@pytest.fixture
async def cached(http, folder):
    """Makes caches as processes have them, all of one folder."""
    made = []

    def make(pause=None, **more) -> PartCache:
        async def locate(content):
            return [f"{origin}/{content}" for origin in HOSTS]

        fetcher = Fetcher(http=http, strangers=http, folder=folder, locate=locate, plain_http=True, pause=pause)
        made.append(PartCache(fetcher, **more))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def library(cached):
    return Library(cached(), seed=nobody)


async def nobody() -> bytes:
    raise StateError("the sealed document was not made for this key")


async def stored(sold, *hosts) -> KnownContent:
    """Sold content that lies on these hosts."""
    sealed = await sold.seal()
    for index, part in enumerate(sealed.parts):
        data = b"".join([chunk async for chunk in sealed.chunks(index)])
        for host in hosts:
            host.kept[part.sha256] = data
    return KnownContent(published=sealed.sealed.published("text/csv"), sha256=sold.sha256, key=sold.key)


def free(data: bytes, *hosts, cuts=()) -> KnownContent:
    parts = []
    for start, stop in zip((0, *cuts), (*cuts, len(data)), strict=True):
        name = digest(hashlib.sha256(data[start:stop]).digest())
        parts.append(StoredPart(url_of(name), name, stop - start))
        for host in hosts:
            host.kept[name] = data[start:stop]
    whole = digest(hashlib.sha256(data).digest())
    return KnownContent(published=PublishedContent(whole, len(data), "text/csv", tuple(parts)), sha256=whole, key=None)


async def read(library, content, start=0, stop=None) -> bytes:
    return b"".join(
        [piece async for piece in await library.read(content, start, content.size if stop is None else stop)]
    )


SIZES = (1, 17, MIB - 1, MIB, MIB + 1, 3 * MIB + 5)


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_sold_is_read_as_it_was_in_any_range(make_sold, library, hosts, size):
    sold = make_sold(size)
    content = await stored(sold, *hosts.values())
    plain = sold.path.read_bytes()
    assert await read(library, content) == plain
    for start, stop in (
        (0, 1),
        (size - 1, size),
        (size // 3, size // 2 + 1),
        (max(0, size - MIB - 3), size),
        (size, size),
    ):
        assert await read(library, content, start, stop) == plain[start:stop]
    with pytest.raises(ValueError, match="are not in a content"):
        await library.read(content, 0, size + 1)


@pytest.mark.parametrize("cuts", [(), (1,), (MIB,), (5, MIB - 1, 2 * MIB + 7)])
async def test_free_content_is_read_as_it_lies_in_parts_of_any_size(library, hosts, cuts):
    data = os.urandom(3 * MIB + 11)
    content = free(data, *hosts.values(), cuts=cuts)
    for start, stop in ((0, len(data)), (0, 1), (MIB - 3, 2 * MIB + 9), (3 * MIB, len(data))):
        assert await read(library, content, start, stop) == data[start:stop]


async def test_a_part_is_fetched_once_for_all_who_wait_and_for_every_later_process(
    make_sold, library, hosts, cached, folder
):
    sold = make_sold(2 * MIB)
    content = await stored(sold, *hosts.values())
    host = hosts[HOSTS[0]]
    host.gate.clear()
    reads = [asyncio.ensure_future(read(library, content)) for _ in range(5)]
    await host.arrivals.get()
    host.gate.set()
    assert set(await asyncio.gather(*reads)) == {sold.path.read_bytes()}
    assert await read(Library(cached(), seed=nobody), content) == sold.path.read_bytes()
    assert len(host.asked) == 1
    assert [path.name for path in folder.iterdir()] == [content.published.parts[0].sha256]


async def test_nothing_in_plain_is_on_the_disk(make_sold, library, hosts, folder):
    sold = make_sold(MIB + 7)
    content = await stored(sold, *hosts.values())
    await read(library, content)
    plain = sold.path.read_bytes()
    for path in folder.iterdir():
        assert plain[100:132] not in path.read_bytes()


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: data[::-1], lambda data: data + b"x", None])
async def test_a_host_that_lies_or_has_nothing_is_passed_over(make_sold, library, hosts, spoil):
    sold = make_sold(2 * MIB + 1)
    content = await stored(sold, *hosts.values())
    (name,) = hosts[HOSTS[0]].kept
    data = hosts[HOSTS[0]].kept.pop(name)
    if spoil is not None:
        hosts[HOSTS[0]].kept[name] = spoil(data)
    assert await read(library, content) == sold.path.read_bytes()
    assert [len(host.asked) for host in hosts.values()] == [1, 1]


async def test_a_host_that_dawdles_has_the_next_one_asked_beside_it(make_sold, hosts, cached, folder):
    sold = make_sold(MIB)
    content = await stored(sold, *hosts.values())
    slow, fast = hosts.values()
    slow.gate.clear()
    assert await read(Library(cached(pause=lambda size: 0.0), seed=nobody), content) == sold.path.read_bytes()
    assert (len(slow.asked), len(fast.asked)) == (1, 1)
    assert [path.name for path in folder.iterdir()] == [content.published.parts[0].sha256]
    slow.gate.set()


async def test_swapped_segments_and_parts_are_not_taken_for_others(library, hosts, tmp_path):
    layout = Layout(3 * MIB)
    key = hashlib.sha256(b"key").digest()
    cipher = SegmentCipher(key, layout)
    segments = [cipher.seal(index, bytes([index]) * MIB) for index in range(3)]
    swapped = b"".join([segments[1], segments[0], segments[2]])
    name = digest(hashlib.sha256(swapped).digest())  # as if the hash in the document were theirs, too
    part = StoredPart(url_of(name), name, len(swapped))
    published = PublishedContent(digest("11" * 32), layout.length, "text/csv", (part,), key_commitment(key))
    for host in hosts.values():
        host.kept[name] = swapped
    content = KnownContent(published=published, sha256=digest("22" * 32), key=key)
    with pytest.raises(UnreachableError, match="damaged"):
        await library.read(content, 0, MIB)
    assert await read(library, content, 2 * MIB, 3 * MIB) == b"\x02" * MIB


async def test_where_nobody_has_it_that_is_an_outage_and_nothing_is_given(make_sold, library, hosts):
    content = await stored(make_sold(MIB), *hosts.values())
    for host in hosts.values():
        host.kept.clear()
    with pytest.raises(UnreachableError, match="no storage host gives"):
        await library.read(content, 0, 1)


async def test_a_part_that_comes_slowly_is_waited_for_no_longer_than_a_client_would_and_comes_all_the_same(
    make_sold, hosts, cached
):
    sold = make_sold(MIB)
    content = await stored(sold, *hosts.values())
    host = hosts[HOSTS[0]]
    host.gate.clear()
    impatient = Library(cached(patience=0.01), seed=nobody)
    with pytest.raises(UnreachableError, match="still on its way"):
        await impatient.read(content, 0, 1)
    host.gate.set()
    await asyncio.gather(*impatient._cache._coming.values())
    assert await read(impatient, content) == sold.path.read_bytes()
    assert len(host.asked) == 1


async def test_what_is_spoiled_on_the_disk_is_never_given_and_is_fetched_anew(
    make_sold, library, hosts, folder, cached
):
    sold = make_sold(10 * MIB)  # more than is kept in memory
    content = await stored(sold, *hosts.values())
    assert await read(library, content, 0, 1)
    (path,) = folder.iterdir()
    data = bytearray(path.read_bytes())
    data[2 * MIB] ^= 1
    path.write_bytes(data)
    with pytest.raises(UnreachableError, match="damaged"):
        await read(library, content)
    assert await read(library, content) == sold.path.read_bytes()
    path.write_bytes(data)
    assert await read(Library(cached(), seed=nobody), content) == sold.path.read_bytes()


async def test_what_was_evicted_is_fetched_again_even_between_two_segments(make_sold, library, hosts, folder):
    sold = make_sold(10 * MIB)
    content = await stored(sold, *hosts.values())
    plaintext = await library.read(content, 0, content.size)
    found = [await anext(plaintext)]
    for path in folder.iterdir():
        path.unlink()
    found += [piece async for piece in plaintext]
    assert b"".join(found) == sold.path.read_bytes()


async def test_the_disk_keeps_what_was_used_last_within_its_limit(library, hosts, cached, folder):
    cache = cached(limit=10_000)
    contents = [free(bytes([number]) * 3000, *hosts.values()) for number in range(6)]
    narrow = Library(cache, seed=nobody, hot=0)
    for number, content in enumerate(contents):
        assert await read(narrow, content) == bytes([number]) * 3000
        os.utime(folder / content.sha256, (number, number))  # as if a second had passed between them
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 10_000
    assert (folder / contents[-1].sha256).exists()
    assert not (folder / contents[0].sha256).exists()
    assert await read(narrow, contents[0]) == b"\0" * 3000


async def test_what_was_begun_by_a_process_that_died_is_removed(library, hosts, cached, folder):
    folder.mkdir()
    for name, age in ((".abc.1234", 0), (".abc.5678", 1_000_000)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, ((folder / name).stat().st_mtime - age,) * 2)
    await read(Library(cached(limit=10_000), seed=nobody), free(b"a" * 3000, *hosts.values()))
    assert {path.name for path in folder.iterdir() if path.name.startswith(".")} == {".abc.1234"}


async def test_what_is_larger_than_the_cache_is_not_passed_on(hosts, cached):
    content = free(b"a" * 3000, *hosts.values())
    with pytest.raises(RefusedError) as caught:
        await Library(cached(limit=2999), seed=nobody).read(content, 0, 1)
    assert caught.value.code == "404"
    assert content.published.parts[0].uhrp in caught.value.hint


async def test_small_content_is_given_from_memory_the_second_time(make_sold, library, hosts, folder):
    sold = make_sold(2 * MIB + 3)
    content = await stored(sold, *hosts.values())
    await read(library, content)
    for path in folder.iterdir():
        path.unlink()
    for host in hosts.values():
        host.kept.clear()
    assert await read(library, content) == sold.path.read_bytes()


async def test_memory_holds_so_much_and_no_more(hosts, cached):
    library = Library(cached(), seed=nobody, hot=10_000)
    for number in range(10):
        await read(library, free(bytes([number]) * 3000, *hosts.values()))
    assert sum(map(len, library._hot._segments.values())) <= 10_000
    assert len(library._hot._segments) == 3


async def test_the_next_part_comes_while_one_is_read(library, hosts):
    data = os.urandom(9 * MIB)
    content = free(data, *hosts.values(), cuts=(3 * MIB, 6 * MIB))
    plaintext = await library.read(content, 0, len(data))
    await anext(plaintext)
    arrivals = hosts[HOSTS[0]].arrivals
    assert [await arrivals.get(), await arrivals.get()] == [part.sha256 for part in content.published.parts[:2]]
    await plaintext.aclose()


async def test_nothing_runs_on_when_nobody_reads_any_more(make_sold, library, hosts):
    content = await stored(make_sold(10 * MIB), *hosts.values())
    plaintext = await library.read(content, 0, content.size)
    await anext(plaintext)
    await plaintext.aclose()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    unread = await library.read(content, 0, content.size)
    await unread.aclose()


SEED = hashlib.sha256(b"seed").digest()
RECORD = RecordId.parse("dataset/prices/btc")


async def test_the_seed_is_asked_for_once_and_only_for_what_is_sold(cached, tmp_path, make_sold):
    asked = []

    async def seed() -> bytes:
        asked.append(1)
        return SEED

    library = Library(cached(), seed=seed)
    identity = IdentityKey("02" + "11" * 32)
    assert await library.known(RecordDocument(identity, RECORD, {})) is None
    path = tmp_path / "free.csv"
    path.write_bytes(b"free")
    plain = digest(hashlib.sha256(b"free").digest())
    parts = FreeContent(LocalFiles((path,), plain, 4), plain, 4).parts
    known = await library.known(RecordDocument(identity, RECORD, {}, PublishedContent(plain, 4, "text/csv", parts)))
    assert known.sha256 == plain
    assert asked == []
    sold = make_sold(5)
    published = (await sold.seal()).sealed.published("text/csv")
    box = seal_record(SEED, RECORD, {"content": {"sha256": sold.sha256, "size": 5}}, bytes(12))
    with pytest.raises(StateError, match="cannot be opened"):  # another seed sealed it
        await library.known(RecordDocument(identity, RECORD, {}, published, box))
    assert asked == [1]


async def test_who_cannot_open_the_sealed_document_sells_nothing(library, make_sold):
    published = (await make_sold(5).seal()).sealed.published("text/csv")
    with pytest.raises(StateError, match="not made for this key"):
        await library.known(RecordDocument(IdentityKey("02" + "11" * 32), RECORD, {}, published, b"x" * 100))


@pytest.mark.long
async def test_large_content_takes_no_more_memory_than_small(make_sold, hosts, cached):
    sold = make_sold(192 * MIB, sparse=True)
    content = await stored(sold, *hosts.values())
    library = Library(cached(), seed=nobody)
    assert (
        await read(library, content, 0, 1) == b"\0"
    )  # the first part is here: what the test's hosts hold is their own
    for part in content.published.parts:
        await library._cache._brought(part)
    tracemalloc.start()
    count = 0
    async for piece in await library.read(content, 0, content.size):
        count += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 192 * MIB
    assert peak < 12 * MIB  # one segment given, one opened, each with its stored form
