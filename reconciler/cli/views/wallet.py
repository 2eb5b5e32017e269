"""The wallet, as text and JSON."""

from __future__ import annotations

from reconciler.control.audit import Audit
from reconciler.model.json import Json
from reconciler.store.coins import Balance


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


def audit_json(audit: Audit) -> dict[str, Json]:
    """Everything that was found."""
    return {
        "balanced": audit.balanced,
        "balance": balance_json(audit.balance),
        "tokens": audit.tokens,
        "fees": audit.fees,
        "coins": audit.coins,
        "inFlight": list(audit.in_flight),
        "differences": list(audit.differences),
    }


def audit_text(audit: Audit) -> str:
    """The amounts, what does not add up, and a last line that says which of the two it is."""
    amounts = {name: f"{amount:,} sat" for name, amount in balance_json(audit.balance).items()}
    amounts |= {"in tokens": f"{audit.tokens:,} sat", "fees paid": f"{audit.fees:,} sat", "coins": f"{audit.coins:,}"}
    lines = [_rows(amounts)]
    lines += [f"in flight    {entry[:12]}…: its coins stay locked until it is certain" for entry in audit.in_flight]
    lines += [f"✗ {difference}" for difference in audit.differences]
    lines.append("Books, coins and chain agree." if audit.balanced else "Books, coins and chain differ.")
    return "\n".join(lines)


def _rows(values: dict[str, str]) -> str:
    width = max(len(value) for value in values.values())
    return "\n".join(f"{name:12} {value:>{width}}" for name, value in values.items())
