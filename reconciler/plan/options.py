"""What the command line adds to a plan: what it is restricted to, and overrides of the guards, one by one.

There never is a general `--force`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import IdentityKey
from reconciler.plan.record_set import BATCH

REPLACE_IDENTITY: Final = "--replace-identity"
_LIMIT: Final = re.compile(r"([0-9]{1,9})(%?)")


@dataclass(frozen=True, slots=True)
class DeleteLimit:
    """How many records of one kind may be deleted: a count, or a share of those that are live."""

    amount: int
    is_percent: bool = False

    def __str__(self) -> str:
        return f"{self.amount}%" if self.is_percent else str(self.amount)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `N` or `N%`. Raises ValueError."""
        match = _LIMIT.fullmatch(text)
        if match is None:
            raise ValueError(f"not a number of records or a percentage (N or N%): {text!r}")
        return cls(int(match[1]), match[2] == "%")

    def allows(self, deleted: int, live: int) -> bool:
        """Whether `deleted` of `live` records may go."""
        return deleted * 100 <= self.amount * live if self.is_percent else deleted <= self.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """The overrides given, what to look at, how much one transaction holds, and facts that are not in the manifests."""

    max_delete: DeleteLimit | None = None
    allow_empty: bool = False
    max_cost: Satoshis | None = None
    allow_price_change: bool = False
    replace_identity: bool = False
    take_over: bool = False
    genesis: bool = False
    unreachable_gateway: bool = False
    targets: tuple[str, ...] = ()
    """Addresses, or patterns of addresses: only these objects, and what they refer to."""
    excludes: tuple[str, ...] = ()
    """Addresses, or patterns of addresses: all but these, and what cannot be without them."""
    replaces: tuple[str, ...] = ()
    """Addresses, or patterns of addresses: these get another token or copy, changed or not."""
    reason: str = ""
    """Why the overrides are given, in one line; it goes where they go."""
    batch: int = BATCH
    """Tokens that one transaction makes or spends at most (plan/record_set.py)."""
    interactive: bool = False
    """Somebody sees the plan before it is applied; on main, where nobody does, a cost limit must be set."""
    bound_identity: IdentityKey | None = None
    """The identity whose records this machine has, as long as it has none of the one that plans; None where that is
    not known."""

    successor: IdentityKey | None = None
    """The identity that the manifests hand over to, where that has not happened yet (PROTOCOL §10)."""

    @property
    def overrides(self) -> tuple[str, ...]:
        """The overrides as they were given, for the plan and the journal."""
        given = {
            f"--max-delete {self.max_delete}": self.max_delete is not None,
            "--allow-empty": self.allow_empty,
            f"--max-cost {self.max_cost}": self.max_cost is not None,
            "--allow-price-change": self.allow_price_change,
            REPLACE_IDENTITY: self.replace_identity,
            "--take-over": self.take_over,
            "--unreachable-gateway": self.unreachable_gateway,
            "--genesis": self.genesis,
            f"--reason {self.reason}": bool(self.reason),
        }
        return tuple(flag for flag, is_given in given.items() if is_given)
