"""The wallet, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.control.audit import Audit
from reconciler.control.takings import Sum, Takings
from reconciler.model.json import Json
from reconciler.store.coins import Balance
from reconciler.store.purchases import Bought


def balance_json(balance: Balance) -> dict[str, Json]:
    """`{total, confirmed, pending, locked}` in satoshis."""
    return {
        "total": balance.total,
        "confirmed": balance.confirmed,
        "pending": balance.pending,
        "locked": balance.locked,
    }


def balance_text(balance: Balance) -> str:
    """Four aligned lines."""
    return _rows({name: f"{amount:,} sat" for name, amount in balance_json(balance).items()})


def paid_text(bought: Bought) -> str:
    """Storage that is paid and was not had."""
    what = f"a part of {bought.good.dataset}" if bought.good.dataset else f"content {bought.good.content[:12]}…"
    return f"{bought.good.host} has {bought.satoshis:,} sat for {what}, which is used when it is wanted ({bought.txid})"


def paid_json(bought: Sequence[Bought]) -> list[Json]:
    """The same for programs."""
    return [
        {
            "host": each.good.host,
            "url": each.url,
            "dataset": each.good.dataset or None,
            "content": each.good.content,
            "part": each.good.part,
            "satoshis": each.satoshis,
            "txid": each.txid,
        }
        for each in bought
    ]


def audit_json(audit: Audit) -> dict[str, Json]:
    """Everything that was found."""
    return {
        "balanced": audit.balanced,
        "balance": balance_json(audit.balance),
        "tokens": audit.tokens,
        "fees": audit.fees,
        "storage": audit.storage,
        "paidStorage": paid_json(audit.unused),
        "coins": audit.coins,
        "gateway": _takings_json(audit.takings),
        "inFlight": list(audit.in_flight),
        "differences": list(audit.differences),
    }


def audit_text(audit: Audit) -> str:
    """The amounts, what does not add up, and a last line that says which of the two it is."""
    amounts = {name: f"{amount:,} sat" for name, amount in balance_json(audit.balance).items()}
    amounts |= {"in tokens": f"{audit.tokens:,} sat", "fees paid": f"{audit.fees:,} sat"}
    amounts |= {"storage paid": f"{audit.storage:,} sat", "coins": f"{audit.coins:,}"}
    lines = [_rows(amounts | _takings_rows(audit.takings))]
    lines += [f"in flight    {entry[:12]}…: its coins stay locked until it is certain" for entry in audit.in_flight]
    lines += [f"paid         {paid_text(bought)}" for bought in audit.unused]
    return "\n".join([*lines, *_verdict(audit.differences)])


def takings_json(takings: Takings) -> dict[str, Json]:
    """The same where there is a gateway's key and nothing else."""
    return {
        "balanced": not takings.differences,
        "gateway": _takings_json(takings),
        "differences": list(takings.differences),
    }


def takings_text(takings: Takings) -> str:
    """The same for people."""
    rows = _takings_rows(takings) or {"revenue": "0 sat"}
    return "\n".join([_rows(rows), *_verdict(takings.differences)])


def _takings_json(takings: Takings) -> dict[str, Json]:
    return {
        "revenue": _sum_json(takings.revenue),
        "payees": takings.payees,
        "unsettled": _sum_json(takings.unsettled),
        "settled": takings.settled,
        "refunded": takings.refunded,
        "fees": takings.fees,
        "pending": _sum_json(takings.pending),
        "doubtful": _sum_json(takings.doubtful),
        "unbooked": _sum_json(takings.unbooked),
        "returned": _sum_json(takings.returned),
    }


def _sum_json(found: Sum) -> dict[str, Json]:
    return {"count": found.count, "satoshis": found.satoshis}


def _takings_rows(takings: Takings) -> dict[str, str]:
    """What a gateway was paid; nothing where nobody has paid yet, and of what is rare only what there is."""
    sums = {"pending": takings.pending, "doubtful": takings.doubtful}
    sums |= {"unbooked": takings.unbooked, "given back": takings.returned}
    amounts = {"to payees": takings.payees, "settled": takings.settled, "refunded": takings.refunded}
    amounts |= {"payout fees": takings.fees} | {name: each.satoshis for name, each in sums.items() if each.count}
    always = {"revenue": takings.revenue.satoshis, "unsettled": takings.unsettled.satoshis}
    shown = {name: amount for name, amount in amounts.items() if amount}
    if not shown and not any(always.values()):
        return {}
    return {name: f"{amount:,} sat" for name, amount in (always | shown).items()}


def _verdict(differences: Sequence[str]) -> list[str]:
    last = "Books, coins and chain differ." if differences else "Books, coins and chain agree."
    return [*(f"✗ {difference}" for difference in differences), last]


def _rows(values: dict[str, str]) -> str:
    width = max(len(value) for value in values.values())
    return "\n".join(f"{name:12} {value:>{width}}" for name, value in values.items())
