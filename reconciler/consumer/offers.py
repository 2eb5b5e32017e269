"""What a proven catalog offers: goods with their prices, and what a buyer may want of them. Decides only; asks nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, Self

from reconciler.model.amounts import MAX_SATOSHIS, Satoshis
from reconciler.model.ids import Digest, IdentityKey, Kind, RecordId
from reconciler.model.json import Json, JsonObject

PER_REQUEST: Final = "per-request"
EVERYWHERE: Final = "global"
GOODS: Final = frozenset({Kind.DATASET, Kind.STREAM})

_TEXTS: Final = ("title", "displayName", "description", "capability")


@dataclass(frozen=True, slots=True, order=True)
class Price:
    """What one unit costs."""

    satoshis: Satoshis
    model: str = PER_REQUEST

    @classmethod
    def of(cls, pricing: Json) -> Self | None:
        """Of a record's public `pricing`; without one a good is free. None for what cannot be understood."""
        match pricing:
            case None:
                return cls(Satoshis(0))
            case {"satoshis": int(amount), "model": str(model)} if type(amount) is int and 0 <= amount <= MAX_SATOSHIS:
                return cls(Satoshis(amount), model)
        return None

    def __str__(self) -> str:
        if not self.satoshis:
            return "free"
        return f"{self.satoshis:,} sat" if self.model == PER_REQUEST else f"{self.satoshis:,} sat {self.model}"


class Content(Protocol):
    """A dataset's bytes, as its document tells of them (`wire.documents.PublishedContent`)."""

    @property
    def size(self) -> int: ...  # noqa: D102  # of the plaintext
    @property
    def media_type(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One live record of a producer."""

    producer: IdentityKey
    id: RecordId
    document_hash: Digest
    public: JsonObject
    content: Content | None = None

    @property
    def good(self) -> str:
        """As quotes and receipts name it."""
        return str(self.id)

    @property
    def title(self) -> str:
        """For people."""
        return self.text("title") or self.text("displayName") or self.id.name

    @property
    def price(self) -> Price | None:
        """Of a good; what an advertisement says is information."""
        return Price.of(self.public.get("pricing"))

    @property
    def capability(self) -> str | None:
        """What it is found by."""
        return self.text("capability")

    @property
    def tags(self) -> tuple[str, ...]:
        """The producer's words for it."""
        return texts(self.public.get("tags"))

    @property
    def regions(self) -> tuple[str, ...]:
        """Where it is offered, where the record itself says so."""
        return texts(self.public.get("regions"))

    @property
    def is_good(self) -> bool:
        """Whether it can be bought; advertisements tell of others."""
        return self.id.kind in GOODS

    def text(self, name: str) -> str | None:
        """A public field that is a text."""
        value = self.public.get(name)
        return value if isinstance(value, str) else None

    def says(self, phrase: str) -> bool:
        """Whether a phrase stands in its name, texts or tags, in whatever case."""
        words = (self.id.name, *self.tags, *(self.text(name) or "" for name in _TEXTS))
        return phrase.casefold() in "\n".join(words).casefold()


class Order(StrEnum):
    """What comes first."""

    PRICE = "price"
    NAME = "name"
    SIZE = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a buyer looks for; all that is given must hold."""

    producer: IdentityKey | None = None
    kind: Kind | None = None
    capability: str | None = None
    tags: tuple[str, ...] = ()
    text: str | None = None
    region: str | None = None
    license: str | None = None
    max_price: Satoshis | None = None
    """For one unit."""

    def to_query(self) -> dict[str, Json]:
        """The same for `ls_data_catalog`, as far as that can be asked there: hosts compare one tag."""
        fields: dict[str, Json] = {
            "producer": self.producer,
            "kind": self.kind,
            "capability": self.capability,
            "tag": self.tags[0] if self.tags else None,
            "text": self.text,
            "license": self.license,
            "price": None if self.max_price is None else {"max": self.max_price},
        }
        return {name: value for name, value in fields.items() if value is not None}

    def wants(self, offer: Offer, home: Iterable[str]) -> bool:
        """Whether an offer of a producer whose own regions are `home` is what is looked for."""
        return (
            self.producer in {None, offer.producer}
            and self.kind in {None, offer.id.kind}
            and self.capability in {None, offer.capability}
            and set(self.tags) <= set(offer.tags)
            and (self.text is None or offer.says(self.text))
            and (self.license is None or self.license.casefold() == (offer.text("license") or "").casefold())
            and (self.region is None or reaches(offer.regions or home, self.region))
            and self.affords(offer.price)
        )

    def affords(self, price: Price | None) -> bool:
        """Whether a price is within what may be paid; one that cannot be understood is not."""
        return self.max_price is None or (price is not None and price.satoshis <= self.max_price)


def reaches(regions: Iterable[str], wanted: str) -> bool:
    """Whether somewhere in these regions is `wanted`; nothing said means everywhere."""
    given = {region.casefold() for region in regions}
    return not given or not given.isdisjoint({wanted.casefold(), EVERYWHERE})


def texts(value: Json) -> tuple[str, ...]:
    """The texts of a list, which strangers wrote."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()


def words_of(public: Mapping[str, Json], name: str) -> tuple[str, ...]:
    """A public list of words, such as a producer's `capabilities`."""
    return texts(public.get(name))
