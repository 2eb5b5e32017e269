"""Copies of content as storage hosts keep them, and what they ask for that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.model.ids import Address, Digest
from reconciler.model.observed import StorageGood, StorageQuote

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
    content: Digest
    """Of the plaintext."""
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

    def purchases(self, quotes: Mapping[str, StorageQuote]) -> Iterator[Purchase]:
        """What one term of it costs, part by part; nothing where the host asks nothing."""
        quote = quotes.get(self.host)
        for part, size in enumerate(stored_sizes(self.size, is_sold=self.is_sold)):
            price = 0 if quote is None else quote.price(size)
            if price:
                owner = self.dataset if self.is_sold else ""
                good = StorageGood(host=self.host, dataset=owner, content=self.content, part=part)
                yield Purchase(object=self.address, good=good, size=size, satoshis=price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One payment to one storage host."""

    object: Address
    """The copy; where datasets share it, the first one's."""
    good: StorageGood
    size: int
    """Stored bytes."""
    satoshis: int
    """What the host quoted, and the most that it is paid."""


def purchases_of(
    copies: Iterable[Copy], quotes: Mapping[str, StorageQuote], *, paid: Collection[StorageGood] = ()
) -> tuple[Purchase, ...]:
    """What one term of these copies costs, by good: what datasets share is bought once, and what is `paid` not again."""
    found: dict[StorageGood, Purchase] = {}
    for copy in sorted(copies, key=lambda copy: copy.address):
        for purchase in copy.purchases(quotes):
            if purchase.good not in paid:
                found.setdefault(purchase.good, purchase)
    return tuple(found[good] for good in sorted(found))


def stored_sizes(size: int, *, is_sold: bool) -> tuple[int, ...]:
    """How many bytes each stored object has that `size` bytes of plaintext become."""
    if not is_sold:
        return (size,)
    whole, rest = divmod(size, PART)
    lengths = [PART] * whole + ([rest] if rest or not whole else [])
    return tuple(length + TAG * max(1, -(-length // SEGMENT)) for length in lengths)
