"""Who says that they keep some bytes: the UHRP tokens of storage hosts, as overlay hosts list them (BRC-26, WIRE §4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from reconciler.clients.host import FoundOutput
from reconciler.clients.survey import Answers
from reconciler.model.errors import UnreachableError, VerificationError
from reconciler.model.ids import Digest
from reconciler.model.json import JsonObject
from reconciler.wire import uhrp
from reconciler.wire.uhrp import UhrpToken, url_of

_SERVICE = "ls_uhrp"


class Lookups(Protocol):
    """Whoever serves a look-up service (`clients.resolver.Resolver`)."""

    async def lookup(self, service: str, query: JsonObject) -> Answers:
        """What all of them show. Raises UnreachableError where nobody answers."""
        ...


async def locate(content: Digest, *, lookups: Lookups, now: int, plain_http: bool = False) -> tuple[UhrpToken, ...]:
    """The promises to keep these bytes beyond `now` (unix seconds), one a URL, those that last longest first.

    Keys and signatures are checked; whatever a URL gives is held against the hash. Where nobody answers, nobody promises.
    `plain_http` is for toy networks.
    """
    try:
        answers = await lookups.lookup(_SERVICE, {"uhrpUrl": url_of(content)})
    except UnreachableError:
        return ()
    tokens = _tokens(answers.outputs, plain_http=plain_http)
    wanted = sorted((token for token in tokens if token.sha256 == content and token.expires > now), key=_preference)
    return tuple({token.url: token for token in reversed(wanted)}.values())[::-1]


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
