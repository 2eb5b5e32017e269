"""What an hourly apply reads must not grow with the hours that went before."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from benchmarks.year import Desk, Year

GROWING = (
    "coins",
    "documents",
    "generations",
    "handovers",
    "host_needs",
    "host_outputs",
    "host_records",
    "host_spends",
    "host_transactions",
    "journal",
    "journal_transactions",
    "outbox",
    "transactions",
)
"""Tables that have more rows after every apply."""


@pytest.fixture
def statements():
    """Each statement that is run from now on, with the file of its database."""
    seen = set()

    def note(connection, _cursor, statement, *_):
        seen.add((connection.engine.url.database, statement))

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


async def test_no_statement_of_plan_and_apply_reads_a_whole_table_that_grows(tmp_path, statements):
    year = Year(tmp_path, fresh=False)
    async with year.open(), Desk.open(year, tmp_path / "state.db") as desk:
        for _ in range(2):
            statements.clear()
            year.pass_hour()
            await desk.plan(changes=True)
            await desk.apply()
            await desk.plan(changes=False)

        _, shown = await desk.history(limit=1)

    assert shown == 1
    whole = [f"{step}: {statement}" for statement, step in steps(statements) if reads_whole(step)]
    assert whole == []
    assert len(statements) > 100


def steps(statements):
    """How SQLite goes about each statement, step by step."""
    for path, statement in sorted(statements):
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            connection = sqlite3.connect(path)
            values = [1] * statement.count("?")
            yield from ((statement, row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))
            connection.close()


def reads_whole(step):
    """Whether a step is a look at every row of one of these tables, whatever they are called in the statement."""
    words = step.split()
    return words[0] == "SCAN" and words[1].removesuffix("_1") in GROWING
