"""Who sells what: producers as trackers and hosts name them, each believed as far as root, records and gateway prove it.

Trackers and hosts only name candidates. A producer counts once a root of its own key is on this chain (SPV), its whole catalog
adds up to that root's Merkle root, and counts as open once its gateway has authenticated as the key that the root names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from reconciler.clients.survey import Answers
from reconciler.clients.trackers import SERVICES
from reconciler.consumer.offers import Offer, Wish, words_of
from reconciler.model.capabilities import capability_of, service_of
from reconciler.model.errors import (
    OverlayError,
    RefusedError,
    StalePlanError,
    TransientError,
    UnreachableError,
    VerificationError,
)
from reconciler.model.ids import AdProtocol, IdentityKey, Kind
from reconciler.model.json import JsonObject
from reconciler.model.observed import Answer
from reconciler.observe.catalog import LiveRecord, read_records
from reconciler.observe.roots import SERVICE, CatalogHost, LiveRoot, RootReadings, Verifier, read_roots
from reconciler.wire.advertisement import parse as parse_ad
from reconciler.wire.record import parse as parse_record

MOST: Final = 64
"""Producers that are looked at; anybody may advertise any number."""

_AT_ONCE: Final = 8
_TRIES: Final = 3
"""A catalog may be published anew while it is read."""


class Lookups(Protocol):
    """The network as a consumer sees it (`clients.resolver.Resolver`)."""

    async def hosts_for(self, name: str) -> tuple[str, ...]:
        """URLs of those who advertise a topic or service. Raises UnreachableError."""
        ...

    async def lookup(self, service: str, query: JsonObject) -> Answers:
        """What all who serve it show, verified. Raises UnreachableError."""
        ...


class Standing(StrEnum):
    """What came of speaking to a gateway."""

    OPEN = "open"
    """It answered, as the key that the root names."""
    CLOSED = "closed"
    """No answer."""
    IMPOSTOR = "impostor"
    """Somebody else answered."""
    NONE = "none"
    """The root names no gateway."""


@dataclass(frozen=True, slots=True)
class GatewayState:
    """How a producer's gateway was found."""

    standing: Standing
    detail: str = ""
    seconds: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether one can buy there now."""
        return self.standing is Standing.OPEN


Greet = Callable[[str, IdentityKey], Awaitable[GatewayState]]
"""Speaks to the gateway at a URL, which is to have this key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """A producer, proven."""

    root: LiveRoot
    offers: tuple[Offer, ...]
    """Every live record that the root covers: none is hidden."""
    hosts: tuple[str, ...]
    """Who showed this root."""
    gateway: GatewayState
    faults: tuple[str, ...] = ()
    """What hosts showed, or hid, that does not agree with the root."""

    @property
    def identity(self) -> IdentityKey:
        """Its key."""
        return self.root.document.producer

    @property
    def name(self) -> str:
        """Its own name for itself; anybody may have the same."""
        return self.root.document.name

    @property
    def title(self) -> str:
        """For people."""
        shown = self.root.document.public.get("displayName")
        return shown if isinstance(shown, str) else self.name

    @property
    def url(self) -> str | None:
        """Its gateway's origin."""
        return self.root.document.keys.gateway_url

    @property
    def regions(self) -> tuple[str, ...]:
        """Where its goods are served."""
        return words_of(self.root.document.public, "regions")

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it is found by: as the producer says, advertises and sells."""
        said = words_of(self.root.document.public, "capabilities")
        return tuple(sorted({*said, *(offer.capability for offer in self.offers if offer.capability)}))

    @property
    def goods(self) -> tuple[Offer, ...]:
        """What can be bought."""
        return tuple(offer for offer in self.offers if offer.is_good)

    def advertised(self, capability: str | None) -> tuple[Offer, ...]:
        """Its advertisements of a capability, or all."""
        ads = (offer for offer in self.offers if offer.id.kind is Kind.ADVERTISEMENT)
        return tuple(ad for ad in ads if capability in {None, ad.capability})


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Who was found, and what was heard on the way that nobody should build upon."""

    sellers: tuple[Seller, ...]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """Finds and proves producers.

    `hosts` (by URL) are asked for every producer; `host` makes a client of a URL that a tracker has named. `clock` gives unix
    seconds. `plain_http` is for toy networks.
    """

    lookups: Lookups
    hosts: Mapping[str, CatalogHost]
    host: Callable[[str], CatalogHost]
    verifier: Verifier
    greet: Greet
    clock: Callable[[], float]
    plain_http: bool = False
    most: int = MOST

    async def market(self, wish: Wish) -> Market:
        """Every producer that hosts or trackers name for a wish, proven. Raises UnreachableError where nobody answers."""
        candidates = await self._candidates(wish)
        chosen = dict(list(candidates.by_key.items())[: self.most])
        faults = list(candidates.faults)
        if len(candidates.by_key) > len(chosen):
            faults.append(f"{len(candidates.by_key) - len(chosen)} more producers are named, and were not looked at")
        turns = asyncio.Semaphore(_AT_ONCE)

        async def prove(identity: IdentityKey, urls: Iterable[str]) -> Seller | str:
            async with turns:
                try:
                    return await self.seller(identity, urls)
                except OverlayError as error:
                    return f"{identity}: {error.message}"

        proven = await asyncio.gather(*(prove(identity, urls) for identity, urls in chosen.items()))
        sellers = tuple(each for each in proven if isinstance(each, Seller))
        faults += [each for each in proven if isinstance(each, str)]
        return Market(sellers=sellers, faults=tuple(faults))

    async def seller(self, identity: IdentityKey, urls: Iterable[str] = ()) -> Seller:
        """One producer by key; `urls` are hosts beside those that are always asked, where it may be found.

        Raises RefusedError (404) where every host says that there is no such producer, UnreachableError where none says
        anything, VerificationError where none shows a catalog that adds up.
        """
        hosts = {**{url: self.host(url) for url in urls if url not in self.hosts}, **self.hosts}
        for _ in range(_TRIES):
            readings = await read_roots(identity, hosts=hosts, verifier=self.verifier, now=self._now())
            live = _newest(readings, identity)
            try:
                records, faults = await self._records(live, readings, hosts)
                break
            except StalePlanError:
                continue
        else:
            raise UnreachableError(f"{identity} publishes faster than its catalog can be read")
        return Seller(
            root=live,
            offers=tuple(_offer(identity, record) for record in records),
            hosts=tuple(reading.host for reading in readings.readings if reading.root == live.outpoint),
            gateway=await self._gateway(live),
            faults=(*readings.faults, *faults),
        )

    async def _records(
        self, live: LiveRoot, readings: RootReadings, hosts: Mapping[str, CatalogHost]
    ) -> tuple[tuple[LiveRecord, ...], tuple[str, ...]]:
        """All records under a root, from the first host that shows them whole, and what was wrong with those before it."""
        faults: list[str] = []
        showing = [reading.host for reading in readings.readings if reading.root == live.outpoint]
        for url in showing:
            try:
                records, _ = await read_records(
                    live,
                    host=hosts[url],
                    opened=lambda _: {},
                    lineage=readings.lineage,
                    verifier=self.verifier,
                    now=self._now(),
                )
            except (VerificationError, RefusedError, TransientError) as error:
                faults.append(f"{url}: {error.message}")
            else:
                return records, tuple(faults)
        raise VerificationError(
            f"no host shows the catalog of {live.document.name} whole: {'; '.join(faults)}", where=live.host
        )

    async def _gateway(self, live: LiveRoot) -> GatewayState:
        url = live.document.keys.gateway_url
        return GatewayState(Standing.NONE) if url is None else await self.greet(url, live.document.keys.gateway_key)

    async def _candidates(self, wish: Wish) -> _Candidates:
        if wish.producer is not None:
            found = _Candidates()
            found.by_key[wish.producer] = {}
            return found
        service = SERVICE if wish.capability is None else service_of(wish.capability)
        query = wish.to_query()
        query.pop("capability", None)  # that is the service
        asks = await asyncio.gather(
            self.lookups.lookup(service, query or {"kind": Kind.PRODUCER.value}),
            self.lookups.lookup(SERVICES[AdProtocol.SLAP], {"findAll": True}),
            return_exceptions=True,
        )
        named, advertised = (_answers(ask) for ask in asks)
        if isinstance(named, str) and isinstance(advertised, str):
            raise UnreachableError(f"nobody can be asked who sells: {named}")
        return self._put_together(wish, named, advertised)

    def _put_together(self, wish: Wish, named: Answers | str, advertised: Answers | str) -> _Candidates:
        found = _Candidates()
        for answers in (named, advertised):
            found.faults += [answers] if isinstance(answers, str) else _faults(answers)
        for output in () if isinstance(named, str) else named.live:
            token = parse_record(output.transaction.outputs[output.outpoint.vout].locking)
            if token is not None:
                found.by_key.setdefault(token.identity, {})
        for output in () if isinstance(advertised, str) else advertised.live:
            try:
                ad = parse_ad(output.transaction.outputs[output.outpoint.vout].locking, plain_http=self.plain_http)
            except VerificationError:
                continue  # anybody may write a token
            capability = None if ad is None else capability_of(ad.name)
            if ad is not None and capability is not None and wish.capability in {None, capability}:
                found.by_key.setdefault(ad.identity, {})[ad.url.rstrip("/")] = None
        return found

    def _now(self) -> int:
        return int(self.clock())


@dataclass(slots=True)
class _Candidates:
    """Who was named, with the hosts that are advertised for each, in the order in which they were heard of."""

    by_key: dict[IdentityKey, dict[str, None]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def _newest(readings: RootReadings, identity: IdentityKey) -> LiveRoot:
    if readings.newest is not None:
        return readings.newest
    if readings.faults:
        raise VerificationError("; ".join(readings.faults))
    if any(reading.answer is Answer.NONE for reading in readings.readings):
        raise RefusedError(f"no host knows a producer {identity}", code="404")
    raise UnreachableError(f"no host says anything about {identity}")


def _answers(asked: Answers | BaseException) -> Answers | str:
    """What came of a question; a sentence where nothing did."""
    if isinstance(asked, OverlayError):
        return asked.message
    if isinstance(asked, BaseException):
        raise asked
    return asked


def _faults(answers: Answers) -> list[str]:
    return [f"{url} is {answer.verdict}: {answer.detail}" for url, answer in answers.by_host.items() if answer.detail]


def _offer(identity: IdentityKey, record: LiveRecord) -> Offer:
    return Offer(
        producer=identity,
        id=record.observed.id,
        document_hash=record.observed.document_hash,
        public=record.observed.public,
        content=record.content,
    )
