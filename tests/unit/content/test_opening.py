from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace

import pytest

from reconciler.content.opening import open_content
from reconciler.content.sources import FreeContent, LocalFiles
from reconciler.model.errors import RefusedError, StateError, UnreachableError, VerificationError
from reconciler.model.ids import Digest, digest
from reconciler.wire.documents import PublishedContent, StoredPart
from reconciler.wire.uhrp import url_of

MIB = 1 << 20


@pytest.fixture
def target(tmp_path):
    return tmp_path / "opened.bin"


@pytest.fixture
async def published(make_sold, shelf):
    """Sold content of three parts, all of them on the shelf, with its key and plaintext."""
    sold = make_sold(130 * MIB, sparse=True)
    with sold.path.open("r+b") as file:
        file.write(b"the beginning")
    sold = replace_digest(sold, make_sold)
    stored = await sold.seal()
    await shelf.keep(stored)
    return stored.sealed.published("text/csv"), sold


def replace_digest(sold, make_sold):
    with sold.path.open("rb") as file:
        sha256 = Digest(hashlib.file_digest(file, "sha256").hexdigest())
    return replace(sold, sha256=sha256)


def same(one, other) -> bool:
    return hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest()


def leftovers(target) -> list[str]:
    return [path.name for path in target.parent.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("length", [1, 17, MIB, MIB + 1, 2 * MIB + 9])
async def test_sold_content_opens_with_its_key(make_sold, shelf, target, length):
    sold = make_sold(length)
    stored = await sold.seal()
    await shelf.keep(stored)

    await open_content(stored.sealed.published("text/csv"), target, key=sold.key, sources=[shelf])

    assert target.read_bytes() == sold.path.read_bytes()


async def test_many_parts_come_from_several_hosts_each_of_which_lacks_some(published, shelf, shelves, target):
    content, sold = published
    first, second, empty = shelves
    for number, part in enumerate(content.parts):
        (first if number % 2 else second).kept[part.sha256] = shelf.kept[part.sha256]
    told = []

    await open_content(content, target, key=sold.key, sources=[empty, first, second], progress=told.append)

    assert same(target, sold.path)
    assert told == sorted(told)
    assert told[-1] == sold.layout.sealed_length


async def test_a_host_that_lies_is_passed_over(published, shelf, shelves, target):
    content, sold = published
    liar, *_ = shelves
    for part in content.parts:
        data = bytearray(shelf.kept[part.sha256])
        data[-20] ^= 1
        liar.kept[part.sha256] = bytes(data)

    await open_content(content, target, key=sold.key, sources=[liar, shelf])

    assert same(target, sold.path)
    with pytest.raises(VerificationError):
        await open_content(content, target, key=sold.key, sources=[liar])


async def test_a_part_that_nobody_has_leaves_no_file(published, shelf, target):
    content, sold = published
    del shelf.kept[content.parts[1].sha256]

    with pytest.raises(RefusedError, match="not here"):
        await open_content(content, target, key=sold.key, sources=[shelf])
    with pytest.raises(UnreachableError):
        await open_content(content, target, key=sold.key, sources=[])

    assert not target.exists()
    assert leftovers(target) == []


async def test_what_was_there_stays_until_all_is_right(published, shelf, target):
    content, sold = published
    target.write_text("before")

    with pytest.raises(VerificationError, match="not the one that its document names"):
        await open_content(replace(content, digest=digest("11" * 32)), target, key=sold.key, sources=[shelf])
    assert target.read_text() == "before"

    await open_content(content, target, key=sold.key, sources=[shelf])
    assert same(target, sold.path)
    assert leftovers(target) == []


async def test_a_wrong_key_is_told_before_anything_is_downloaded(published, shelf, target):
    content, _ = published
    with pytest.raises(VerificationError, match="not the one"):
        await open_content(content, target, key=bytes(32), sources=[shelf])
    with pytest.raises(VerificationError, match="there is no key"):
        await open_content(content, target, key=None, sources=[shelf])
    assert shelf.asked == []


async def test_parts_that_were_swapped_in_the_document_do_not_open(make_sold, shelf, target):
    """Both have the right size; only the nonces tell."""
    sold = make_sold(192 * MIB, sparse=True)
    stored = await sold.seal()
    await shelf.keep(stored)
    content = stored.sealed.published("text/csv")
    one, two, three = content.parts

    with pytest.raises(VerificationError, match="tampered"):
        await open_content(replace(content, parts=(two, one, three)), target, key=sold.key, sources=[shelf])


async def test_free_content_opens_without_a_key(tmp_path, shelf, target):
    path = tmp_path / "free.csv"
    path.write_bytes(b"a,b\n" * 500_000)
    sha256 = digest(hashlib.sha256(path.read_bytes()).digest())
    free = FreeContent(LocalFiles((path,), sha256, path.stat().st_size), sha256, path.stat().st_size)
    await shelf.keep(free)
    content = PublishedContent(digest=sha256, size=free.size, media_type="text/csv", parts=free.parts)

    await open_content(content, target, key=None, sources=[shelf])

    assert target.read_bytes() == path.read_bytes()
    with pytest.raises(VerificationError, match="not sealed"):
        await open_content(content, target, key=bytes(32), sources=[shelf])
    with pytest.raises(VerificationError, match="parts are not"):
        await open_content(replace(content, size=5), target, key=None, sources=[shelf])


async def test_free_content_whose_parts_are_not_the_whole_is_refused(shelf, target):
    data = b"0123456789"
    name = digest(hashlib.sha256(data).digest())
    shelf.kept[name] = data
    content = PublishedContent(
        digest=digest("11" * 32), size=10, media_type="text/csv", parts=(StoredPart(url_of(name), name, 10),)
    )
    with pytest.raises(VerificationError, match="not the one that its document names"):
        await open_content(content, target, key=None, sources=[shelf])


async def test_a_target_that_cannot_be_written_is_told(make_sold, shelf, tmp_path):
    sold = make_sold(10)
    stored = await sold.seal()
    await shelf.keep(stored)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match="cannot be written"):
        await open_content(
            stored.sealed.published("text/csv"), tmp_path / "file" / "target", key=sold.key, sources=[shelf]
        )


async def test_opening_takes_the_same_memory_for_any_length(make_sold, target):
    class Sealing:
        url = "https://sealing.example"

        """Makes the parts while they are asked for, so that only the opening side is in memory."""

        def __init__(self, stored) -> None:
            self.stored = stored
            self.numbers = {part.sha256: number for number, part in enumerate(stored.parts)}

        def download(self, sha256, *, size):
            return self.stored.chunks(self.numbers[sha256])

    sold = make_sold(192 * MIB, sparse=True)
    stored = await sold.seal()
    tracemalloc.start()
    await open_content(stored.sealed.published("text/csv"), target, key=sold.key, sources=[Sealing(stored)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * MIB  # four parts at once, a few segments each
    assert target.stat().st_size == 192 * MIB
