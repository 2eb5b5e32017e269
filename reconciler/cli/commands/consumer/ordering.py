"""Options about goods and paying for them that several commands of a buyer share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from reconciler.model.goods import MAX_QUANTITY
from reconciler.model.payment import PaymentMethod

Goods = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="GOOD",
        help="Name, kind/name, key/kind/name, or pattern such as 'crypto-history/*'; of datasets where no kind is named.",
    ),
]


class Way(StrEnum):
    """How a buyer pays."""

    BRC105 = PaymentMethod.BRC105.value
    NATIVE = PaymentMethod.NATIVE.value


Method = Annotated[Way | None, typer.Option("--method", help="How to pay; by default the cheapest that is accepted.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Which producer's goods are meant, and how much of each."""

    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            "--producer",
            metavar="KEY|URL|NAME",
            help="Whose: identity key, gateway, or the name of the only one who has it.",
        ),
    ] = None
    quantity: Annotated[
        int, typer.Option("--quantity", metavar="N", min=1, max=MAX_QUANTITY, help="How many units of each.")
    ] = 1
    cheapest: Annotated[bool, typer.Option("--cheapest", help="Where several sell it, of the cheapest one.")] = False
    overlay_url: Annotated[
        str | None,
        typer.Option(
            "--overlay-url",
            metavar="URL",
            help="The gateway that is meant; OVERLAY_URL, or what init was told, by default.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paying:
    """How somebody goes about paying."""

    method: Method = None
    max_price: Annotated[
        int | None,
        typer.Option("--max-price", metavar="SAT", help="Pay up to so much for each without asking; never more."),
    ] = None
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; pay what is quoted.")] = False
