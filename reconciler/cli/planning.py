"""What was typed about a plan, as the planner takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reconciler.cli.console import Console
from reconciler.cli.options import Overrides, Scope
from reconciler.model.amounts import satoshis
from reconciler.model.errors import UsageError
from reconciler.plan.options import DeleteLimit, PlanOptions

T = TypeVar("T")
R = TypeVar("R")


def plan_options(console: Console, overrides: Overrides, scope: Scope | None = None) -> PlanOptions:
    """What was chosen, as the planner takes it. Raises UsageError for amounts that are none."""
    scope = scope or Scope()
    return PlanOptions(
        max_delete=_typed("--max-delete", "such as 5 or 10%", DeleteLimit.parse, overrides.max_delete),
        allow_empty=overrides.allow_empty,
        max_cost=_typed("--max-cost", "whole satoshis, such as 500", satoshis, overrides.max_cost),
        allow_price_change=overrides.allow_price_change,
        replace_identity=overrides.replace_identity,
        take_over=overrides.take_over,
        unreachable_gateway=overrides.unreachable_gateway,
        genesis=overrides.genesis,
        reason=" ".join(overrides.reason.split()),
        targets=tuple(scope.target or ()),
        excludes=tuple(scope.exclude or ()),
        replaces=tuple(scope.replace or ()),
        interactive=console.interactive,
    )


def _typed(option: str, example: str, read: Callable[[T], R], value: T | None) -> R | None:
    if value is None:
        return None
    try:
        return read(value)
    except ValueError as error:
        raise UsageError(str(error), where=option, hint=example) from error
