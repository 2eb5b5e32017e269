"""Options of a buyer that several commands share, and reading what was typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from reconciler.consumer.offers import Wish
from reconciler.model.amounts import Satoshis, satoshis
from reconciler.model.capabilities import capability_fault
from reconciler.model.errors import UsageError
from reconciler.model.ids import IdentityKey, Kind

T = TypeVar("T")


class GoodKind(StrEnum):
    """What can be bought."""

    DATASET = Kind.DATASET.value
    STREAM = Kind.STREAM.value


Gateway = Annotated[
    str | None,
    typer.Option(
        "--overlay-url",
        metavar="URL",
        help="The gateway that is meant; OVERLAY_URL, or what init was told, by default.",
    ),
]
MaxPrice = Annotated[int | None, typer.Option("--max-price", metavar="SAT", help="Only what costs at most so much.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """What a buyer looks for."""

    capability: Annotated[
        str | None,
        typer.Option("--capability", metavar="NAME", help="What it is found by, such as crypto-price-feeds."),
    ] = None
    tags: Annotated[
        list[str] | None,
        typer.Option("--tags", "--tag", metavar="TAG", help="A tag, or several with commas; repeatable."),
    ] = None
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="Stands in name, title, description or a tag.")
    ] = None
    region: Annotated[str | None, typer.Option("--region", metavar="R", help="Offered there, such as EU.")] = None
    license: Annotated[str | None, typer.Option("--license", metavar="TEXT", help="Under this licence.")] = None
    max_price: MaxPrice = None

    def wish(self, *, producer: IdentityKey | None = None, kind: Kind | None = None) -> Wish:
        """As discovery and search take it. Raises UsageError."""
        if self.capability is not None and (fault := capability_fault(self.capability)):
            raise UsageError(f"the capability {self.capability!r} {fault}")
        return Wish(
            producer=producer,
            kind=kind,
            capability=self.capability,
            tags=tuple(tag.strip() for text in self.tags or () for tag in text.split(",") if tag.strip()),
            text=self.text,
            region=self.region,
            license=self.license,
            max_price=amount(self.max_price),
        )


def amount(number: int | None) -> Satoshis | None:
    """Satoshis as they were typed. Raises UsageError."""
    return None if number is None else typed(satoshis, number)


def typed(read: Callable[..., T], value: object) -> T:
    """What a reader makes of a word of the command line. Raises UsageError."""
    try:
        return read(value)
    except ValueError as error:
        raise UsageError(str(error)) from error
