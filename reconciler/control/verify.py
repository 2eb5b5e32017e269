"""What the world shows of a producer, held against what is recorded: root, records, advertisements, and the gateway's tills."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.payment import charge_of
from reconciler.control.doctor import Check, checked
from reconciler.control.world import World
from reconciler.model.errors import RefusedError, StateError, UnreachableError, VerificationError
from reconciler.model.ids import IdentityKey, Kind, RecordId
from reconciler.model.json import Json, JsonObject
from reconciler.model.observed import Answer, ListedAd, ObservedRoot
from reconciler.model.payment import PaymentMethod
from reconciler.observe.ads import read_ads
from reconciler.observe.catalog import read_records
from reconciler.observe.roots import LiveRoot, RootReadings, read_roots
from reconciler.wire.conversation import Signer
from reconciler.wire.http import Http, Reply, object_of
from reconciler.wire.http import checked as answered

_NOBODY: Final = "0" * 64
"""A transaction that nobody has made."""
_JSON: Final = {"content-type": "application/json"}
_APPLY: Final = "run `overlay apply`: it tells hosts again what they lack"
_SERVE: Final = "run `overlay serve` where the gateway's URL leads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """One producer, looked at from outside at `now` (unix seconds)."""

    world: World
    identity: IdentityKey
    recorded: ObservedRoot | None
    """What this machine has recorded as live; None where it has nothing."""
    visitor: Signer
    """In whose name the gateway is asked, as a stranger would."""
    now: int

    async def read(self) -> tuple[RootReadings, LiveRoot]:
        """Which root each host that is not ours shows, and the newest. Raises StateError where none shows any."""
        readings = await read_roots(self.identity, hosts=self.world.outside, verifier=self.world.headers, now=self.now)
        if readings.newest is None:
            raise StateError(
                f"no host shows a root of {self.identity}",
                hint="run `overlay apply`, or name the right key and network",
            )
        return readings, readings.newest

    async def published(self, readings: RootReadings, live: LiveRoot) -> list[Check]:
        """Whether every host shows the root that is recorded, and every record that it covers."""
        found = [await checked("recorded", self._recorded(live), hint="run `overlay status`")]
        found += [
            await checked(f"host {reading.host}", self._host(reading.host, reading.answer, readings, live), hint=_APPLY)
            for reading in readings.readings
        ]
        found += [Check(name="host", ok=False, detail=fault, hint=_APPLY) for fault in readings.faults]
        return found

    async def advertisements(self, live: LiveRoot) -> list[Check]:
        """Whether every tracker leads to the gateway, and the gateway is there, as the key that the root names."""
        ads = await read_ads(
            self.identity,
            hosts=self.world.outside,
            verifier=self.world.headers,
            now=self.now,
            plain_http=self.world.network.is_toy,
        )
        listed = [ListedAd(protocol=ad.protocol, name=ad.name, url=ad.url) for ad in live.document.ads]
        found = [Check(name="tracker", ok=False, detail=doubt, hint=_APPLY) for doubt in ads.doubts]
        for tracker in sorted(ads.trackers):
            shown = {
                ListedAd(protocol=ad.found.protocol, name=ad.found.name, url=ad.found.url)
                for ad in ads.ads
                if ad.tracker == tracker
            }
            found.append(await checked(f"tracker {tracker}", _indexed(listed, shown), hint=_APPLY))
        if live.document.keys.gateway_url is not None:
            found.append(await checked("gateway", self._greeted(live), hint=_SERVE))
        return found

    async def payment_endpoints(self, live: LiveRoot) -> list[Check]:
        """Whether a stranger is quoted a price, asked for exactly that, and may ask for receipts. Nothing is paid."""
        url = live.document.keys.gateway_url
        if url is None:
            return [Check(name="gateway", ok=False, detail="the root names no gateway", hint="Producer.gateway.url")]
        till = self._till(live, url)
        try:
            quote = await till.quote()
        except (UnreachableError, RefusedError, VerificationError, StateError) as error:
            return [Check(name="quote", ok=False, detail=error.message, hint=error.hint or _SERVE)]
        asks: list[tuple[str, Awaitable[str]]] = [
            ("challenge", till.challenge(quote)),
            ("receipts", till.receipts()),
            *([("template", till.template(quote))] if PaymentMethod.NATIVE in quote.methods else []),
        ]
        made = [Check(name="quote", ok=True, detail=quote.text)]
        return made + list(await asyncio.gather(*(checked(name, work, hint=_SERVE) for name, work in asks)))

    async def for_sale(self, live: LiveRoot) -> RecordId:
        """The first dataset that has a price. Raises StateError where there is none, or no gateway; UnreachableError."""
        url = live.document.keys.gateway_url
        if url is None:
            raise StateError("the root names no gateway", hint="Producer.gateway.url")
        return RecordId(Kind.DATASET, await self._till(live, url).priced())

    def _till(self, live: LiveRoot, url: str) -> _Till:
        return _Till(self._door(live, url), self.world.http, url, live.document.keys.gateway_key, self.now)

    async def _recorded(self, live: LiveRoot) -> str:
        document, recorded = live.document, self.recorded
        said = f"generation {document.generation}, {live.outpoint}"
        if recorded is None:
            return f"{said}; nothing is recorded here"
        if recorded.record.outpoint != live.outpoint:
            raise StateError(
                f"generation {recorded.generation} is recorded as live, hosts show {said}",
                hint="another machine may have applied; `overlay status` and `overlay plan` look again",
            )
        if recorded.gateway_key != document.keys.gateway_key:
            raise StateError("the gateway's key is recorded otherwise than the root names it")
        return said

    async def _host(self, url: str, answer: Answer, readings: RootReadings, live: LiveRoot) -> str:
        match answer:
            case Answer.UNREACHABLE:
                raise UnreachableError("it does not say what it has")
            case Answer.NONE:
                raise StateError("it knows of nothing of this identity")
        root = next(reading.root for reading in readings.readings if reading.host == url)
        if root != live.outpoint:
            raise StateError(f"it shows the root {root}, which is not the newest")
        records, _ = await read_records(
            live,
            host=self.world.outside[url],
            opened=lambda _: {},
            lineage=readings.lineage,
            verifier=self.world.headers,
            now=self.now,
        )
        return f"shows generation {live.document.generation} and {every(len(records), 'record')} of it"

    async def _greeted(self, live: LiveRoot) -> str:
        url = str(live.document.keys.gateway_url)
        reply = answered(await self._door(live, url).request("GET", f"{url}/v1/whoami"))
        own = object_of(answered(await self.world.http.request("GET", f"{url}/v1/producer")))
        if own.get("identityKey") != self.identity:
            raise StateError(f"{url} serves another producer, {own.get('identityKey')}")
        if own.get("generation") != live.document.generation:
            raise StateError(f"{url} is at generation {own.get('generation')}, {live.document.generation} is live")
        return f"{reply.url.removesuffix('/v1/whoami')} answers, as {live.document.keys.gateway_key}"

    def _door(self, live: LiveRoot, url: str) -> AuthenticatedHttp:
        return AuthenticatedHttp(self.world.http, self.visitor, servers={url: live.document.keys.gateway_key})


def every(count: int, noun: str) -> str:
    """`all 3 records`, `the one record`, `no record`."""
    few = (f"no {noun}", f"the one {noun}")
    return few[count] if count < len(few) else f"all {count:,} {noun}s"


async def _indexed(listed: list[ListedAd], shown: set[ListedAd]) -> str:
    missing = [f"{ad.protocol} {ad.name}" for ad in listed if ad not in shown]
    if missing:
        raise StateError(f"it does not list {', '.join(missing)}: nobody who asks it is led here")
    stale = sorted(f"{ad.protocol} {ad.name} at {ad.url}" for ad in shown.difference(listed))
    more = f"; also {', '.join(stale)}, which the root does not list" if stale else ""
    return f"lists {every(len(listed), 'advertisement')}{more}"


@dataclass(frozen=True, slots=True)
class _Quote:
    """What the gateway asks for one good."""

    record: str
    name: str
    satoshis: int
    document: JsonObject

    @property
    def methods(self) -> tuple[str, ...]:
        found = self.document.get("methods")
        return tuple(str(each.get("method")) for each in _mappings(found))

    @property
    def text(self) -> str:
        return f"{self.satoshis:,} sat for {self.record}, by {', '.join(self.methods)}"


@dataclass(frozen=True, slots=True)
class _Till:
    """The routes of a gateway that money goes through, asked as a stranger."""

    door: AuthenticatedHttp
    plain: Http
    url: str
    gateway: IdentityKey
    now: int

    async def quote(self) -> _Quote:
        """The price of the first dataset that has one. Raises StateError where none has."""
        name = await self.priced()
        quote = object_of(answered(await self._post("/v1/quotes", {"kind": "dataset", "name": name})))
        satoshis, expires = quote.get("satoshis"), quote.get("expires")
        if type(satoshis) is not int or satoshis < 1:
            raise VerificationError(f"the quote for {name} says {satoshis!r} satoshis")
        if quote.get("recipient") != self.gateway:
            raise VerificationError(
                f"the quote for {name} is to be paid to {quote.get('recipient')!r}, not to the gateway"
            )
        if type(expires) is not int or expires <= self.now:
            raise VerificationError(f"the quote for {name} has expired when it is made")
        made = _Quote(f"dataset/{name}", name, satoshis, quote)
        if not made.methods:
            raise VerificationError(
                f"dataset/{name} has a price, and no way to pay it", hint="see PaymentRule.http and PaymentRule.native"
            )
        return made

    async def challenge(self, quote: _Quote) -> str:
        """Whether whoever asks for the good without paying is told exactly the quoted price (BRC-105)."""
        reply = await self._post(f"/v1/datasets/{quote.name}/access", {})
        if reply.status != 402:
            raise VerificationError(f"asked for what is sold, it answers {reply.status} and not 402")
        if PaymentMethod.BRC105 not in quote.methods:
            return "402, and no payment within a request, as quoted"
        charge = charge_of(reply.headers)
        if charge.satoshis != quote.satoshis:
            raise VerificationError(f"it asks for {charge.satoshis:,} satoshis, and has quoted {quote.satoshis:,}")
        if charge.recipient != self.gateway:
            raise VerificationError("what it asks for is to be paid to another key than the gateway's")
        return f"402 asks for {charge.satoshis:,} sat, as quoted"

    async def receipts(self) -> str:
        """Whether receipts are there for whoever says who he is, and none for a payment that nobody has made."""
        url = f"{self.url}/v1/receipts?txid={_NOBODY}"
        anonymous = await self.plain.request("GET", url)
        if anonymous.status != 401:
            raise VerificationError(f"asked for receipts by nobody, it answers {anonymous.status} and not 401")
        reply = await self.door.request("GET", url)
        if reply.status != 404:
            raise VerificationError(f"asked for a payment that nobody has made, it answers {reply.status} and not 404")
        return "are for their buyers: 401 for nobody, 404 for a payment that was not made"

    async def template(self, quote: _Quote) -> str:
        """Whether the template of a native payment adds up to the quote."""
        wanted = {name: quote.document.get(name) for name in ("id", "kind", "name", "quantity", "satoshis")}
        reply = answered(await self._post("/v1/payments/templates", {"quote": wanted}))
        outputs = _mappings(object_of(reply).get("outputs"))
        total = sum(amount for each in outputs if type(amount := each.get("satoshis")) is int)
        if total != quote.satoshis:
            raise VerificationError(f"its outputs add up to {total:,} satoshis, {quote.satoshis:,} were quoted")
        return f"{len(outputs)} outputs add up to {total:,} sat"

    async def priced(self) -> str:
        """The name of the first dataset that has a price. Raises StateError where none has."""
        cursor: Json = ""
        while isinstance(cursor, str):
            path = f"{self.url}/v1/catalog?kind=dataset&limit=500" + (f"&cursor={cursor}" if cursor else "")
            page = object_of(answered(await self.door.request("GET", path)))
            for record in _mappings(page.get("records")):
                price, name = record.get("price"), record.get("name")
                if isinstance(price, Mapping) and price.get("satoshis") and isinstance(name, str):
                    return name
            cursor = page.get("next")
        raise StateError("no dataset has a price: there is nothing to be paid for", hint="give one a price")

    async def _post(self, path: str, body: JsonObject) -> Reply:
        content = json.dumps(body, separators=(",", ":")).encode()
        return await self.door.request("POST", f"{self.url}{path}", headers=_JSON, content=content)


def _mappings(value: Json) -> list[JsonObject]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []
