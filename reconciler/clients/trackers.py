"""Asking trackers who advertises what (SHIP and SLAP, WIRE §4.2).

What is given back is an advertisement by form, key and signature. That its transaction is valid is for the caller to check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.clients.host import FoundOutput
from reconciler.model.errors import VerificationError
from reconciler.model.ids import AdProtocol, IdentityKey, Outpoint
from reconciler.model.json import JsonObject
from reconciler.wire.advertisement import PREFIXES, AdToken, parse
from reconciler.wire.beef import Beef
from reconciler.wire.transaction import Transaction, TxOutput

TOPICS: Final = {protocol: f"tm_{protocol.lower()}" for protocol in AdProtocol}
"""Where advertisements of each protocol are submitted."""

SERVICES: Final = {protocol: f"ls_{protocol.lower()}" for protocol in AdProtocol}
"""Where they are looked up."""


class TrackerHost(Protocol):
    """A host (`clients.host.HostClient`), as far as tracking needs it."""

    async def topics(self) -> frozenset[str]:
        """The topics it lists."""
        ...

    async def services(self) -> frozenset[str]:
        """The look-up services it lists."""
        ...

    async def lookup(self, service: str, query: JsonObject) -> Sequence[FoundOutput]:
        """All outputs that it finds, all pages."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAd:
    """An advertisement that a tracker shows; its transaction is not verified."""

    protocol: AdProtocol
    identity: IdentityKey
    name: str
    """The topic or look-up service."""
    url: str
    outpoint: Outpoint
    beef: Beef
    """Of the whole page that it came with."""

    @property
    def transaction(self) -> Transaction:
        """The transaction that holds it."""
        return self.beef.transactions[self.outpoint.txid].transaction

    @property
    def output(self) -> TxOutput:
        """The output that it is; it holds 1 satoshi unless somebody copied it into a larger one."""
        return self.transaction.outputs[self.outpoint.vout]


class Tracker:
    """One host that keeps `tm_ship` and `tm_slap`. Raises RefusedError for its 4xx (it is no tracker), UnreachableError.

    Outputs that are no sound advertisement, or none of what was asked for, are left out: nobody is led by them. `plain_http`
    is for toy networks, where they may be of this machine.
    """

    def __init__(self, host: TrackerHost, *, plain_http: bool = False) -> None:
        self._host = host
        self._plain_http = plain_http

    async def tracks(self) -> bool:
        """Whether the host lists all that a tracker does."""
        return (
            set(TOPICS.values()) <= await self._host.topics() and set(SERVICES.values()) <= await self._host.services()
        )

    async def ads(self, identity: IdentityKey) -> tuple[FoundAd, ...]:
        """What an identity advertises, in order of protocol, name, URL and outpoint."""
        found = [
            ad
            for protocol in AdProtocol
            for ad in await self._ask(protocol, {"identityKey": identity})
            if ad.identity == identity
        ]
        return tuple(sorted(found, key=lambda ad: (ad.protocol, ad.name, ad.url, ad.outpoint)))

    async def hosts_for(self, name: str) -> tuple[FoundAd, ...]:
        """Who advertises a topic (`tm_…`) or look-up service (`ls_…`), in the tracker's order. Raises ValueError."""
        protocol = next((protocol for protocol, prefix in PREFIXES.items() if name.startswith(prefix)), None)
        if protocol is None:
            raise ValueError(f"neither a topic nor a look-up service: {name!r}")
        query: JsonObject = {"topics": [name]} if protocol is AdProtocol.SHIP else {"service": name}
        return tuple(ad for ad in await self._ask(protocol, query) if ad.name == name)

    async def _ask(self, protocol: AdProtocol, query: JsonObject) -> list[FoundAd]:
        outputs = await self._host.lookup(SERVICES[protocol], query)
        return [
            _found(output, token) for output in outputs if (token := self._read(output)) and token.protocol is protocol
        ]

    def _read(self, output: FoundOutput) -> AdToken | None:
        try:
            return parse(output.transaction.outputs[output.outpoint.vout].locking, plain_http=self._plain_http)
        except VerificationError:  # a tracker lists what anybody has submitted: see the class
            return None


def _found(output: FoundOutput, token: AdToken) -> FoundAd:
    return FoundAd(
        protocol=token.protocol,
        identity=token.identity,
        name=token.name,
        url=token.url,
        outpoint=output.outpoint,
        beef=output.beef,
    )
