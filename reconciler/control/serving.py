"""Whether a gateway is up, and is the producer's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.model.errors import OverlayError
from reconciler.model.ids import IdentityKey
from reconciler.wire.http import Http

_PATIENCE: Final = 2.0


async def serves(http: Http, url: str, *identities: IdentityKey) -> bool:
    """Whether a gateway of this very producer answers at `url`; one that rotates its key has two identities."""
    try:
        reply = await http.request("GET", f"{url}/v1/producer", within=_PATIENCE)
        answer = reply.json()
    except OverlayError:
        return False
    return reply.ok and isinstance(answer, Mapping) and answer.get("identityKey") in identities
