"""What the services beside ARC answer: JSON, or a status that says why not."""

from __future__ import annotations

from typing import Final

from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.json import Json
from reconciler.wire.http import Reply

_TRY_AGAIN: Final = frozenset({408, 425, 429})
"""4xx that are no refusal."""


def accepted(reply: Reply) -> Reply:
    """The reply, if it is a good one. Raises RefusedError for 4xx, UnreachableError for everything else that is not 2xx."""
    if reply.ok:
        return reply
    if 400 <= reply.status < 500 and reply.status not in _TRY_AGAIN:
        raise RefusedError(f"{reply.url} refused: HTTP {reply.status}", code=str(reply.status), where=reply.url)
    raise UnreachableError(f"{reply.url} answered HTTP {reply.status}", where=reply.url)


def answered(reply: Reply) -> Json:
    """The JSON of a good reply. Raises as `accepted` does, and UnreachableError where it is none."""
    return accepted(reply).json()
