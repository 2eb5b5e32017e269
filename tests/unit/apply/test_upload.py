"""Copies on hosts that fail, that have some parts already, and that outlive the process which sends them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from reconciler.apply.events import Ending, Event, Progress
from reconciler.apply.upload import TERM_MINUTES, Upload, upload_all
from reconciler.content.sealing import SealedFile, seal
from reconciler.content.sources import FreeContent, LocalFiles
from reconciler.model.errors import RefusedError, StalePlanError, UnreachableError, VerificationError
from reconciler.model.ids import Digest
from reconciler.model.observed import ObservedReplica, StorageGood
from reconciler.wire.payment import PaymentHeader
from reconciler.wire.storage import Leave, StorageAct, StorageWish
from reconciler.wire.stream_cipher import Layout, content_key

MIB = 1 << 20
NOW = 1_800_000_000
END = NOW + TERM_MINUTES * 60


@dataclass
class Host:
    """A storage host that keeps hashes in a folder, so that they outlive a process."""

    folder: Path
    fails: Exception | None = None
    sent: list[Digest] = field(default_factory=list)
    asked: list[StorageWish] = field(default_factory=list)
    looked: list[Digest] = field(default_factory=list)
    listings: int = 0
    lists: Exception | None = None

    async def listing(self) -> dict[Digest, int]:
        if self.lists:
            raise self.lists
        self.listings += 1
        return {file.name: int(file.read_text()) for file in self.folder.glob("*")}

    async def kept_until(self, content: Digest) -> int | None:
        self.looked.append(content)
        file = self.folder / content
        return int(file.read_text()) if file.exists() else None

    @property
    def url(self) -> str:
        return f"http://{self.folder.name}.embedded"

    async def ask(self, wish: StorageWish) -> Leave:
        if self.fails:
            raise self.fails
        self.asked.append(wish)
        if wish.act is StorageAct.UPLOAD:
            return Leave(url=f"{self.url}/put")
        until = int((self.folder / wish.sha256).read_text()) + wish.minutes * 60
        self.keep(wish.sha256, until)
        return Leave(until=until)

    async def pay(self, wish: StorageWish, payment: PaymentHeader) -> Leave:
        raise NotImplementedError

    async def bring(self, leave: Leave, chunks: AsyncIterator[bytes], *, size: int, sha256: Digest) -> int:
        digest, count = hashlib.sha256(), 0
        async for chunk in chunks:
            digest.update(chunk)
            count += len(chunk)
        if (digest.hexdigest(), count) != (sha256, size):
            raise VerificationError("other bytes")
        self.keep(sha256)
        self.sent.append(sha256)
        return END

    def keep(self, content: Digest, until: int = END) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / content).write_text(str(until))


class Counter:
    """Where hosts give for nothing."""

    async def leave(self, shop: Host, good: StorageGood, wish: StorageWish) -> Leave:
        return await shop.ask(wish)

    async def had(self, good: StorageGood, until: int) -> None:
        """Nothing was bought."""


@pytest.fixture
def hosts(tmp_path):
    return {name: Host(tmp_path / name) for name in ("eu", "us", "asia")}


@pytest.fixture
async def sold(tmp_path, request):
    """Three parts of sold content in a file with a hole."""
    path = tmp_path / "sold.bin"
    with path.open("wb") as file:
        file.truncate(130 * MIB)
    with path.open("rb") as file:
        sha256 = Digest(hashlib.file_digest(file, "sha256").hexdigest())
    key = content_key(hashlib.sha256(request.node.name.encode()).digest(), "sold", sha256)
    file = LocalFiles((path,), sha256, 130 * MIB)
    return SealedFile(file, key, await seal(file, key=key, sha256=sha256, layout=Layout(130 * MIB)))


@pytest.fixture
def free(tmp_path):
    path = tmp_path / "free.csv"
    path.write_bytes(b"a,b\n" * 1000)
    sha256 = Digest(hashlib.sha256(path.read_bytes()).hexdigest())
    return FreeContent(LocalFiles((path,), sha256, 4000), sha256, 4000)


def plaintext(stored) -> Digest:
    return stored.plaintext.sha256


def copies(stored, *names: str, least: int = 1) -> list[Upload]:
    return [
        Upload(dataset="prices", host=name, content=plaintext(stored), stored=stored, least=least) for name in names
    ]


class Told(list):
    def endings(self) -> dict[str, tuple[Ending, str]]:
        return {event.subject: (event.ending, event.detail) for event in self if isinstance(event, Event)}

    def progress(self) -> list[Progress]:
        return [event for event in self if isinstance(event, Progress)]


async def make(uploads, hosts, told=None, **more):
    tell = (told if told is not None else Told()).append
    return await upload_all(uploads, storage=hosts, counter=Counter(), now=NOW, tell=tell, **more)


async def test_free_content_is_one_object(hosts, free):
    told = Told()
    done = await make(copies(free, "eu"), hosts, told)

    assert done.replicas == (
        ObservedReplica(
            dataset="prices", host="eu", content=plaintext(free), parts=(plaintext(free),), size=4000, expires=END
        ),
    )
    assert done.failed == {}
    assert told.endings() == {"replica/prices@eu": (Ending.DONE, "4000 bytes")}


async def test_sold_content_is_stored_part_by_part_and_known_by_its_plaintext(hosts, sold):
    told = Told()
    done = await make(copies(sold, "eu", "us"), hosts, told)

    parts = tuple(part.sha256 for part in sold.parts)
    assert len(parts) == 3
    for replica in done.replicas:
        assert (replica.parts, replica.content) == (parts, plaintext(sold))
        assert replica.size == sold.sealed.layout.sealed_length == sum(part.size for part in sold.parts)
    assert hosts["eu"].sent == hosts["us"].sent == list(parts)
    assert not (hosts["eu"].folder / plaintext(sold)).exists()
    last = told.progress()[-1]
    assert last.sent == last.total == sold.sealed.layout.sealed_length


async def test_parts_that_are_there_are_not_sent_again(hosts, sold):
    hosts["eu"].keep(sold.parts[0].sha256)
    hosts["eu"].keep(sold.parts[1].sha256, until=NOW - 60)  # there, as long as nobody sweeps
    told = Told()

    (replica,) = (await make(copies(sold, "eu"), hosts, told)).replicas

    assert hosts["eu"].sent == [part.sha256 for part in sold.parts[1:]]
    assert replica.expires == END
    assert told.progress()[0].sent > sold.parts[0].size

    again = Told()
    await make(copies(sold, "eu"), hosts, again)
    assert again.endings() == {"replica/prices@eu": (Ending.DONE, "already there")}
    assert len(hosts["eu"].sent) == 2


async def test_a_copy_that_is_renewed_is_kept_for_a_term_more_without_a_byte_and_once_only(hosts, free):
    hosts["eu"].keep(plaintext(free), until=END - 60)
    [copy] = copies(free, "eu")
    renewed = replace(copy, outlives=END - 60)

    (replica,) = (await make([renewed], hosts)).replicas
    assert replica.expires == END - 60 + TERM_MINUTES * 60
    await make([renewed], hosts)
    assert [wish.act for wish in hosts["eu"].asked] == [StorageAct.RENEW]
    assert hosts["eu"].sent == []


async def test_what_is_there_for_a_short_time_is_kept_for_longer(hosts, free):
    hosts["eu"].keep(plaintext(free), until=NOW + 60)
    told = Told()
    (replica,) = (await make(copies(free, "eu"), hosts, told)).replicas
    assert replica.expires == NOW + 60 + TERM_MINUTES * 60
    assert told.endings() == {"replica/prices@eu": (Ending.DONE, "already there")}


async def test_a_copy_lasts_as_long_as_the_first_of_its_parts(hosts, sold):
    sooner = END - 24 * 3600
    for part in sold.parts:
        hosts["eu"].keep(part.sha256)
    hosts["eu"].keep(sold.parts[2].sha256, until=sooner)
    (replica,) = (await make(copies(sold, "eu"), hosts)).replicas
    assert replica.expires == sooner


@pytest.mark.parametrize("parts_before", [0, 1, 2])
async def test_an_upload_goes_on_where_a_kill_left_it(producer, kill, hosts, sold, parts_before):
    class Dying(Host):
        async def bring(self, leave, chunks, **more) -> int:
            if len(self.sent) < parts_before:
                return await super().bring(leave, chunks, **more)
            await anext(chunks)
            return kill()

    async def die():
        await make(copies(sold, "eu"), {"eu": Dying(hosts["eu"].folder)})

    assert producer.in_child(die) is None

    (replica,) = (await make(copies(sold, "eu"), hosts)).replicas

    assert hosts["eu"].sent == [part.sha256 for part in sold.parts[parts_before:]]
    assert replica.parts == tuple(part.sha256 for part in sold.parts)


async def test_enough_copies_are_enough_and_the_rest_is_told(hosts, free):
    hosts["us"].fails = UnreachableError("down")
    told = Told()

    done = await make(copies(free, "eu", "us", "asia", least=2), hosts, told)

    assert [replica.host for replica in done.replicas] == ["eu", "asia"]
    assert list(done.failed) == ["replica/prices@us"]
    assert told.endings()["replica/prices@us"] == (Ending.FAILED, "down")

    hosts["us"].fails = None
    (replica,) = (await make(copies(free, "us", least=2), hosts, standing=done.replicas)).replicas
    assert replica.host == "us"


async def test_too_few_copies_stop_the_apply(hosts, free):
    hosts["us"].fails = UnreachableError("down")
    with pytest.raises(UnreachableError, match="1 of 2 copies could not be stored, and nothing was published: down"):
        await make(copies(free, "eu", "us", least=2), hosts)
    hosts["us"].fails = RefusedError("too large")
    with pytest.raises(RefusedError, match="too large"):
        await make(copies(free, "eu", "us", least=2), hosts)


async def test_copies_that_are_there_and_readable_count(hosts, free):
    (there,) = (await make(copies(free, "asia"), hosts)).replicas
    hosts["us"].fails = UnreachableError("down")

    done = await make(copies(free, "eu", "us", least=2), hosts, standing=[there])
    assert len(done.replicas) == 1

    with pytest.raises(UnreachableError):
        await make(copies(free, "us", least=2), hosts, standing=[there])


@pytest.mark.parametrize("wrong", [{"content": "11" * 32}, {"dataset": "other"}, {"expires": NOW}, {"host": "eu"}])
async def test_other_copies_do_not_count(hosts, free, wrong):
    (made,) = (await make(copies(free, "asia"), hosts)).replicas
    fields = {name: getattr(made, name) for name in ("dataset", "host", "content", "parts", "size", "expires")}
    hosts["us"].fails = UnreachableError("down")
    with pytest.raises(UnreachableError):
        await make(copies(free, "eu", "us", least=2), hosts, standing=[ObservedReplica(**{**fields, **wrong})])


async def test_a_file_that_changed_is_a_stale_plan_however_many_copies_there_are(hosts, sold):
    with sold.plaintext.paths[0].open("r+b") as file:
        file.seek(70 * MIB)
        file.write(b"edited")
    hosts["us"].fails = UnreachableError("down")

    with pytest.raises(StalePlanError, match="changed since"):
        await make(copies(sold, "us", "eu"), hosts, standing=[])

    assert hosts["eu"].sent == [sold.parts[0].sha256]


@pytest.mark.parametrize("parallel", [1, 2])
async def test_so_many_copies_are_made_at_a_time_as_was_asked_for(hosts, free, parallel):
    running, most = 0, 0

    class Counting(Host):
        async def bring(self, leave, chunks, **more):
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            try:
                return await super().bring(leave, chunks, **more)
            finally:
                running -= 1

    names = list(hosts)[:3]
    done = await make(
        copies(free, *names), {name: Counting(host.folder) for name, host in hosts.items()}, parallel=parallel
    )

    assert len(done.replicas) == len(names) > parallel - 1
    assert most == min(parallel, len(names))


async def test_a_host_that_is_to_keep_much_lists_what_it_has_and_is_asked_for_nothing_of_it(hosts, tmp_path):
    host, uploads = hosts["eu"], []
    for number in range(20):
        stored = written(tmp_path / f"{number}.csv", number)
        host.keep(plaintext(stored))
        uploads += copies(stored, "eu")

    done = await make(uploads, hosts)

    assert [copy.expires for copy in done.replicas] == [END] * 20
    assert (host.listings, host.looked, host.sent) == (1, [], [])


async def test_what_many_datasets_share_is_asked_for_once(hosts, free):
    uploads = [replace(each, dataset=f"prices/{number}") for number in range(20) for each in copies(free, "eu")]

    done = await make(uploads, hosts)

    assert len(done.replicas) == 20
    assert (hosts["eu"].looked, hosts["eu"].sent) == ([plaintext(free)], [plaintext(free)])


async def test_a_host_that_lists_nothing_is_asked_for_every_part(hosts, tmp_path):
    host = hosts["eu"]
    host.lists = RefusedError("no lists here", code="404")
    stored = [written(tmp_path / f"{number}.csv", number) for number in range(20)]
    host.keep(plaintext(stored[7]))

    await make([upload for each in stored for upload in copies(each, "eu")], hosts)

    assert sorted(host.looked) == sorted(map(plaintext, stored))
    assert plaintext(stored[7]) not in host.sent
    assert len(host.sent) == 19


def written(path, number):
    content = f"{number},{number}\n".encode()
    path.write_bytes(content)
    sha256 = Digest(hashlib.sha256(content).hexdigest())
    return FreeContent(LocalFiles((path,), sha256, len(content)), sha256, len(content))
