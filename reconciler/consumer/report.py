"""What a buyer has bought and spent, as values. Asks nobody: what is left of a receipt, its gateway knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from reconciler.model.amounts import Satoshis
from reconciler.model.order import Order
from reconciler.wire.receipt import Receipt

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What some orders cost, those that came to nothing left out."""

    orders: int
    paid: Satoshis
    """To producers and payees."""
    fees: Satoshis

    @property
    def total(self) -> Satoshis:
        """What has left the wallet, or may have."""
        return Satoshis(self.paid + self.fees)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A receipt, and the order that it came with."""

    order: Order
    receipt: Receipt
    is_over: bool
    """Whether its time is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything, oldest first. Days are UTC, as `2026-11-21`; goods are named `kind/name`."""

    orders: tuple[Order, ...]
    receipts: tuple[Held, ...]
    total: Spending
    by_day: Mapping[str, Spending]
    by_producer: Mapping[str, Spending]
    by_good: Mapping[tuple[str, str], Spending]
    """By producer and good."""


def report_of(orders: Iterable[Order], *, at: int) -> Report:
    """The report at an instant (unix seconds)."""
    everything = tuple(orders)
    paid = [order for order in everything if order.cost]
    return Report(
        orders=everything,
        receipts=tuple(_held(order, at) for order in everything if order.receipt is not None),
        total=_spending(paid),
        by_day=_grouped(paid, lambda order: _day(order.paid_at or order.created)),
        by_producer=_grouped(paid, lambda order: str(order.producer)),
        by_good=_grouped(paid, lambda order: (str(order.producer), str(order.good))),
    )


def _held(order: Order, at: int) -> Held:
    receipt = Receipt.from_bytes(order.receipt or b"")
    return Held(order=order, receipt=receipt, is_over=receipt.allowance.until <= at)


def _grouped(orders: Iterable[Order], key: Callable[[Order], _Key]) -> dict[_Key, Spending]:
    groups: defaultdict[_Key, list[Order]] = defaultdict(list)
    for order in orders:
        groups[key(order)].append(order)
    return {name: _spending(group) for name, group in groups.items()}


def _spending(orders: Iterable[Order]) -> Spending:
    counted = tuple(orders)
    return Spending(
        orders=len(counted),
        paid=Satoshis(sum(order.paid for order in counted)),
        fees=Satoshis(sum(order.fee for order in counted)),
    )


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
