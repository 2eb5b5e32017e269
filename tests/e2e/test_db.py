"""`overlay db`, and what every command says of a database that it cannot use."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text

from reconciler.store import schema
from reconciler.store.database import Database

pytestmark = pytest.mark.usefixtures("real_migrations")

NETWORK = ("--network", "embedded")


@pytest.fixture
def empty(overlay, databases):
    """The command, with a database of somebody else's making that has nothing in it."""
    overlay.run("identity", "new", *NETWORK)
    overlay.state = {"DATABASE_URL": databases.create_empty()}
    return overlay


def execute(overlay, statement: str) -> None:
    async def run() -> None:
        database = Database.open(overlay.state["DATABASE_URL"])
        async with database.begin() as connection:
            await connection.execute(text(statement))
        await database.close()

    asyncio.run(run())


def test_an_upgrade_tells_its_steps_and_the_second_has_nothing_to_do(empty):
    steps = [f"  {revision[:4]}  {revision[5:].replace('_', ' ')}" for revision in schema.revisions()]
    first = empty.run("db", "upgrade", *NETWORK).stdout.splitlines()
    assert first == [*steps, f"Upgraded the database from nothing to revision {schema.newest()}."]
    second = empty.run("db", "upgrade", *NETWORK).stdout
    assert second == f"Nothing to do. The database is at revision {schema.newest()}.\n"
    assert empty.run("db", "check", *NETWORK).stdout.endswith("as it should be.\n")


def test_programs_are_told_the_same(empty):
    newest = schema.newest()
    upgraded = {"before": None, "revision": newest, "applied": list(schema.revisions())}
    assert empty.json("db", "upgrade", *NETWORK) == upgraded
    assert empty.json("db", "upgrade", *NETWORK) == {"before": newest, "revision": newest, "applied": []}
    assert empty.json("db", "check", *NETWORK) == {"revision": newest}


@pytest.mark.parametrize(
    ("version", "says", "do"),
    [
        ("0000", "is at revision 0000, behind this tool's", "overlay db upgrade"),
        ("9999", "is at revision 9999, and this tool knows no newer one", "upgrade overlay-reconciler"),
        ("ae1027a6acf", "belongs to another program", "a database of its own"),
    ],
)
def test_commands_refuse_a_database_that_is_not_theirs_and_say_what_to_do(empty, version, says, do):
    empty.run("db", "upgrade", *NETWORK)
    execute(empty, f"UPDATE alembic_version SET version_num = '{version}'")
    for words in (("db", "check"), ("status",), ("wallet", "balance")):
        refused = empty.run(*words, *NETWORK, code=1).stderr
        assert says in refused
        assert do in refused


def test_an_empty_database_that_somebody_else_made_is_not_touched_before_the_word(empty):
    for words in (("db", "check"), ("status",)):
        assert "not set up yet" in empty.run(*words, *NETWORK, code=1).stderr
    empty.run("db", "upgrade", *NETWORK)
    empty.run("wallet", "balance", *NETWORK)


@pytest.mark.only("postgresql")
@pytest.mark.parametrize(
    "url",
    [
        "postgres://me:CANARY@127.0.0.1:1/name",
        "postgres://me:CANARY@HERE",
        "postgresql:///name?host=/nowhere&user=me&password=CANARY",
        "postgresql://me:CAN@ARY@127.0.0.1:1/name",
        "postgresql://me:CANARY@127.0.0.1:1/name?no_such_option=1",
        "postgresql+asyncpg://me:CANARY@127.0.0.1/name",
        "postgresql://me:CANARY@127.0.0.1:CANARY/name",
    ],
)
def test_no_form_of_url_makes_a_command_say_a_password(overlay, server, url):
    here = f"/nowhere?{server.server.partition('?')[2]}"
    overlay.state = {"DATABASE_URL": url.replace("HERE", here)}
    for words in (("db", "check"), ("db", "upgrade"), ("status", "--json"), ("status", "--debug")):
        ran = overlay.run(*words, *NETWORK, code=1)
        assert "hint:" in ran.stderr
        assert "CAN" not in ran.stdout + ran.stderr
        assert "ARY" not in ran.stdout + ran.stderr


def test_a_buyers_database_is_upgraded_too_and_is_none_of_a_producers(overlay):
    overlay.state = {}
    overlay.run("consumer", "init", *NETWORK)
    path = overlay.home / "embedded" / "consumer.db"
    newest = overlay.json("db", "check", *NETWORK)["consumer"]["revision"]

    def pretend(revision: str) -> None:
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
            database.commit()

    pretend("0000")
    assert "overlay db upgrade" in overlay.run("consumer", "wallet", *NETWORK, code=1).stderr
    assert "0000" in overlay.run("db", "check", *NETWORK, code=1).stderr
    pretend(newest)
    assert f"The consumer's database is at revision {newest}." in overlay.run("db", "upgrade", *NETWORK).stdout
    assert not (overlay.home / "embedded" / "state.db").exists()
