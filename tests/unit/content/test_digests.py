from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.content.digests import ContentFacts, Digests
from reconciler.model.errors import StateError

LONG_AGO = time.time_ns() - 3600 * 10**9


@dataclass(frozen=True)
class Wanted:
    path: Path
    media_type: str = "text/csv"
    describe: bool = False
    others: tuple[Path, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.path, *self.others)


def put(folder: Path, name: str, content: str, *, mtime_ns: int = LONG_AGO) -> Path:
    path = folder / name
    path.write_text(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


async def test_facts_are_digest_size_and_media_type(tmp_path):
    path = put(tmp_path, "a", "hello")

    facts = await Digests(tmp_path / "cache").facts([Wanted(path)])

    assert facts == {(path,): ContentFacts(sha256=sha256("hello"), size=5, media_type="text/csv")}


async def test_a_second_run_reads_nothing(tmp_path):
    files = [Wanted(put(tmp_path, f"f{index}", str(index))) for index in range(50)]
    first = Digests(tmp_path / "home" / "cache")
    before = await first.facts(files)

    second = Digests(tmp_path / "home" / "cache")
    after = await second.facts(files)

    assert (first.hashed, second.hashed) == (50, 0)
    assert before == after


async def test_several_files_have_the_facts_of_the_one_that_they_are_joined_to(tmp_path):
    one, two = put(tmp_path, "one.csv", "day,price\n2024-01-01,3\n"), put(tmp_path, "two.csv", "2024-01-02,4\n")

    facts = await Digests(tmp_path / "cache").facts([Wanted(one, others=(two,), describe=True), Wanted(two)])

    assert facts[one, two].sha256 == sha256(one.read_text() + two.read_text())
    assert facts[one, two].size == one.stat().st_size + two.stat().st_size
    assert facts[one, two].description == "2 rows, 2 columns (day, price); day from 2024-01-01 to 2024-01-02"
    assert facts[two,].sha256 == sha256(two.read_text())


async def test_files_that_are_joined_are_read_again_only_if_one_of_them_or_their_order_changed(tmp_path):
    one, two = put(tmp_path, "one", "1"), put(tmp_path, "two", "2")

    async def hashed(*paths: Path) -> tuple[int, str]:
        digests = Digests(tmp_path / "cache")
        facts = await digests.facts([Wanted(paths[0], others=paths[1:])])
        return digests.hashed, facts[paths].sha256

    assert await hashed(one, two) == (1, sha256("12"))
    assert await hashed(one, two) == (0, sha256("12"))
    assert await hashed(two, one) == (1, sha256("21"))
    put(tmp_path, "two", "3", mtime_ns=LONG_AGO + 1)
    assert await hashed(one, two) == (1, sha256("13"))
    put(tmp_path, "one", "4", mtime_ns=time.time_ns())
    assert await hashed(one, two) == (1, sha256("43"))
    assert await hashed(one, two) == (1, sha256("43"))  # one was just written: not remembered


async def test_a_changed_file_is_read_again(tmp_path):
    path = put(tmp_path, "a", "one")
    await Digests(tmp_path / "cache").facts([Wanted(path)])
    put(tmp_path, "a", "two", mtime_ns=LONG_AGO + 1)

    digests = Digests(tmp_path / "cache")
    facts = await digests.facts([Wanted(path)])

    assert facts[path,].sha256 == sha256("two")
    assert digests.hashed == 1


async def test_a_file_with_other_bytes_and_the_same_times_and_size_is_read_again(tmp_path):
    path = put(tmp_path, "a", "one")
    before = path.stat()
    await Digests(tmp_path / "cache").facts([Wanted(path)])
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # the clock of the file system has ticks
        put(tmp_path, "a", "two")
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)

    facts = await Digests(tmp_path / "cache").facts([Wanted(path)])

    assert facts[path,].sha256 == sha256("two")


async def test_a_file_that_was_just_written_is_not_remembered(tmp_path):
    """It could change again within the clock's tick, with the same size, and nothing would tell."""
    now = time.time_ns()
    path = put(tmp_path, "a", "one", mtime_ns=now - 1_900_000_000)
    await Digests(tmp_path / "cache", now_ns=lambda: now).facts([Wanted(path)])
    inode = path.stat().st_ino
    put(tmp_path, "a", "two", mtime_ns=now - 1_900_000_000)
    assert path.stat().st_ino == inode

    facts = await Digests(tmp_path / "cache", now_ns=lambda: now).facts([Wanted(path)])

    assert facts[path,].sha256 == sha256("two")


async def test_a_description_is_made_once_and_remembered(tmp_path):
    path = put(tmp_path, "a.csv", "day,price\n2024-01-01,3\n")
    await Digests(tmp_path / "cache").facts([Wanted(path)])

    asked = Digests(tmp_path / "cache")
    facts = await asked.facts([Wanted(path, describe=True)])
    again = Digests(tmp_path / "cache")
    repeated = await again.facts([Wanted(path, describe=True)])

    assert facts[path,].description == "1 row, 2 columns (day, price); day from 2024-01-01 to 2024-01-01"
    assert repeated == facts
    assert (asked.hashed, again.hashed) == (1, 0)
    assert (await again.facts([Wanted(path)]))[path,].description is None


@pytest.mark.parametrize(
    "rubbish", ["", "[]", "{", '{"version": 3, "contents": [["x"]]}', '{"version": 99, "contents": []}', "\x00"]
)
async def test_a_cache_that_cannot_be_read_is_made_anew(tmp_path, rubbish):
    (tmp_path / "cache").write_text(rubbish)
    path = put(tmp_path, "a", "one")

    await Digests(tmp_path / "cache").facts([Wanted(path)])
    again = Digests(tmp_path / "cache")
    await again.facts([Wanted(path)])

    assert again.hashed == 0


async def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path):
    with pytest.raises(StateError) as caught:
        await Digests(tmp_path / "cache").facts([Wanted(tmp_path / "gone")])

    assert caught.value.where == str(tmp_path / "gone")

    there = put(tmp_path, "there", "1")
    with pytest.raises(StateError) as caught:
        await Digests(tmp_path / "cache").facts([Wanted(there, others=(tmp_path / "gone",))])
    assert caught.value.where == str(tmp_path / "gone")


async def test_nothing_to_do_writes_nothing(tmp_path):
    assert await Digests(tmp_path / "cache").facts([]) == {}
    assert not (tmp_path / "cache").exists()
