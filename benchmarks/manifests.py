"""Sets of manifests with as many datasets as are asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_PRODUCER: Final = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: benchmark}
spec:
  displayName: A benchmark
  gateway: {url: "http://localhost:3000"}
  network: embedded
  defaults: {license: CC-BY-4.0, tags: [benchmark]}
"""
_DATASET: Final = """\
---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: prices/{number:06d}}}
spec:
  title: Prices of instrument {number}
  source: {{path: ./data/{folder:03d}/{number:06d}.csv}}
  tags: [prices, daily]
  price: {price}
"""
_PER_FOLDER: Final = 100
_LONG_AGO: Final = 1_700_000_000
"""When the files were last changed: unix seconds, so that none is too young to be remembered."""


def write_manifests(folder: Path, datasets: int, files: int) -> int:
    """Write a producer and `datasets` documents into as many `files`, evenly; their size in bytes together."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = [_PRODUCER, *map(_dataset, range(datasets))]
    size = 0
    for number in range(files):
        share = "".join(texts[number * len(texts) // files : (number + 1) * len(texts) // files])
        size += len(share)
        _write(folder / f"{number:06d}.yaml", share.encode())
    return size


def write_contents(folder: Path, datasets: int) -> None:
    """Write the files that those manifests name: small ones, no two alike."""
    for number in range(datasets):
        _write(
            folder / "data" / f"{number // _PER_FOLDER:03d}" / f"{number:06d}.csv",
            f"day,close\n2024-01-01,{number}\n".encode(),
        )


def touch(path: Path) -> None:
    """Let a file look changed, and long enough ago to be remembered."""
    stamp = path.stat().st_mtime + 1
    os.utime(path, (stamp, stamp))


def _dataset(number: int) -> str:
    return _DATASET.format(number=number, folder=number // _PER_FOLDER, price=100 + number % 900)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (_LONG_AGO, _LONG_AGO))
