"""Who may look after a server from afar, and who stands beside it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from starlette.requests import Request

from reconciler.model.errors import RefusedError
from reconciler.model.ids import IdentityKey
from reconciler.web.auth import identity_of

_BEARER: Final = "Bearer "
_PASSED_ON: Final = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "via",
    "origin",
)
"""Headers of a request that somebody has passed on, or of a page in a browser: who has sent that is not who connects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who may: this identity, and whoever shows this token. None of either: nobody."""

    identity: IdentityKey | None = None
    token: str | None = None

    def check(self, request: Request) -> None:
        """Raises RefusedError: 403 for somebody else, 401 for nobody."""
        shown = request.headers.get("authorization", "")
        identity = identity_of(request)
        if identity is not None and identity == self.identity:
            return
        if shown.startswith(_BEARER) and self.token:
            given, wanted = shown.removeprefix(_BEARER).encode(), self.token.encode()
            if hmac.compare_digest(given, wanted):
                return
        if shown.startswith(_BEARER) or identity is not None:
            raise RefusedError("Forbidden: Invalid credentials", code="403")
        raise RefusedError("Unauthorized: show a Bearer token, or authenticate by BRC-103", code="401")


def is_beside(request: Request) -> bool:
    """Whether a program on this very machine asks, by itself, and by a name of this machine.

    A proxy that neither passes the name on nor says whom it speaks for looks the same: docs/operations.md says what to set.
    """
    if request.client is None or any(name in request.headers for name in _PASSED_ON):
        return False
    return _is_loopback(request.client.host) and _is_loopback(request.url.hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, whoever it leads to today
        return False
