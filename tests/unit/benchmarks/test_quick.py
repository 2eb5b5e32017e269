"""The scripts still run. What they measure is for a quiet machine, and for people to read."""

from __future__ import annotations

import pytest

from benchmarks import scale
from benchmarks.__main__ import main
from benchmarks.setting import Figures, Row, table


@pytest.mark.parametrize(
    ("line", "least"),
    [
        ("parse", 2),
        ("hashing", 4),
        ("submit", 3),
        ("lookup", 3),
        pytest.param("startup", 8, marks=pytest.mark.long),
        pytest.param("plan", 6, marks=pytest.mark.long),
        pytest.param("apply", 2, marks=pytest.mark.long),
        pytest.param("growth", 3, marks=pytest.mark.long),
        pytest.param("authentication", 1, marks=pytest.mark.long),
        pytest.param("paid", 6, marks=pytest.mark.long),
        pytest.param("access", 3, marks=pytest.mark.long),
        pytest.param("content", 2, marks=pytest.mark.long),
    ],
)
def test_a_line_runs_to_its_end_without_a_peer(line, least, capsys):
    main([line, "--quick"])

    _head, _rule, *rows = [row for row in capsys.readouterr().out.splitlines() if row.startswith("| ")]
    assert len(rows) >= least
    assert all(any(unit in row for unit in ("/s", "MB", "ms CPU", "%")) for row in rows)


@pytest.mark.long
def test_a_set_that_takes_several_transactions_is_measured_from_the_first_plan_to_the_last_spend(capsys, tmp_path):
    assert scale.main(["--sets", "120", "--folder", str(tmp_path)]) == 0

    head, _rule, *rows = [row.strip("| ").split(" | ") for row in capsys.readouterr().out.splitlines()]
    stages = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert list(stages) == [
        *("validate", "plan", "apply", "plan, no change", "rebuild", "plan, 1 changed", "apply, 1 changed"),
        *("audit", "destroy"),
    ]
    assert stages["apply"]["transactions"] == "4"  # a lock, two batches, the root
    assert stages["plan, no change"]["transactions"] == stages["plan, no change"]["submits"] == "0"
    assert stages["apply, 1 changed"]["transactions"] == stages["apply, 1 changed"]["submits"] == "1"


def test_a_budget_that_is_missed_is_shown_as_such():
    figures = Figures((3.0, 1.0, 2.0), "/s")

    missed = Row(work="work", ours=figures, peer=Figures((1.0,), "/s"), ratio=2.0, budget=5.0)

    assert table([missed]).splitlines()[-1] == "| work | 2 /s (1-3, n=3) | 1 /s | 2.00 | 5 | NO |  |"
