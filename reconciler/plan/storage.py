"""Copies of content as storage hosts keep them, and what they ask for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.model.ids import Address
from reconciler.model.observed import StorageQuote

DAY: Final = 86_400
TERM: Final = 180 * DAY
"""For how long content is stored at a time, in seconds."""

SEGMENT: Final = 1 << 20
TAG: Final = 16
PART: Final = 64 << 20
"""Sold content is encrypted in segments with a tag each, and stored in parts (PROTOCOL §6)."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One wanted copy of a dataset's content."""

    address: Address
    size: int
    """Bytes of the plaintext."""
    is_sold: bool

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.address.path.rpartition("@")[0]

    @property
    def host(self) -> str:
        """The storage host's name."""
        return self.address.path.rpartition("@")[2]

    def price(self, quotes: Mapping[str, StorageQuote]) -> int:
        """Satoshis for one term."""
        quote = quotes.get(self.host)
        return sum(quote.price(size) for size in stored_sizes(self.size, is_sold=self.is_sold)) if quote else 0


def stored_sizes(size: int, *, is_sold: bool) -> tuple[int, ...]:
    """How many bytes each stored object has that `size` bytes of plaintext become."""
    if not is_sold:
        return (size,)
    whole, rest = divmod(size, PART)
    lengths = [PART] * whole + ([rest] if rest or not whole else [])
    return tuple(length + TAG * max(1, -(-length // SEGMENT)) for length in lengths)
