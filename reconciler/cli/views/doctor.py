"""What the doctor found, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.cli.escaping import printable
from reconciler.cli.views.plan_document import counted
from reconciler.control.doctor import Check
from reconciler.model.json import Json


def checks_text(checks: Sequence[Check]) -> str:
    """A line a check, with a hint below what failed, and a last line that says which of the two it is."""
    return "\n".join(_lines(checks))


def checks_json(checks: Sequence[Check]) -> dict[str, Json]:
    """The same for programs."""
    return {
        "ok": all(check.ok for check in checks),
        "checks": [
            {"name": check.name, "ok": check.ok, "detail": check.detail, "hint": check.hint} for check in checks
        ],
    }


def _lines(checks: Sequence[Check]) -> Iterator[str]:
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{'✓' if check.ok else '✗'} {check.name:{width}}  {printable(check.detail)}"
        if check.hint and not check.ok:
            yield f"  {'':{width}}  hint: {printable(check.hint)}"
    failed = sum(not check.ok for check in checks)
    yield f"{counted(failed, 'check')} failed." if failed else "All is well."
