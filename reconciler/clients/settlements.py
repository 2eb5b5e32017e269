"""Asking a gateway what it has settled to us (PROTOCOL §5)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import quote

from reconciler.model.errors import UnreachableError, VerificationError
from reconciler.wire.http import BEEF, Http, checked
from reconciler.wire.settlements import Settled, parse_settlements

_PAGES: Final = 1000
"""After which a gateway that still goes on is one that does not end."""


class SettlementsClient:
    """One gateway, at `url`, asked by a client that signs (clients.auth.AuthenticatedHttp)."""

    def __init__(self, signed: Http, url: str) -> None:
        self._signed = signed
        self._url = f"{url.rstrip('/')}/v1/settlements"

    async def since(self, height: int) -> AsyncGenerator[Settled]:
        """What blocks prove from a height on, and all that none proves yet, page after page.

        Raises UnreachableError, RefusedError, VerificationError; what came before that is as good as ever.
        """
        place: str | None = str(height)
        for _ in range(_PAGES):
            reply = checked(await self._signed.request("GET", f"{self._url}?since={quote(place or '')}", limit=BEEF))
            try:
                page = parse_settlements(reply.json(), "the answer")
            except VerificationError as error:
                raise UnreachableError(f"{self._url} answers nonsense: {error.message}", where=self._url) from error
            for coin in page.coins:
                yield coin
            place = page.next
            if place is None:
                return
        raise UnreachableError(f"{self._url} does not come to an end", where=self._url)
