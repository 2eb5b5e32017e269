"""Whether a gateway is who it says, and what its producer really publishes: asked of hosts that are not the gateway's.

The root decides (PROTOCOL §3): found live by SPV, shown by somebody else than the gateway, naming the gateway's key. A listing
counts where it adds up to the root's Merkle root and count, whoever gives it: so neither a host nor a gateway can hide or add a
record, and what a large set leaves to its sweeps is nobody's mistake.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from reconciler.clients.gateway import GatewayClient
from reconciler.clients.host import FoundOutput, HostClient
from reconciler.consumer.ports import Books
from reconciler.consumer.surroundings import Surroundings
from reconciler.model.errors import OverlayError, RefusedError, TransientError, UnreachableError, VerificationError
from reconciler.model.ids import Digest, IdentityKey, Kind, RecordId
from reconciler.model.json import JsonObject
from reconciler.model.observed import Answer
from reconciler.model.order import Sighting
from reconciler.observe.roots import SERVICE, LiveRoot, RootReadings, read_roots
from reconciler.wire.documents import RecordDocument, parse_record_document
from reconciler.wire.record import check
from reconciler.wire.state_root import Leaf, state_root
from reconciler.wire.uris import origin_fault

_MOST_STRANGERS: Final = 8
"""Hosts that are asked beside those of the network: anybody may advertise any number."""
_WITHIN: Final = 30.0
"""Seconds that a host has for all pages of an answer."""
_NAMED: Final = 5
"""Records that one sentence names."""


class Documents(Protocol):
    """Whoever has documents: a gateway or a host."""

    async def document(self, digest: Digest) -> bytes:
        """A document by its hash."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedCatalog:
    """What a producer publishes, proven: `records` is all that the root covers, by the hash of the record's document."""

    producer: IdentityKey
    root: LiveRoot
    records: Mapping[RecordId, Digest]
    gateway: str | None
    """The origin of the gateway, where one is known that has the key which the root names."""
    witnesses: tuple[str, ...]
    """Hosts other than the gateway that show this root."""
    doubts: tuple[str, ...]
    """One sentence each about who lags, lies, hides something or does not answer, by name."""
    at: int
    """When this was found, in unix seconds."""

    @property
    def generation(self) -> int:
        """The root's."""
        return self.root.document.generation

    @property
    def gateway_key(self) -> IdentityKey:
        """Whom the root names to sell for the producer."""
        return self.root.document.keys.gateway_key

    @property
    def previous(self) -> frozenset[IdentityKey]:
        """Identity keys that were rotated away and are still valid at `at` (PROTOCOL §10)."""
        return frozenset(key.key for key in self.root.document.keys.previous if key.until > self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Finds out. `witnesses` is how many hosts besides the gateway have to show the root."""

    surroundings: Surroundings
    books: Books
    clock: Callable[[], float]
    witnesses: int = 1

    async def catalog(self, where: str | IdentityKey) -> TrustedCatalog:
        """What the producer behind a gateway (its URL), or the one with an identity key, publishes.

        Raises VerificationError where something does not hold that the root decides: which is the live one, whose gateway
        this is, what it covers; UnreachableError where too few hosts answer to know it.
        """
        is_url = "://" in where
        gateway = self.gateway(where) if is_url else None
        claimed = None if gateway is None else await gateway.producer()
        producer = IdentityKey(where) if claimed is None else claimed.identity
        readings = await self._readings(producer, gateway)
        root = self._live(readings, producer)
        gateway, doubts = await self._gateway_of(root, gateway)
        if claimed is not None and gateway is not None and claimed.root != root.outpoint:
            doubts.append(
                f"{gateway.url} shows generation {claimed.generation} of {producer}, "
                f"and generation {root.document.generation} is live"
            )
        witnesses, hearsay = self._witnesses(readings, root, gateway)
        doubts += [*hearsay, *self._lagging(readings, root)]
        await self._check_memory(root, gateway)
        records, more = await self._records(root, gateway, witnesses)
        return TrustedCatalog(
            producer=producer,
            root=root,
            records=records,
            gateway=None if gateway is None else gateway.url,
            witnesses=witnesses,
            doubts=(*doubts, *readings.faults, *more),
            at=self._now(),
        )

    async def document(self, catalog: TrustedCatalog, record: RecordId) -> RecordDocument:
        """A record's document, whoever has it: the root says what it hashes to.

        Raises VerificationError for what the root does not cover, and the last failure where nobody has the document.
        """
        wanted = catalog.records.get(record)
        if wanted is None:
            raise VerificationError(
                f"the root of generation {catalog.generation} covers no {record}", where=str(record)
            )
        document = parse_record_document(await self._bytes(catalog, wanted))
        if document.id != record or document.producer not in {catalog.producer, *catalog.previous}:
            raise VerificationError(f"the document of {record} is that of {document.id} of {document.producer}")
        return document

    def gateway(self, url: str) -> GatewayClient:
        """The gateway at an origin. Raises RefusedError for what cannot be one."""
        origin = url.rstrip("/")
        fault = origin_fault(origin, plain_http=self.surroundings.plain_http)
        if fault is not None:
            raise RefusedError(f"{url!r} is no gateway's: it {fault}", where=url)
        return GatewayClient(self.surroundings.strangers, origin)

    async def _readings(self, producer: IdentityKey, gateway: GatewayClient | None) -> RootReadings:
        urls = [*self.surroundings.hosts, *([] if gateway is None else [gateway.url]), *await self._advertised()]
        hosts = {url: _Hurried(self._host(url)) for url in urls}
        return await read_roots(producer, hosts=hosts, verifier=self.surroundings.headers, now=self._now())

    async def _advertised(self) -> Sequence[str]:
        """Who says to keep catalogs; anybody may."""
        try:
            found = await self.surroundings.resolver.hosts_for(SERVICE)
        except UnreachableError:  # no tracker answers: there are the network's own hosts, and the gateway
            return ()
        return [url for url in found if url not in self.surroundings.hosts][:_MOST_STRANGERS]

    def _live(self, readings: RootReadings, producer: IdentityKey) -> LiveRoot:
        root = readings.newest
        if root is not None:
            return root
        if readings.faults:
            raise VerificationError(f"no host shows a root of {producer} that holds: {readings.faults[0]}")
        silent = [reading.host for reading in readings.readings if reading.answer is Answer.UNREACHABLE]
        if silent:
            raise UnreachableError(f"{silent[0]} does not answer, and nobody else shows a root of {producer}")
        raise VerificationError(f"no host shows a root of {producer}", hint="is this its network?")

    async def _gateway_of(
        self, root: LiveRoot, gateway: GatewayClient | None
    ) -> tuple[GatewayClient | None, list[str]]:
        """The gateway that the root names, held against the one that was asked. Raises VerificationError."""
        await self._check_network(root)
        keys = root.document.keys
        if gateway is None:
            return (None if keys.gateway_url is None else self.gateway(keys.gateway_url)), []
        if keys.gateway_url is None:
            return gateway, [f"the root names no gateway; {gateway.url} counts by its key alone"]
        if keys.gateway_url != gateway.url:
            raise VerificationError(
                f"{gateway.url} is not the gateway of {root.document.producer}, whose root names {keys.gateway_url}",
                where=gateway.url,
            )
        return gateway, []

    async def _check_network(self, root: LiveRoot) -> None:
        chain = await self.surroundings.headers.network_id()
        if root.document.network_id != chain:
            raise VerificationError(f"the root is of another chain, {root.document.network_id}", where=root.host)

    def _witnesses(
        self, readings: RootReadings, root: LiveRoot, gateway: GatewayClient | None
    ) -> tuple[tuple[str, ...], list[str]]:
        """Who shows this root besides the gateway, and what to say of them. Raises UnreachableError where too few do.

        Hosts of the network's own count. Where none of these keeps catalogs, strangers do: whoever has a gateway may have them, too.
        """
        own = None if gateway is None else urlsplit(gateway.url).hostname
        known = any(reading.host in self.surroundings.hosts for reading in readings.readings)
        showing = {
            reading.host
            for reading in readings.readings
            if reading.root == root.outpoint and (gateway is None or reading.host != gateway.url)
        }
        others = sorted(url for url in showing if own is None or self._is_other(url, own))
        counted = tuple(url for url in others if url in self.surroundings.hosts or not known)
        if len(counted) < self.witnesses:
            raise UnreachableError(
                f"{len(counted)} hosts besides the gateway show the root of {root.document.producer}, and "
                f"{self.witnesses} have to",
                hint="try again later; one host alone could show an old generation and nobody would know",
            )
        is_hearsay = bool(counted) and not known
        return counted, ["only hosts that strangers advertise show the root"] if is_hearsay else []

    def _is_other(self, url: str, own: str) -> bool:
        """On toy networks all are of this machine."""
        return self.surroundings.network.is_toy or urlsplit(url).hostname != own

    def _lagging(self, readings: RootReadings, root: LiveRoot) -> list[str]:
        said = []
        for reading in readings.readings:
            match reading.answer:
                case Answer.UNREACHABLE if not any(fault.startswith(reading.host) for fault in readings.faults):
                    said.append(f"{reading.host} does not answer")
                case Answer.NONE:
                    said.append(f"{reading.host} shows no root of {root.document.producer}")
                case Answer.ROOT if reading.root != root.outpoint:
                    said.append(f"{reading.host} shows {reading.root}, which is not the newest root")
        return said

    async def _check_memory(self, root: LiveRoot, gateway: GatewayClient | None) -> None:
        """Raises VerificationError where a later generation was seen here before."""
        document = root.document
        known = await self.books.sighting(document.producer)
        if known is not None and known.generation > document.generation:
            raise VerificationError(
                f"{root.host} shows generation {document.generation} of {document.producer}, and generation "
                f"{known.generation} was seen before",
                where=root.host,
                hint="an old state is shown; ask again later, or other hosts",
            )
        sighting = Sighting(
            producer=document.producer,
            generation=document.generation,
            root=str(root.outpoint),
            gateway=None if gateway is None else gateway.url,
            at=self._now(),
        )
        await self.books.see(sighting)

    async def _records(
        self, root: LiveRoot, gateway: GatewayClient | None, witnesses: Iterable[str]
    ) -> tuple[Mapping[RecordId, Digest], list[str]]:
        """A listing that adds up to the root, and who gave one that does not. Raises VerificationError where none does."""
        doubts: list[str] = []
        claimed: tuple[Leaf, ...] | None = None
        if gateway is not None:
            try:
                claimed = await gateway.catalog()
            except OverlayError as error:
                doubts.append(f"the catalog of {gateway.url} is not to be had: {error.message}")
            if claimed is not None and _adds_up(claimed, root):
                return _by_id(claimed), doubts
        for url in witnesses:
            try:
                listed = await self._listed(url, root)
            except OverlayError as error:
                doubts.append(f"{url} does not list its records: {error.message}")
                continue
            if _adds_up(listed, root):
                if claimed is not None and gateway is not None:
                    doubts += _differences(gateway.url, claimed, listed)
                return _by_id(listed), doubts
            doubts.append(
                f"{url} lists {len(listed)} records, and the root commits to {root.document.leaf_count} or to others"
            )
        if claimed is not None and gateway is not None:
            doubts.append(
                f"{gateway.url} shows {len(claimed)} records, and the root commits to {root.document.leaf_count} or others"
            )
        raise VerificationError(
            f"nobody gives a catalog that adds up to the root of generation {root.document.generation}: "
            + "; ".join(doubts or ["nobody was there to ask"]),
            hint="records are hidden or added, or the producer is publishing: try again",
        )

    async def _listed(self, url: str, root: LiveRoot) -> tuple[Leaf, ...]:
        """The records of this producer that a host shows, one for each name: the one of the root's own set, where there are two."""
        host = _Hurried(self._host(url))
        found: dict[RecordId, tuple[bool, Leaf]] = {}
        spent = {each.outpoint for each in root.transaction.inputs}
        current = {root.outpoint.txid, *(outpoint.txid for outpoint in spent)}
        identities = {root.document.producer, *(key.key for key in root.document.keys.previous)}
        for output in await host.lookup(SERVICE, {"producer": root.document.producer}):
            token = check(output.transaction, output.outpoint.vout)
            if token.identity not in identities or token.id.kind is Kind.PRODUCER or output.outpoint in spent:
                continue
            is_new = output.outpoint.txid in current
            if token.id not in found or is_new > found[token.id][0]:
                found[token.id] = is_new, Leaf(token.id, token.anchor.document_hash)
        return tuple(leaf for _, leaf in found.values())

    async def _bytes(self, catalog: TrustedCatalog, wanted: Digest) -> bytes:
        failure: OverlayError = UnreachableError("there is nobody to ask for the document", where=wanted)
        gateway = () if catalog.gateway is None else (self.gateway(catalog.gateway),)
        asked: tuple[Documents, ...] = (*gateway, *map(self._host, catalog.witnesses))
        for each in asked:
            try:
                return await each.document(wanted)
            except (RefusedError, TransientError) as error:
                failure = error
        raise failure

    def _host(self, url: str) -> HostClient:
        return self.surroundings.hosts.get(url) or HostClient(self.surroundings.strangers, url)

    def _now(self) -> int:
        return int(self.clock())


@dataclass(frozen=True, slots=True)
class _Hurried:
    """Satisfies observe.roots.CatalogHost: one that has so long, and no longer, for all of an answer."""

    host: HostClient

    async def services(self) -> frozenset[str]:
        """See CatalogHost."""
        async with _in_time(self.host.url):
            return await self.host.services()

    async def lookup(self, service: str, query: JsonObject) -> Sequence[FoundOutput]:
        """See CatalogHost."""
        async with _in_time(self.host.url):
            return await self.host.lookup(service, query)


@asynccontextmanager
async def _in_time(url: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_WITHIN):
            yield
    except TimeoutError as error:
        raise UnreachableError(f"{url} does not come to an end", where=url) from error


def _by_id(leaves: Iterable[Leaf]) -> dict[RecordId, Digest]:
    return {leaf.id: leaf.document_hash for leaf in sorted(leaves, key=lambda leaf: leaf.id)}


def _adds_up(leaves: tuple[Leaf, ...], root: LiveRoot) -> bool:
    if len(leaves) != root.document.leaf_count or len({leaf.id for leaf in leaves}) != len(leaves):
        return False
    return state_root(leaves) == root.document.state_root


def _differences(who: str, shown: Iterable[Leaf], real: Iterable[Leaf]) -> list[str]:
    """What a catalog hides, adds and shows otherwise, against one that adds up."""
    theirs, proven = _by_id(shown), _by_id(real)
    kinds = (
        ("hides", proven.keys() - theirs.keys()),
        ("adds", theirs.keys() - proven.keys()),
        ("shows another version of", {name for name in proven.keys() & theirs.keys() if proven[name] != theirs[name]}),
    )
    return [f"{who} {what} {_named(names)}" for what, names in kinds if names]


def _named(names: Iterable[RecordId]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _NAMED
    return ", ".join(map(str, ordered[:_NAMED])) + (f" and {more} more" if more > 0 else "")
