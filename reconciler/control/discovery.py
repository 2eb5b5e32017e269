"""Whether strangers find us: what trackers that are not ours show of our advertisements, and where they lead (DESIGN §4.3, 10).

Published and not found is the field's second pain: nothing fails, and nobody comes.
"""

from __future__ import annotations

from typing import Final, Protocol

from reconciler.clients.survey import Answers, Verdict
from reconciler.clients.trackers import SERVICES
from reconciler.model.errors import StateError, VerificationError
from reconciler.model.ids import AdProtocol, IdentityKey
from reconciler.model.json import JsonObject
from reconciler.wire.advertisement import parse

_WELL: Final = frozenset({Verdict.ANSWERED, Verdict.LATE})


class Lookups(Protocol):
    """The network as a consumer sees it (`clients.resolver.Resolver`)."""

    async def hosts_for(self, name: str) -> tuple[str, ...]:
        """URLs of those who advertise a topic or service."""
        ...

    async def lookup(self, service: str, query: JsonObject) -> Answers:
        """What all who serve it show."""
        ...


async def discoverable(url: str, *, identity: IdentityKey, lookups: Lookups, plain_http: bool) -> str:
    """How a gateway is found; a sentence.

    Raises StateError where a tracker lags or lies, or one of its services leads elsewhere, UnreachableError where no tracker
    answers.
    """
    answers = await lookups.lookup(SERVICES[AdProtocol.SLAP], {"identityKey": identity})
    for tracker, answer in answers.by_host.items():
        if answer.verdict not in _WELL:
            raise StateError(
                f"{tracker} is {answer.verdict}: {answer.detail}",
                where=tracker,
                hint="whoever asks this tracker alone does not find you; `overlay apply` tells it again",
            )
    services = _services(answers, identity, url, plain_http=plain_http)
    for service in services:
        if url not in await lookups.hosts_for(service):
            raise StateError(
                f"who looks for {service} is not led to {url}", hint="try again when trackers have caught up"
            )
    return f"trackers lead to {url} for {', '.join(services)}" if services else "nothing is advertised"


def _services(answers: Answers, identity: IdentityKey, url: str, *, plain_http: bool) -> list[str]:
    """What an identity advertises at a URL, each name once, in order."""
    names = set()
    for output in answers.live:
        try:
            token = parse(output.transaction.outputs[output.outpoint.vout].locking, plain_http=plain_http)
        except VerificationError:
            continue  # anybody may write a token
        if token and (token.protocol, token.identity, token.url) == (AdProtocol.SLAP, identity, url):
            names.add(token.name)
    return sorted(names)
