"""Downloads that are broken off, and gone on with."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress

import pytest

from reconciler.content import opening
from reconciler.content.opening import Came, Fault, open_content
from reconciler.content.partial import How, resuming
from reconciler.model.errors import LockedError, RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Digest
from reconciler.wire.documents import PublishedContent, StoredPart
from reconciler.wire.uhrp import url_of

PIECES = [bytes([number]) * (1000 + number) for number in range(1, 7)]
DATA = b"".join(PIECES)


def sha256(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())


FREE = PublishedContent(
    sha256(DATA),
    len(DATA),
    "text/plain",
    tuple(StoredPart(url_of(sha256(piece)), sha256(piece), len(piece)) for piece in PIECES),
    None,
)


class Gateway:
    """Satisfies PlainSource."""

    url = "https://gateway.example"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    async def read(self, start, stop):
        self.asked.append((start, stop))
        for at in range(start, stop, 300):
            yield self.data[at : min(at + 300, stop)]


@pytest.fixture
def target(tmp_path):
    return tmp_path / "had.txt"


def partials(target):
    return sorted(path.name for path in target.parent.iterdir() if path.name.startswith("."))


def put(shelf, *numbers):
    for number in numbers:
        shelf.kept[FREE.parts[number].sha256] = PIECES[number]


async def test_what_is_there_is_not_fetched_again(shelf, target):
    put(shelf, 0, 1, 2, 4)
    with pytest.raises(RefusedError):
        await open_content(FREE, target, key=None, sources=[shelf], resume=True)
    assert not target.exists()
    assert len(partials(target)) == 2
    had = {FREE.parts[int(line.split()[0])].sha256 for line in _noted(target)}

    put(shelf, 3, 5)
    shelf.asked.clear()
    told = []
    await open_content(FREE, target, key=None, sources=[shelf], resume=True, progress=told.append)

    assert target.read_bytes() == DATA
    assert partials(target) == []
    assert had.isdisjoint(shelf.asked)
    assert told == sorted(told)
    assert told[-1] == len(DATA)


async def test_one_that_is_cancelled_in_the_middle_goes_on(shelf, target):
    put(shelf, *range(6))
    here = asyncio.Event()

    class Slow:
        url = "https://slow.example"

        def __init__(self):
            self.given = 0

        async def download(self, sha256, *, size):
            if self.given == 3:
                here.set()
                await asyncio.Event().wait()
            self.given += 1
            async for chunk in shelf.download(sha256, size=size):
                yield chunk

    task = asyncio.ensure_future(open_content(FREE, target, key=None, sources=[Slow()], resume=True))
    await here.wait()
    while sum(1 for _ in _noted(target)) < 3:  # noqa: ASYNC110 - what is waited for is on the disk
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    shelf.asked.clear()
    await open_content(FREE, target, key=None, sources=[shelf], resume=True)
    assert len(shelf.asked) == 3
    assert target.read_bytes() == DATA


def _noted(target):
    return [line for path in target.parent.glob(".*.done") for line in path.read_text().splitlines()]


async def test_a_partial_file_that_was_damaged_is_found_out_and_begun_anew(shelf, target):
    put(shelf, *range(5))
    with pytest.raises(RefusedError):
        await open_content(FREE, target, key=None, sources=[shelf], resume=True)
    (path,) = target.parent.glob(".*.part")
    with path.open("r+b") as file:
        file.write(b"damage")
    put(shelf, 5)
    with pytest.raises(VerificationError, match="not the one that its document names"):
        await open_content(FREE, target, key=None, sources=[shelf], resume=True)
    assert not target.exists()
    await open_content(FREE, target, key=None, sources=[shelf], resume=True)
    assert target.read_bytes() == DATA


def broken_off(target, look):
    """A download that ends before its time."""
    with suppress(UnreachableError), resuming(target, FREE.digest) as partial:
        look(partial)
        raise UnreachableError("broken off")


async def test_notes_that_were_cut_off_say_nothing(target):
    def begin(partial):
        partial.note(3, How.STORED)
        with pytest.raises(LockedError, match="another process"):
            broken_off(target, lambda _: None)

    broken_off(target, begin)
    (notes,) = target.parent.glob(".*.done")
    assert notes.read_text() == "3 stored\n"

    notes.write_bytes(b"3 stored\n12 plain\n5 stor\n-1 stored\nx plain\n4 77\n6 -1\n8 99999999999999999999\n7 stored")
    seen = []
    broken_off(target, lambda partial: seen.append((partial.done, partial.begun)))
    assert seen == [({3: How.STORED, 12: How.PLAIN}, {4: 77})]


class Pieces:
    """Satisfies PieceSource; breaks off after so many bytes."""

    def __init__(self, data: bytes, *, breaks: int | None = None) -> None:
        self.url = "https://pieces.example"
        self.data = data
        self.breaks = breaks
        self.asked: list[int] = []

    def download(self, sha256, *, size):
        return self.piece(sha256, size=size, start=0)

    async def piece(self, sha256, *, size, start):
        self.asked.append(start)
        for at in range(start, len(self.data), 100):
            if self.breaks is not None and at >= self.breaks:
                raise UnreachableError("broken off")
            yield self.data[at : at + 100]


LARGE = bytes(range(256)) * 20
ONE = PublishedContent(
    sha256(LARGE), len(LARGE), "text/plain", (StoredPart(url_of(sha256(LARGE)), sha256(LARGE), len(LARGE)),), None
)


@pytest.fixture
def small_steps(monkeypatch):
    monkeypatch.setattr(opening, "STEP", 1000)


async def test_a_large_part_goes_on_in_its_middle(target, small_steps):
    broken, whole = Pieces(LARGE, breaks=3500), Pieces(LARGE)
    with pytest.raises(UnreachableError):
        await open_content(ONE, target, key=None, sources=[broken], resume=True)
    assert _noted(target) == ["0 3000"]
    told = []
    await open_content(ONE, target, key=None, sources=[whole], resume=True, progress=told.append)
    assert told == [4000, 5000, len(LARGE)]
    assert (broken.asked, whole.asked) == ([0], [3000])
    assert target.read_bytes() == LARGE


async def test_a_beginning_that_was_damaged_on_the_disk_is_not_the_hosts_fault(target, small_steps):
    with pytest.raises(UnreachableError):
        await open_content(ONE, target, key=None, sources=[Pieces(LARGE, breaks=3500)], resume=True)
    (path,) = target.parent.glob(".*.part")
    with path.open("r+b") as file:
        file.write(b"damage")
    whole, told = Pieces(LARGE), []
    await open_content(ONE, target, key=None, sources=[whole], resume=True, tell=told.append)
    assert whole.asked == [3000, 0]
    assert [each for each in told if isinstance(each, Fault)] == []
    assert target.read_bytes() == LARGE


async def test_a_gateway_stands_in_for_parts_that_no_host_has(shelf, target):
    put(shelf, 0, 5)
    gateway, told = Gateway(DATA), []
    await open_content(FREE, target, key=None, sources=[shelf], plain=[gateway], resume=True, tell=told.append)

    assert target.read_bytes() == DATA
    assert min(gateway.asked) == (len(PIECES[0]), len(PIECES[0]) + len(PIECES[1]))
    assert len(gateway.asked) == 4
    assert {each.url for each in told if isinstance(each, Came)} == {shelf.url, gateway.url}


async def test_a_gateway_that_lies_about_free_parts_is_caught_at_once(shelf, target):
    put(shelf, 0, 1, 2, 3, 4)
    liar, told = Gateway(DATA[::-1]), []
    with pytest.raises(VerificationError, match="other plaintext"):
        await open_content(FREE, target, key=None, sources=[shelf], plain=[liar], resume=True, tell=told.append)
    assert [fault.url for fault in told if isinstance(fault, Fault) and fault.lied] == [liar.url]


async def test_plaintext_of_sold_content_that_is_wrong_is_forgotten_and_nothing_else(make_sold, shelf, target):
    sold = make_sold(5000)
    stored = await sold.seal()
    content = stored.sealed.published("text/csv")
    right = sold.path.read_bytes()
    wrong = Gateway(right[:-1] + b"\x00" if right[-1:] != b"\x00" else right[:-1] + b"\x01")
    with pytest.raises(VerificationError, match=r"gateway.example gives other plaintext"):
        await open_content(content, target, key=sold.key, sources=[], plain=[wrong], resume=True)
    await open_content(content, target, key=sold.key, sources=[], plain=[Gateway(right)], resume=True)
    assert target.read_bytes() == right


async def test_who_gave_other_bytes_once_is_asked_no_more(shelf, shelves, target):
    put(shelf, *range(6))
    liar, *_ = shelves
    for part in FREE.parts:
        liar.kept[part.sha256] = b"x" * part.size
    told = []
    await open_content(FREE, target, key=None, sources=[liar, shelf], tell=told.append)
    assert target.read_bytes() == DATA
    assert len(liar.asked) <= 4  # those that were on their way together
    with pytest.raises(UnreachableError, match="nobody"):
        await open_content(FREE, target, key=None, sources=[])
