"""What a bucket promises: the same on a disk and on S3, which is moto's server, spoken to over HTTP."""

from __future__ import annotations

import asyncio
import os
from hashlib import sha256
from pathlib import Path

import pytest

from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.storage.disk import Disk

MIB = 1 << 20


@pytest.fixture(params=["disk", "s3"])
def place(request, tmp_path):
    """Where the bytes lie: a maker of buckets there."""
    if request.param == "disk":
        folder = tmp_path / "bucket"
        return lambda: Disk(folder)
    s3 = request.getfixturevalue("s3")
    return s3.bucket


@pytest.fixture
def bucket(place):
    return place()


async def chunks(data, size=70_000):
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def whole(bucket, name, size):
    return b"".join([block async for block in bucket.read(name, 0, size)])


async def names(bucket, below="host"):
    return {name async for batch in bucket.older_than(-3600, below=below) for name in batch}


@pytest.mark.parametrize("size", [1, 70_000, 3 * MIB + 1, 17 * MIB])
async def test_what_is_written_is_there_with_its_hash(bucket, size):
    data = os.urandom(size)

    digest = await bucket.write("host/a", chunks(data), size)

    assert digest == sha256(data).hexdigest()
    assert await bucket.size("host/a") == size
    assert await whole(bucket, "host/a", size) == data
    assert await names(bucket) == {"host/a"}


async def test_a_part_is_read_alone(bucket):
    data = os.urandom(10 * MIB)
    await bucket.write("host/a", chunks(data), len(data))

    for start, stop in ((0, 1), (5, 5), (9 * MIB - 5, 9 * MIB + 5), (10 * MIB - 1, 10 * MIB)):
        assert b"".join([block async for block in bucket.read("host/a", start, stop)]) == data[start:stop]


@pytest.mark.parametrize("come", [0, 4_999, 5_001, 12 * MIB])
async def test_more_or_less_than_was_announced_leaves_nothing(bucket, come):
    announced = 11 * MIB if come > MIB else 5000

    with pytest.raises(RefusedError) as caught:
        await bucket.write("host/a", chunks(bytes(come)), announced)

    assert caught.value.code == "ERR_INVALID_SIZE"
    assert await bucket.size("host/a") is None
    assert await names(bucket) == set()


async def test_a_sender_who_fails_or_is_given_up_leaves_nothing(bucket, request):
    begun = asyncio.Event()

    async def failing():
        yield bytes(9 * MIB)
        raise UnreachableError("gone")

    async def endless():
        yield bytes(9 * MIB)
        begun.set()
        await asyncio.Event().wait()

    with pytest.raises(UnreachableError, match="gone"):
        await bucket.write("host/a", failing(), 20 * MIB)
    writing = asyncio.create_task(bucket.write("host/b", endless(), 20 * MIB))
    await begun.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    assert await names(bucket) == set()


async def test_what_is_not_there_has_no_size_cannot_be_read_and_can_be_removed(bucket):
    assert await bucket.size("host/a") is None
    with pytest.raises(UnreachableError, match="out of reach"):
        await whole(bucket, "host/a", 5)
    await bucket.remove("host/a")
    assert await names(bucket) == set()


async def test_what_is_removed_is_gone(bucket):
    await bucket.write("host/a", chunks(b"abc"), 3)

    await bucket.remove("host/a")

    assert await bucket.size("host/a") is None


async def test_only_what_is_old_and_below_the_name_is_listed(bucket):
    for name in ("host/a", "host/b", "other/c"):
        await bucket.write(name, chunks(b"abc"), 3)

    assert await names(bucket) == {"host/a", "host/b"}
    assert [name async for batch in bucket.older_than(3600, below="host") for name in batch] == []
    await bucket.abandon(3600, below="host")
    assert await bucket.size("host/a") == 3


async def test_two_processes_see_one_bucket(place):
    first, second = place(), place()
    await first.write("host/a", chunks(b"abc"), 3)

    assert await whole(second, "host/a", 3) == b"abc"
    await second.remove("host/a")

    assert await first.size("host/a") is None


async def test_a_file_and_the_names_on_the_way_to_it_are_synced_before_it_counts(tmp_path, monkeypatch):
    synced = []
    real = os.fsync

    def fsync(handle):
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    await Disk(tmp_path / "bucket").write("host/a", chunks(b"abc"), 3)

    root = tmp_path / "bucket"
    assert synced == [str(root / "host" / "a.part"), str(root / "host"), str(root)]
    assert [path.name for path in (root / "host").iterdir()] == ["a"]


async def test_a_prefix_keeps_hosts_apart(s3):
    first, second = s3.bucket(prefix="one"), s3.bucket(prefix="two")

    await first.write("host/a", chunks(b"abc"), 3)

    assert await names(first) == {"host/a"}
    assert await names(second) == set()


async def test_a_bucket_that_does_not_answer_is_an_error_that_may_pass(s3):
    bucket = s3.bucket(name="there-is-none")

    with pytest.raises(UnreachableError, match="out of reach"):
        await bucket.write("host/a", chunks(bytes(100)), 100)
    with pytest.raises(UnreachableError, match="out of reach"):
        await names(bucket)


@pytest.mark.parametrize(
    "place", [{}, {"endpoint": None, "region": None}, {"region": "eu-central-1"}, {"endpoint": "http://127.0.0.1:1"}]
)
def test_an_s3_is_where_it_is_said_to_be_or_where_the_environment_says(place):
    from reconciler.storage.s3 import S3

    assert S3("bucket", **place)
