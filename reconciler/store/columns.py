"""Column types beside `Hex`: what stands in the program on one side, what every database understands on the other."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import JSON, DateTime, Dialect, String, Text, TypeDecorator

from reconciler.model.errors import StateError

JSON_VALUE: Final = JSON(none_as_null=True)
"""A JSON value; None is SQL's NULL. Not PostgreSQL's JSONB, which refuses some strings and rewrites numbers."""


class Instant(TypeDecorator[int]):
    """Unix seconds in the program, a UTC timestamp in the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Seconds to a timestamp."""
        return None if value is None else datetime.fromtimestamp(value, UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - as above
        """A timestamp to seconds; SQLite forgets the zone, which is UTC."""
        if value is None:
            return None
        return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())


class ForeignName(TypeDecorator[str]):
    """What strangers write or ask for, up to a length. PostgreSQL's texts have no NUL: it is kept, and looked for, as U+FFFD."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as above
        """Text without NUL."""
        return None if value is None else value.replace("\0", "\N{REPLACEMENT CHARACTER}")


class ForeignText(ForeignName):
    """The same, of any length."""

    impl = Text
    cache_ok = True


class Choice(TypeDecorator[StrEnum]):
    """A member of a closed vocabulary, kept as its text. A text that is not in it raises StateError."""

    impl = Text
    cache_ok = True

    def __init__(self, vocabulary: type[StrEnum]) -> None:
        super().__init__()
        self.vocabulary = vocabulary

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as above
        """Member to text."""
        return None if value is None else self.vocabulary(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002 - as above
        """Text to member."""
        if value is None:
            return None
        try:
            return self.vocabulary(value)
        except ValueError as error:
            raise StateError(f"the database holds {value!r}, which is no {self.vocabulary.__name__}") from error
