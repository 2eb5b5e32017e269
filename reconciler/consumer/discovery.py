"""Who sells what: producers as trackers and hosts name them, each believed as far as root, records and gateway prove it.

Trackers and hosts only name candidates. A producer counts once a root of its own key is on this chain (SPV), its whole catalog
adds up to that root's Merkle root, and counts as open once its gateway has authenticated as the key that the root names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from reconciler.clients.host import FoundOutput
from reconciler.clients.survey import Answers
from reconciler.clients.trackers import SERVICES
from reconciler.consumer.offers import Offer, Wish, words_of
from reconciler.model.capabilities import capability_of, service_of
from reconciler.model.errors import (
    OverlayError,
    RefusedError,
    TransientError,
    UnreachableError,
    VerificationError,
)
from reconciler.model.ids import AdProtocol, IdentityKey, Kind, RecordId
from reconciler.model.json import JsonObject
from reconciler.model.observed import Answer
from reconciler.observe.roots import SERVICE, CatalogHost, LiveRoot, RootReadings, read_roots
from reconciler.wire.advertisement import parse as parse_ad
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.documents import RecordDocument, parse_record_document
from reconciler.wire.record import parse as parse_record
from reconciler.wire.spv import Verifier
from reconciler.wire.state_root import Leaf, state_root

MOST: Final = 64
"""Producers that are looked at; anybody may advertise any number."""

_AT_ONCE: Final = 8


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


Listing = Callable[[str], Awaitable[Sequence[Leaf]]]
"""All records that the gateway at a URL shows, unproven."""


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
    listing: Listing
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
        readings = await read_roots(identity, hosts=hosts, verifier=self.verifier, now=self._now())
        live = _newest(readings, identity)
        showing = {reading.host: hosts[reading.host] for reading in readings.readings if reading.root == live.outpoint}
        offers, faults = await self._offers(live, showing)
        return Seller(
            root=live,
            offers=offers,
            hosts=tuple(showing),
            gateway=await self._gateway(live),
            faults=(*readings.faults, *faults),
        )

    async def _offers(
        self, live: LiveRoot, showing: Mapping[str, CatalogHost]
    ) -> tuple[tuple[Offer, ...], tuple[str, ...]]:
        """All records under a root, from the first host that shows them whole, and what was wrong with those before it.

        What adds up to the root's Merkle root was committed to by its transaction, and needs no other proof.
        """
        faults: list[str] = []
        everything: dict[Leaf, RecordDocument] = {}
        for url, host in showing.items():
            try:
                shown, latest = _shown(await host.lookup(SERVICE, {"producer": live.document.producer}), live)
            except (RefusedError, TransientError) as error:
                faults.append(f"{url}: {error.message}")
                continue
            if _adds_up(latest, live):
                return _offered(live, latest, shown), tuple(faults)
            everything |= shown
            faults.append(
                f"{url} lists {len(latest)} records, the root commits to {live.document.leaf_count} or to others"
            )
        leaves = await self._listed(live)
        if leaves is not None and _adds_up(leaves, live) and everything.keys() >= set(leaves):
            return _offered(live, leaves, everything), tuple(faults)
        raise VerificationError(
            f"no host shows the catalog of {live.document.name} whole: {'; '.join(faults)}", where=live.host
        )

    async def _listed(self, live: LiveRoot) -> Sequence[Leaf] | None:
        """What the gateway calls its records: it knows which tokens a large set has left to its sweeps, and hosts do not."""
        url = live.document.keys.gateway_url
        try:
            return None if url is None else await self.listing(url)
        except OverlayError:  # it only helps hosts out; what they show has to add up without it, then
            return None

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


def _shown(found: Sequence[FoundOutput], live: LiveRoot) -> tuple[dict[Leaf, RecordDocument], tuple[Leaf, ...]]:
    """The documents that a host shows, and for each name the one that is newest, as far as the root's transaction tells."""
    spent = {each.outpoint for each in live.transaction.inputs}
    newest = {live.outpoint.txid, *(outpoint.txid for outpoint in spent)}
    documents: dict[Leaf, RecordDocument] = {}
    latest: dict[RecordId, tuple[bool, Leaf]] = {}
    for output in found:
        document = None if output.outpoint in spent else _document(output)
        if document is None or output.context is None:
            continue
        leaf, is_new = Leaf(document.id, sha256_hex(output.context)), output.outpoint.txid in newest
        documents[leaf] = document
        if document.id not in latest or is_new > latest[document.id][0]:
            latest[document.id] = is_new, leaf
    return documents, tuple(leaf for _, leaf in latest.values())


def _document(output: FoundOutput) -> RecordDocument | None:
    """What an output says of a record; None for roots, and for what is no document."""
    try:
        return None if output.context is None else parse_record_document(output.context)
    except VerificationError:
        return None


def _adds_up(leaves: Sequence[Leaf], live: LiveRoot) -> bool:
    return len(leaves) == live.document.leaf_count and state_root(leaves) == live.document.state_root


def _offered(live: LiveRoot, leaves: Sequence[Leaf], documents: Mapping[Leaf, RecordDocument]) -> tuple[Offer, ...]:
    return tuple(
        Offer(
            producer=live.document.producer,
            id=leaf.id,
            document_hash=leaf.document_hash,
            public=documents[leaf].public,
            content=documents[leaf].content,
        )
        for leaf in sorted(leaves, key=lambda leaf: leaf.id)
    )
