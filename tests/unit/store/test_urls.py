from __future__ import annotations

import pytest

from reconciler.model.errors import UsageError
from reconciler.store.urls import database_url, shown


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_spelling_of_postgresql_is_understood(scheme):
    url = database_url(f"{scheme}://me:s%40cret@db.example:5433/overlay?sslmode=verify-full&connect_timeout=3")
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.host, url.port) == ("me", "s@cret", "db.example", 5433)
    assert (url.database, dict(url.query)) == ("overlay", {"sslmode": "verify-full", "connect_timeout": "3"})


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite"])
def test_a_file_is_understood(scheme):
    url = database_url(f"{scheme}:////var/lib/overlay/state.db")
    assert (url.drivername, url.database) == ("sqlite", "/var/lib/overlay/state.db")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "state.db",
        "mysql://me:CANARY@host/name",
        "postgresql+asyncpg://me:CANARY@host/name",
        "postgresql+psycopg2://me:CANARY@host/name",
        "postgresql://me:CANARY@host:port/name",
        "postgresql://me:CANARY@[::1/name",
    ],
)
def test_what_names_no_database_is_refused_without_being_repeated(text):
    with pytest.raises(UsageError, match="names no database") as refused:
        database_url(text)
    assert "CANARY" not in f"{refused.value.message}{refused.value.hint}{refused.value.where}"
    assert "postgresql://user@host/name" in refused.value.hint


@pytest.mark.parametrize("text", ["postgres://me:CAN@ARY@host/name", "postgresql://me/x:CANARY@host/name"])
def test_a_password_that_is_not_told_apart_is_refused_without_being_repeated(text):
    with pytest.raises(UsageError, match="more than one @") as refused:
        database_url(text)
    assert "CAN" not in f"{refused.value.message}{refused.value.hint}{refused.value.where}"


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("postgresql://me:CANARY@db.example:5433/overlay?sslpassword=CANARY", "postgresql://db.example:5433/overlay"),
        ("postgresql:///overlay?user=me&password=CANARY&host=/run/pg", "postgresql:///run/pg/overlay"),
        ("postgresql:///overlay?host=a:5432&host=b:5432", "postgresql://a:5432,b:5432/overlay"),
        ("sqlite:////var/lib/state.db?mode=ro", "sqlite:////var/lib/state.db"),
    ],
)
def test_an_error_says_where_and_neither_user_nor_password_nor_options(text, location):
    assert shown(database_url(text)) == location
