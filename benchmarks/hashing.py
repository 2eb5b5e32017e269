"""Digests of content: a large file beside `hashlib.file_digest`, and 10,000 files that have not changed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.manifests import touch, write_contents
from benchmarks.setting import Figures, Row, Setting
from reconciler.content.digests import Digests

BUDGET: Final = 0.9
"""DESIGN §11, by processor time."""

_LARGE: Final = 1 << 30
_FILES: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Content:
    """A file, as a manifest would name it."""

    paths: tuple[Path, ...]
    media_type: str = "text/csv"
    describe: bool = False


def measure(setting: Setting) -> Iterator[Row]:
    """Hash, then find that there is nothing to hash."""
    yield _large(setting)
    yield from _unchanged(setting)


def _large(setting: Setting) -> Row:
    size = setting.count(_LARGE)
    file = setting.folder / "large.bin"
    with file.open("wb") as stream:
        block = os.urandom(1 << 20)
        for start in range(0, size, len(block)):
            stream.write(block[: size - start])
    ours, theirs = [], []
    for number in range(setting.rounds):
        ours.append(_rate(size, partial(_hash, Digests(setting.folder / f"cache-{number}"), [file])))
        theirs.append(_rate(size, partial(_file_digest, file)))
    mine, peer = Figures(tuple(ours), "MB/s of CPU"), Figures(tuple(theirs), "MB/s of CPU")
    return Row(
        work=f"hash a file of {size / 1e6:,.0f} MB",
        ours=mine,
        peer=peer,
        ratio=mine.middle / peer.middle,
        budget=BUDGET if setting.scale == 1 else None,
        note="hashlib.file_digest",
    )


def _unchanged(setting: Setting) -> Iterator[Row]:
    count = setting.count(_FILES)
    folder, cache = setting.folder / "many", setting.folder / "cache"
    write_contents(folder, count)
    files = sorted((folder / "data").glob("*/*"))
    first = _hash_timed(cache, files)
    yield Row(work=f"hash {count:,} small files", ours=Figures((first[0],), "ms CPU"), note=f"{first[1]:,} hashed")
    again = [_hash_timed(cache, files) for _ in range(setting.rounds)]
    hashed = max(each[1] for each in again)
    yield Row(
        work=f"the same again, files that were hashed of {count:,}",
        ours=Figures(tuple(each[0] for each in again), "ms CPU"),
        ratio=1.0 if hashed == 0 else 0.0,
        budget=1.0,
        note=f"{hashed} hashed",
    )
    touch(files[0])
    one = _hash_timed(cache, files)
    yield Row(work="the same with one file touched", ours=Figures((one[0],), "ms CPU"), note=f"{one[1]} hashed")


def _hash_timed(cache: Path, files: list[Path]) -> tuple[float, int]:
    digests = Digests(cache)
    before = time.process_time()
    _hash(digests, files)
    return (time.process_time() - before) * 1000, digests.hashed


def _hash(digests: Digests, files: list[Path]) -> None:
    asyncio.run(digests.facts(_Content((file,)) for file in files))


def _file_digest(file: Path) -> None:
    with file.open("rb") as stream:
        hashlib.file_digest(stream, "sha256")


def _rate(size: int, work: Callable[[], None]) -> float:
    before = time.process_time()
    work()
    return size / 1e6 / (time.process_time() - before)
