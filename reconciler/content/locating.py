"""Who says that they keep some bytes: the UHRP tokens of storage hosts, as overlay hosts list them (BRC-26, WIRE §4.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from reconciler.clients.host import FoundOutput
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Digest
from reconciler.model.json import JsonObject
from reconciler.wire import uhrp
from reconciler.wire.uhrp import UhrpToken, url_of

_SERVICE = "ls_uhrp"


class LookupHost(Protocol):
    """An overlay host, as far as locating needs it."""

    async def lookup(self, service: str, query: JsonObject) -> tuple[FoundOutput, ...]:
        """All outputs that answer a query."""
        ...


async def locate(
    content: Digest, *, hosts: Iterable[LookupHost], now: int, plain_http: bool = False
) -> tuple[UhrpToken, ...]:
    """The promises to keep these bytes beyond `now` (unix seconds), one a URL, those that last longest first.

    Keys and signatures are checked; that the tokens are on chain is not: whatever a URL gives is held against the hash. Hosts
    that do not answer, or do not know the service, are passed over. `plain_http` is for toy networks.
    """
    answers = await asyncio.gather(*(_ask(host, content) for host in hosts))
    tokens = [token for answer in answers for token in _tokens(answer, plain_http=plain_http)]
    wanted = sorted((token for token in tokens if token.sha256 == content and token.expires > now), key=_preference)
    return tuple({token.url: token for token in reversed(wanted)}.values())[::-1]


async def _ask(host: LookupHost, content: Digest) -> tuple[FoundOutput, ...]:
    try:
        return await host.lookup(_SERVICE, {"uhrpUrl": url_of(content)})
    except (UnreachableError, RefusedError):
        return ()


def _tokens(found: Iterable[FoundOutput], *, plain_http: bool) -> Sequence[UhrpToken]:
    tokens = []
    for output in found:
        try:
            tokens.append(uhrp.check(output.transaction, output.outpoint.vout, plain_http=plain_http))
        except VerificationError:
            continue  # anybody can write a token: one that is wrong says nothing about the others
    return tokens


def _preference(token: UhrpToken) -> tuple[int, str]:
    return -token.expires, token.url
