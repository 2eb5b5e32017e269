"""The wallet, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.control.audit import Audit
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
        "inFlight": list(audit.in_flight),
        "differences": list(audit.differences),
    }


def audit_text(audit: Audit) -> str:
    """The amounts, what does not add up, and a last line that says which of the two it is."""
    amounts = {name: f"{amount:,} sat" for name, amount in balance_json(audit.balance).items()}
    amounts |= {"in tokens": f"{audit.tokens:,} sat", "fees paid": f"{audit.fees:,} sat"}
    amounts |= {"storage paid": f"{audit.storage:,} sat", "coins": f"{audit.coins:,}"}
    lines = [_rows(amounts)]
    lines += [f"in flight    {entry[:12]}…: its coins stay locked until it is certain" for entry in audit.in_flight]
    lines += [f"paid         {paid_text(bought)}" for bought in audit.unused]
    lines += [f"✗ {difference}" for difference in audit.differences]
    lines.append("Books, coins and chain agree." if audit.balanced else "Books, coins and chain differ.")
    return "\n".join(lines)


def _rows(values: dict[str, str]) -> str:
    width = max(len(value) for value in values.values())
    return "\n".join(f"{name:12} {value:>{width}}" for name, value in values.items())
