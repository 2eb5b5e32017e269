"""Reading manifests with the place of everything in them, beside what PyYAML's fastest loader takes for no places at all."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import yaml

from benchmarks.manifests import write_manifests
from benchmarks.setting import Figures, Row, Setting
from reconciler.manifest.documents import read_drafts

BUDGET: Final = 1 / 1.3
"""DESIGN §11: at most 1.3 times as long."""

_DATASETS: Final = 10_000
_FILES: Final = (1, 100, 10_000)


def measure(setting: Setting) -> Iterator[Row]:
    """10,000 documents in one file, in a hundred, and in a file of its own each."""
    datasets = setting.count(_DATASETS, least=20)
    for files in dict.fromkeys(min(datasets, files) for files in _FILES):
        folder = setting.folder / f"{files}"
        size = write_manifests(folder, datasets, files)
        texts = {path: path.read_bytes() for path in sorted(folder.glob("*.yaml"))}
        ours, theirs = _alternate(setting, texts)
        work = f"parse {datasets:,} datasets in {files:,} files, {size / 1e6:.1f} MB"
        yield Row(
            work=work,
            ours=ours,
            peer=theirs,
            ratio=theirs.middle / ours.middle,
            budget=BUDGET if setting.scale == 1 else None,
            note="yaml.CSafeLoader, without places",
        )


def _alternate(setting: Setting, texts: dict[Path, bytes]) -> tuple[Figures, Figures]:
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(setting.rounds):
        for side, read in zip(taken, (_ours, _theirs), strict=True):
            side.append(_timed(read, texts))
    return Figures(tuple(taken[0]), "ms CPU"), Figures(tuple(taken[1]), "ms CPU")


def _timed(read: Callable[[Path, bytes], object], texts: dict[Path, bytes]) -> float:
    gc.collect()
    before = time.process_time()
    kept = [read(path, text) for path, text in texts.items()]
    taken = time.process_time() - before
    del kept
    return taken * 1000


def _ours(path: Path, text: bytes) -> object:
    return read_drafts(text, path.name, is_named=False)


def _theirs(_: Path, text: bytes) -> object:
    return list(yaml.load_all(text, yaml.CSafeLoader))
