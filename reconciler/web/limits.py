"""How often one client may ask: token buckets in memory, as many as there is room for.

Two doors: everybody is limited by the address that they come from, before anything is read or verified, and those who have
proven who they are by their identity. Each process has buckets of its own. An address of this machine is not limited: that is
a proxy, which is to say who asks by X-Forwarded-For, or a test.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final, Self

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.web.auth import identity_of
from reconciler.web.problems import problem

CODE: Final = "ERR_TOO_MANY_REQUESTS"

_CLAIMS: Final = (b"x-bsv-auth", b"x-authrite")

_MOST: Final = 20_000
"""Clients that are remembered; who was longest not seen is forgotten first, and would have been let in by now anyway."""

_NETWORK: Final = 64
"""Bits of an IPv6 address that one client has to itself."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a second in the long run, and so many at once."""

    each_second: float
    at_once: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the two doors; None is none."""

    address: Rate | None = None
    identity: Rate | None = None

    @classmethod
    def of(cls, each_second: int) -> Self:
        """The same for both, with ten seconds' worth at once; 0 is no limit."""
        rate = Rate(each_second, 10 * each_second) if each_second else None
        return cls(rate, rate)


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Buckets:
    """One bucket for each client. `clock` gives seconds; one that goes back gives nobody anything."""

    def __init__(self, rate: Rate, clock: Callable[[], float], *, most: int = _MOST) -> None:
        self._rate = rate
        self._clock = clock
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, client: str) -> float:
        """0 where this client may ask now, which then counts; else the seconds until it may."""
        now = self._clock()
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(self._rate.at_once, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client)
            gained = max(0.0, now - bucket.at) * self._rate.each_second
            bucket.left = min(bucket.left + gained, self._rate.at_once)
            bucket.at = now
        if bucket.left < 1:
            return (1 - bucket.left) / self._rate.each_second
        bucket.left -= 1
        return 0.0


class LimitedAddresses:
    """An ASGI app in front of another one: by address, where a path begins with one of `paths`, or an identity is claimed."""

    def __init__(self, app: ASGIApp, buckets: Buckets, *, paths: tuple[str, ...]) -> None:
        self._app = app
        self._buckets = buckets
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        counts = scope["type"] == "http" and (scope["path"].startswith(self._paths) or _claims(scope))
        client = _address(scope) if counts else None
        await _limited(self._app, self._buckets, client)(scope, receive, send)


class LimitedIdentities:
    """An ASGI app in front of another one, behind whoever verifies identities: by identity."""

    def __init__(self, app: ASGIApp, buckets: Buckets) -> None:
        self._app = app
        self._buckets = buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        client = identity_of(Request(scope)) if scope["type"] == "http" else None
        await _limited(self._app, self._buckets, client)(scope, receive, send)


def _limited(app: ASGIApp, buckets: Buckets, client: str | None) -> ASGIApp:
    seconds = 0.0 if client is None else buckets.wait(client)
    if seconds == 0:
        return app
    return problem(
        429,
        "too many requests come from here",
        headers={"retry-after": str(math.ceil(seconds))},
        more={"code": CODE},
    )


def _claims(scope: Scope) -> bool:
    """Whether there is something to be verified."""
    return any(name.startswith(_CLAIMS) for name, _ in scope["headers"])


def _address(scope: Scope) -> str | None:
    """Whom a connection's address stands for; None for this machine, and for what is no address."""
    client = scope.get("client")
    try:
        address = ip_address(client[0] if client else "")
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is None:
            return None if address.is_loopback else str(IPv6Address(int(address) >> _NETWORK << _NETWORK))
        address = mapped
    return None if address.is_loopback else str(address)
