"""examples/: each is valid without a remark, planned, applied, and then as its manifests say; its tables are what they say."""

from __future__ import annotations

import calendar
import csv
import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SETS = sorted(
    str(path.relative_to(EXAMPLES))
    for path in (EXAMPLES / "producer.yaml", *EXAMPLES.glob("*/producer.yaml"), *EXAMPLES.glob("*/overlay"))
)


def rows(name: str) -> list[dict[str, str]]:
    with (EXAMPLES / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


# The largest is also what README and walk-throughs are tested with: here it waits for .ci/run.
@pytest.mark.parametrize(
    "example", [pytest.param(each, marks=pytest.mark.long if each == "producer.yaml" else ()) for each in SETS]
)
def test_it_is_valid_planned_applied_and_then_as_it_says(overlay, example):
    shutil.copytree(EXAMPLES, overlay.folder / "examples")
    path = f"examples/{example}"

    assert overlay.run("validate", path).stderr == ""
    overlay.run("fmt", "--check", path)
    applied = overlay.run("apply", path, "--yes").stdout.splitlines()
    assert applied[-1].endswith(" 0 updated, 0 deleted. Generation 1.")
    assert overlay.run("plan", path).stdout.splitlines()[-1] == "No changes. The overlay matches the manifests."


def test_each_is_named_in_the_examples_own_readme():
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert len(SETS) == 5
    assert [example for example in SETS if f"({example})" not in text] == []


def test_the_numbers_of_the_shop_are_right():
    primes = [int(row["prime"]) for row in rows("shop/data/primes.csv")]
    assert len(primes) == 1000
    assert primes == [n for n in range(2, primes[-1] + 1) if all(n % d for d in range(2, int(n**0.5) + 1))]
    fibonacci = [int(row["fibonacci"]) for row in rows("shop/data/fibonacci.csv")]
    assert fibonacci[:2] == [0, 1]
    assert all(
        third == first + second for first, second, third in zip(fibonacci, fibonacci[1:], fibonacci[2:], strict=False)
    )


def test_the_calendars_are_right():
    for year in (2024, 2025):
        months = [tuple(map(int, row.values())) for row in rows(f"calendar/overlay/data/{year}.csv")]
        firsts = [(month, *calendar.monthrange(year, month)) for month in range(1, 13)]
        assert months == [(year, month, days, first + 1) for month, first, days in firsts]
    years = [tuple(map(int, row.values())) for row in rows("calendar/overlay/data/years.csv")]
    assert years == [(year, 365 + calendar.isleap(year), calendar.weekday(year, 1, 1) + 1) for year in (2024, 2025)]


def test_the_leap_seconds_come_one_by_one():
    seconds = rows("worldwide/data/leap-seconds.csv")
    assert [int(row["tai_minus_utc"]) for row in seconds] == list(range(10, 38))
    assert {row["from"][4:] for row in seconds} == {"-01-01", "-07-01"}
    assert [row["from"] for row in seconds] == sorted(row["from"] for row in seconds)
