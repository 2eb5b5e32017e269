"""A buyer's wallet, quotes, orders, downloads and report, as text, JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from reconciler.cli.console import Console
from reconciler.cli.escaping import printable
from reconciler.cli.views.market import size_text, table
from reconciler.cli.views.plan_document import counted
from reconciler.cli.views.wallet import balance_json
from reconciler.consumer.download import Advance, Blame, Got
from reconciler.consumer.report import Held, Report, Spending
from reconciler.model.ids import IdentityKey, Network
from reconciler.model.json import Json, JsonObject
from reconciler.model.order import Order
from reconciler.store.coins import Balance
from reconciler.wire.receipt import Receipt
from reconciler.wire.selling import Quote

_DASH: Final = "-"
_UNKNOWN: Final = "?"
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Quoted:
    """A quote, and the order that keeps it."""

    order: Order
    quote: Quote
    producer: str
    """Its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a gateway says of a receipt; `doubt` where it says nothing."""

    state: str = "unknown"
    downloads: int = 0
    """That were used."""
    bytes: int = 0
    doubt: str = ""


class Download:
    """Tells a person, or a program, how a download goes; satisfies consumer.download.Tell."""

    def __init__(self, console: Console, good: str, *, as_json: bool) -> None:
        self._console = console
        self._good = good
        self._as_json = as_json
        self._shown = -1

    def __call__(self, event: Advance | Blame) -> None:
        """One thing happened."""
        if isinstance(event, Blame):
            self._blame(event)
        elif self._as_json:
            self._console.document({"event": "progress", "good": self._good, "bytes": event.done, "of": event.total})
        elif self._console.interactive and not self._console.quiet:
            self._advance(event)

    def end(self) -> None:
        """Leave the line that was written over and over."""
        if self._shown >= 0:
            self._console.complain("")

    def _advance(self, event: Advance) -> None:
        percent = 100 if not event.total else event.done * 100 // event.total
        if percent != self._shown:
            self._shown = percent
            self._console.overwrite(f"  {self._good}  {percent:3} % of {size_text(event.total)}")

    def _blame(self, event: Blame) -> None:
        verb = "gave other bytes than it promised" if event.lied else "did not give what it was asked for"
        if self._as_json:
            self._console.document(
                {"event": "fault", "good": self._good, "url": event.url, "lied": event.lied, "detail": event.reason}
            )
        else:
            self._console.note(f"{event.url} {verb}: {event.reason}.")


def wallet_json(
    identity: IdentityKey, address: str, network: Network, limits: Mapping[str, Json], balance: Balance
) -> dict[str, Json]:
    """Who the buyer is, and what he has."""
    return {
        "identityKey": identity,
        "address": address,
        "network": network.value,
        **limits,
        "balance": balance_json(balance),
    }


def wallet_text(facts: Mapping[str, Json]) -> str:
    """The same for people."""
    names = {
        "identityKey": "key",
        "address": "address",
        "network": "network",
        "overlayUrl": "gateway",
        "maxPrice": "max price",
        "dailyBudget": "daily budget",
    }
    rows = {shown: _said(facts.get(name)) for name, shown in names.items() if facts.get(name) is not None}
    balance = facts["balance"]
    if isinstance(balance, Mapping):
        rows |= {name: f"{amount:,} sat" for name, amount in balance.items()}
    return "\n".join(f"{name:12} {value}" for name, value in rows.items())


def quotes_text(found: Sequence[Quoted]) -> str:
    """One line each, and what all of them cost."""
    rows: list[tuple[str, ...]] = [("PRICE", "LIST", "TIER", "GOOD", "PRODUCER", "PAY BY", "UNTIL", "QUOTE")]
    for each in found:
        quote = each.quote
        rows.append(
            (
                _price(quote.satoshis),
                _DASH if quote.list_satoshis == quote.satoshis else f"{quote.list_satoshis:,} sat",
                printable(quote.tier or _DASH),
                str(quote.good),
                each.producer,
                ", ".join(sorted(quote.methods)) or _DASH,
                _time(quote.expires) if quote.satoshis else _DASH,
                each.order.id,
            )
        )
    total = sum(each.quote.satoshis for each in found)
    return "\n".join([*table(rows), "", f"{counted(len(found), 'good')} for {total:,} satoshis."])


def quotes_json(found: Sequence[Quoted]) -> dict[str, Json]:
    """The same for programs."""
    return {
        "quotes": [_quote_json(each) for each in found],
        "satoshis": sum(each.quote.satoshis for each in found),
    }


def orders_text(orders: Sequence[Order]) -> str:
    """What was paid, one line each."""
    rows: list[tuple[str, ...]] = [("PAID", "FEE", "GOOD", "BY", "RECEIPT")]
    rows += [
        (
            f"{order.paid:,} sat",
            f"{order.fee:,} sat",
            str(order.good),
            _method(order),
            _receipt(order) or "none needed",
        )
        for order in orders
    ]
    total = sum(order.paid for order in orders)
    return "\n".join([*table(rows), "", f"{counted(len(orders), 'good')} for {total:,} satoshis."])


def orders_json(orders: Sequence[Order]) -> dict[str, Json]:
    """The same for programs."""
    return {"orders": [order_json(order) for order in orders]}


def order_json(order: Order) -> dict[str, Json]:
    """One purchase."""
    return {
        "id": order.id,
        "state": order.state.value,
        "producer": order.producer,
        "gateway": order.gateway,
        "kind": order.good.record.kind.value,
        "name": order.good.record.name,
        "quantity": order.good.quantity,
        "price": order.price,
        "method": None if order.method is None else order.method.value,
        "paid": order.paid,
        "fee": order.fee,
        "txid": order.payment,
        "receipt": _receipt(order),
        "created": order.created,
        "paidAt": order.paid_at,
        "reason": order.reason or None,
    }


def got_text(got: Got, place: str, *, is_bought: bool) -> str:
    """What lies at which place now, what it cost, and from whom it came. `is_bought` where it was paid for before."""
    order = got.order
    cost = f"{order.paid:,} sat" if order.paid else "free"
    cost += " paid before" if is_bought and order.paid else ""
    sources = ", ".join(sorted(got.came)) or "what was here"
    return f"✓ {order.good}  {size_text(got.size)}, {cost}, from {sources}\n  {place}"


def got_json(got: Got) -> dict[str, Json]:
    """The same for programs."""
    return {
        "event": "done",
        "file": str(got.path),
        "size": got.size,
        "mediaType": got.media_type,
        "came": dict(got.came),
        "faults": [{"url": each.url, "lied": each.lied, "detail": each.reason} for each in got.blamed],
        "order": order_json(got.order),
    }


def report_text(report: Report, left: Mapping[str, Left], *, payments: bool) -> str:
    """Spending by day and by producer, what receipts allow, and a last line with the sum."""
    blocks = [
        _spending("DAY", report.by_day),
        _spending("PRODUCER", report.by_producer),
        _receipts(report.receipts, left),
        _payments(paid_of(report)) if payments else [],
    ]
    total = report.total
    last = f"{counted(total.orders, 'purchase')} for {total.paid:,} satoshis, and {total.fees:,} in fees."
    return "\n\n".join(["\n".join(block) for block in blocks if block] + [last])


def report_json(report: Report, left: Mapping[str, Left]) -> dict[str, Json]:
    """Everything, for programs."""
    return {
        "total": _spending_json(report.total),
        "byDay": {day: _spending_json(spent) for day, spent in report.by_day.items()},
        "byProducer": {producer: _spending_json(spent) for producer, spent in report.by_producer.items()},
        "byGood": [
            {"producer": producer, "good": good, **_spending_json(spent)}
            for (producer, good), spent in report.by_good.items()
        ],
        "receipts": [_held_json(held, left.get(held.receipt.id)) for held in report.receipts],
        "payments": [order_json(order) for order in paid_of(report)],
    }


def report_csv(report: Report) -> str:
    """Every purchase, one line each, with a header."""
    out = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for order in paid_of(report):
        row = {name: "" if value is None else value for name, value in order_json(order).items()}
        if writer is None:
            writer = csv.DictWriter(out, fieldnames=list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)
    return out.getvalue().rstrip("\n")


def paid_of(report: Report) -> list[Order]:
    """The orders that money was signed for, whatever became of it; quotes and free content are none."""
    return [order for order in report.orders if order.payment is not None]


def _spending(head: str, groups: Mapping[str, Spending]) -> list[str]:
    if not groups:
        return []
    rows: list[tuple[str, ...]] = [(head, "PURCHASES", "PAID", "FEES")]
    rows += [(name, f"{each.orders:,}", f"{each.paid:,} sat", f"{each.fees:,} sat") for name, each in groups.items()]
    return table(rows)


def _receipts(receipts: Sequence[Held], left: Mapping[str, Left]) -> list[str]:
    if not receipts:
        return []
    rows: list[tuple[str, ...]] = [("RECEIPT", "GOOD", "STATE", "DOWNLOADS LEFT", "BYTES LEFT", "UNTIL")]
    for held in receipts:
        receipt, found = held.receipt, left.get(held.receipt.id)
        allowed, used = receipt.allowance, None if found is None or found.doubt else found
        rows.append(
            (
                receipt.id[:_DIGITS],
                str(receipt.good),
                "over" if held.is_over else (found.state if found else "not asked"),
                f"{allowed.downloads - used.downloads:,} of {allowed.downloads:,}" if used else _UNKNOWN,
                size_text(allowed.bytes - used.bytes) if used else _UNKNOWN,
                _time(allowed.until),
            )
        )
    return table(rows)


def _payments(orders: Sequence[Order]) -> list[str]:
    if not orders:
        return []
    rows: list[tuple[str, ...]] = [("WHEN", "STATE", "PAID", "FEE", "BY", "GOOD", "TRANSACTION")]
    rows += [
        (
            _time(order.paid_at or order.created),
            order.state.value,
            f"{order.paid:,} sat",
            f"{order.fee:,} sat",
            _method(order),
            str(order.good),
            order.payment or _DASH,
        )
        for order in orders
    ]
    return table(rows)


def _quote_json(each: Quoted) -> JsonObject:
    quote = each.quote
    return {
        "id": each.order.id,
        "producer": each.order.producer,
        "kind": quote.good.record.kind.value,
        "name": quote.good.record.name,
        "quantity": quote.good.quantity,
        "satoshis": quote.satoshis,
        "listSatoshis": quote.list_satoshis,
        "tier": quote.tier,
        "credit": quote.credit,
        "methods": sorted(quote.methods),
        "expires": quote.expires,
        "documentHash": quote.document,
    }


def _held_json(held: Held, left: Left | None) -> JsonObject:
    receipt = held.receipt
    used: JsonObject | None = None
    if left is not None and not left.doubt:
        used = {"downloads": left.downloads, "bytes": left.bytes}
    return {
        "id": receipt.id,
        "producer": receipt.producer,
        "good": str(receipt.good),
        "satoshis": receipt.satoshis,
        "txid": receipt.txid,
        "issued": receipt.issued,
        "allowance": {
            "downloads": receipt.allowance.downloads,
            "bytes": receipt.allowance.bytes,
            "until": receipt.allowance.until,
        },
        "used": used,
        "state": "over" if held.is_over else (left.state if left else None),
        "doubt": left.doubt if left and left.doubt else None,
    }


def _spending_json(spent: Spending) -> dict[str, Json]:
    return {"purchases": spent.orders, "paid": spent.paid, "fees": spent.fees}


def _receipt(order: Order) -> str | None:
    return None if order.receipt is None else Receipt.from_bytes(order.receipt).id


def _method(order: Order) -> str:
    return _DASH if order.method is None else order.method.value


def _price(amount: int) -> str:
    return f"{amount:,} sat" if amount else "free"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def _said(value: Json) -> str:
    return f"{value:,} sat" if isinstance(value, int) else str(value)
