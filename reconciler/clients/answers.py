"""What a server's status means to a client, and how its JSON is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.json import Json
from reconciler.wire.http import Reply, bare

_REASON: Final = 300
"""Characters of a server's explanation that are passed on."""

_TRY_AGAIN: Final = frozenset({408, 425, 429})


def checked(reply: Reply) -> Reply:
    """The reply, if it is a good one.

    Raises RefusedError with the server's own words for 4xx, UnreachableError for everything else that is not 2xx.
    """
    if reply.ok:
        return reply
    where = bare(reply.url)
    message = f"{where} answers {reply.status}: {_reason(reply)}"
    if 400 <= reply.status < 500 and reply.status not in _TRY_AGAIN:
        raise RefusedError(message, code=str(reply.status), where=where)
    raise UnreachableError(message, where=where)


def object_of(reply: Reply) -> Mapping[str, Json]:
    """The body as a JSON object. Raises UnreachableError."""
    value = reply.json()
    if not isinstance(value, Mapping):
        raise UnreachableError(f"{bare(reply.url)} did not answer a JSON object", where=bare(reply.url))
    return value


def _reason(reply: Reply) -> str:
    """The server's explanation in one printable line, whatever it sent."""
    try:
        value = reply.json()
    except UnreachableError:
        value = None
    texts = [value.get(name) for name in ("message", "description", "code")] if isinstance(value, Mapping) else []
    reason = next((text for text in texts if isinstance(text, str) and text), "no reason given")
    return "".join(character if character.isprintable() else " " for character in reason[:_REASON])
