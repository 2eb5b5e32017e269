"""Questions to the catalog: read strictly, answered page by page."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from reconciler.gateway.live import Entry, Live
from reconciler.model.errors import RefusedError
from reconciler.model.ids import Kind, RecordId

PAGE: Final = 50
"""Records on a page unless the query says otherwise."""

MOST: Final = 500
"""Records that a page may have."""

_FIELDS: Final = frozenset({"kind", "tag", "q", "cursor", "limit"})
_LENGTH: Final = 600
"""Characters of one value; a cursor is made of a name of up to 253."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogQuery:
    """All that is not None must hold."""

    kind: Kind | None = None
    tag: str | None = None
    text: str | None = None
    """Anywhere in name, title, description, capability, tags; in whatever case."""
    after: RecordId | None = None
    """The last record of the page before."""
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class Page:
    """One page, and the cursor to the next; None where there is none."""

    entries: tuple[Entry, ...]
    next: str | None


def parse_query(parameters: Iterable[tuple[str, str]]) -> CatalogQuery:
    """Read a query string's parameters. One without a value, as forms send it, is none. Raises RefusedError."""
    given: dict[str, str] = {}
    for name, value in parameters:
        if name not in _FIELDS:
            raise RefusedError(f"there is no parameter {name[:40]!r}; known are {', '.join(sorted(_FIELDS))}")
        if name in given:
            raise RefusedError(f"the parameter {name} stands there twice")
        if len(value) > _LENGTH:
            raise RefusedError(f"the parameter {name} is longer than {_LENGTH} characters")
        given[name] = value
    return CatalogQuery(
        kind=_read(given, "kind", Kind),
        tag=given.get("tag") or None,
        text=given.get("q") or None,
        after=_read(given, "cursor", _parse_cursor),
        limit=_read(given, "limit", _limit) or PAGE,
    )


def find(live: Live, query: CatalogQuery) -> Page:
    """The page that answers a query."""
    start = 0 if query.after is None else bisect_right(live.entries, query.after, key=lambda entry: entry.id)
    answers = (entry for entry in islice(live.entries, start, None) if _answers(entry, query))
    found = tuple(islice(answers, query.limit + 1))
    page = found[: query.limit]
    return Page(page, _cursor(page[-1].id) if len(found) > len(page) else None)


def _answers(entry: Entry, query: CatalogQuery) -> bool:
    return (
        query.kind in {None, entry.id.kind}
        and (query.tag is None or query.tag in entry.tags)
        and (query.text is None or query.text.casefold() in entry.text)
    )


def _read(given: dict[str, str], name: str, parse: Callable[[str], T]) -> T | None:
    text = given.get(name)
    if not text:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise RefusedError(f"the parameter {name} is not one: {text[:80]!r}") from error


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST):
        raise ValueError(f"not a number from 1 to {MOST}")
    return int(text)


def _cursor(record: RecordId) -> str:
    return base64.urlsafe_b64encode(str(record).encode()).decode().rstrip("=")


def _parse_cursor(text: str) -> RecordId:
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    return RecordId.parse(decoded.decode())
