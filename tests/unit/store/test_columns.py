from __future__ import annotations

from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import bindparam, create_engine, literal, select, text

from reconciler.model.errors import StateError
from reconciler.store.columns import Choice, Instant


class Colour(StrEnum):
    RED = "red"


ENGINE = create_engine("sqlite://")


@given(st.integers(0, 2**33))
def test_an_instant_comes_back_as_the_same_second(seconds):
    with ENGINE.connect() as connection:
        assert connection.scalar(select(literal(seconds, Instant))) == seconds


def test_an_instant_is_readable_utc_in_the_database():
    with ENGINE.connect() as connection:
        stored = connection.scalar(text("SELECT :at").bindparams(bindparam("at", 1_700_000_000, Instant)))
    assert stored == "2023-11-14 22:13:20.000000"


def test_a_choice_comes_back_as_the_member():
    with ENGINE.connect() as connection:
        assert connection.scalar(select(literal(Colour.RED, Choice(Colour)))) is Colour.RED


def test_a_choice_that_is_no_member_is_refused_when_read():
    with ENGINE.connect() as connection, pytest.raises(StateError, match="'green', which is no Colour"):
        connection.scalar(text("SELECT 'green' AS colour").columns(colour=Choice(Colour)))


def test_null_stays_null():
    with ENGINE.connect() as connection:
        row = connection.execute(select(literal(None, Instant), literal(None, Choice(Colour)))).one()
    assert tuple(row) == (None, None)
