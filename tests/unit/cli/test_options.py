"""What is chosen on the command line, as the planner takes it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from reconciler.cli.console import Console
from reconciler.cli.options import Doing, Overrides, Scope
from reconciler.cli.planning import plan_options
from reconciler.model.errors import UsageError
from reconciler.plan.guards import RULES

CONSOLE = Console(width=80, colour=False, interactive=False, quiet=False, verbose=False)


def test_every_guard_that_can_be_overridden_has_its_option():
    options = {f"--{field.name.replace('_', '-')}" for field in fields(Overrides)}

    assert {rule.override.partition(" ")[0] for rule in RULES if rule.override} | {"--reason"} == options


def test_overrides_stand_in_the_plan_with_the_reason_on_one_line():
    given = Overrides(max_delete="50%", allow_empty=True, max_cost=9, reason="spring\n cleaning ")

    assert plan_options(CONSOLE, given).overrides == (
        "--max-delete 50%",
        "--allow-empty",
        "--max-cost 9",
        "--reason spring cleaning",
    )
    assert plan_options(CONSOLE, Overrides()).overrides == ()


def test_a_scope_is_kept_in_the_order_in_which_it_was_given():
    scope = Scope(target=["dataset/b", "dataset/a"], exclude=["replica/*"], replace=["dataset/b"])
    chosen = plan_options(CONSOLE, Overrides(), scope)

    assert (chosen.targets, chosen.excludes, chosen.replaces) == (
        ("dataset/b", "dataset/a"),
        ("replica/*",),
        ("dataset/b",),
    )


@pytest.mark.parametrize(
    ("wrong", "option"), [(Overrides(max_delete="many"), "--max-delete"), (Overrides(max_cost=-1), "--max-cost")]
)
def test_amounts_that_are_none_are_refused_where_they_were_typed(wrong, option):
    with pytest.raises(UsageError) as refused:
        plan_options(CONSOLE, wrong)
    assert refused.value.where == option
    assert "such as" in refused.value.hint


def test_the_lock_timeout_is_a_duration():
    assert Doing().patience == 30
    assert Doing(lock_timeout="1m").patience == 60
    with pytest.raises(UsageError, match="no duration"):
        assert Doing(lock_timeout="soon").patience
