"""Long lists in pieces: a statement has room for some ten thousand values on either database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

BATCH: Final = 1000
"""Values put into one statement."""

_T = TypeVar("_T")


def batches(values: Iterable[_T], size: int = BATCH) -> Iterator[tuple[_T, ...]]:
    """`values` in order, at most `size` at a time; nothing for nothing."""
    rest = iter(values)
    while batch := tuple(islice(rest, size)):
        yield batch
