"""Who keeps a topic, who answers a look-up service (SHIP and SLAP, BRC-88), and what all of them answer together.

Trackers are strangers, and so is everybody that they name: advertisements are believed by key and signature, and by SPV where
a verifier is at hand; hosts are asked through a door that leads to no private network (clients.http), and are remembered by
how they behave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from reconciler.clients.reputations import Reputations
from reconciler.clients.survey import Answers, HostAnswer, LookupHost, Verdict, survey
from reconciler.clients.trackers import SERVICES, FoundAd, Tracker, TrackerHost
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.json import JsonObject
from reconciler.wire.advertisement import PREFIXES
from reconciler.wire.spv import Verifier

_NAMES: Final = 128
"""Topics and services that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long things are waited for and believed, in seconds."""

    tracker: float = 10.0
    """For all of a tracker's answer; the field has slow ones (WIRE §4.2)."""
    host: float = 30.0
    grace: float = 0.5
    """For the others, once one has given something."""
    fresh: float = 300.0
    """As long a known host is used without another question."""
    stale: float = 3600.0
    """As long it is used while another question is on its way."""
    doubtful: float = 10.0
    """In place of `fresh`, where no tracker, or not every one, knew of anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Who was found for a name, and when."""

    urls: tuple[str, ...]
    at: float
    fresh: float


@dataclass(slots=True)
class _Round:
    """All trackers are being asked about one name; whoever wants to know goes on at `enough`."""

    enough: asyncio.Event = field(default_factory=asyncio.Event)
    urls: dict[str, None] = field(default_factory=dict)
    fault: str = "the question was called off"
    """Why nobody is known; empty once a tracker has answered."""


class Resolver:
    """Finds hosts by `trackers` (by URL), and asks them; `host` makes a client of a URL that a tracker has named.

    Hosts `besides` (by URL) are asked about every service, whether or not they advertise it. `clock` gives unix seconds. `plain_http` is for toy networks, where hosts may be of this machine. `most` hosts are asked a
    question, the best first: a stranger may advertise any number. Used as a context, which ends what is still on its way.
    """

    def __init__(
        self,
        trackers: Mapping[str, TrackerHost],
        *,
        host: Callable[[str], LookupHost],
        besides: Mapping[str, LookupHost] | None = None,
        reputations: Reputations,
        clock: Callable[[], float],
        verifier: Verifier | None = None,
        plain_http: bool = False,
        patience: Patience = Patience(),
        most: int = 16,
    ) -> None:
        self._trackers = dict(trackers)
        self._host = host
        self._besides = dict(besides or {})
        self._reputations = reputations
        self._clock = clock
        self._verifier = verifier
        self._plain_http = plain_http
        self._patience = patience
        self._most = most
        self._known: dict[str, _Known] = {}
        self._rounds: dict[str, _Round] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await self.settled()

    async def settled(self) -> None:
        """When every tracker that was asked has answered, or had its time."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def hosts_for(self, name: str) -> tuple[str, ...]:
        """URLs of those who advertise a topic (`tm_…`) or look-up service (`ls_…`), whether or not they rest.

        What is known is given at once, and asked again where it is old. Raises UnreachableError where nothing is known and no
        tracker answers, ValueError for a name that is neither.
        """
        if not name.startswith(tuple(PREFIXES.values())):
            raise ValueError(f"neither a topic nor a look-up service: {name!r}")
        known, now = self._known.get(name), self._clock()
        if known is not None and now < known.at + known.fresh:
            return known.urls
        asking = self._rounds.get(name) or self._ask_trackers(name)
        if known is not None and now < known.at + self._patience.stale and known.urls:
            return known.urls
        await asking.enough.wait()
        if asking.fault:
            raise UnreachableError(f"who serves {name} is not known: {asking.fault}", where=name)
        return tuple(asking.urls)

    async def lookup(self, service: str, query: JsonObject) -> Answers:
        """Ask those who serve it, all at once.

        Raises UnreachableError where nobody is known to, or nobody answers: then nothing is known, and *none* would be a lie.
        """
        hosts = await self._serving(service)
        asked = self._reputations.awake(hosts)[: self._most]
        if not asked:
            raise UnreachableError(f"no tracker knows anybody who serves {service}", where=service)
        answers = await survey(
            {url: hosts[url] for url in asked},
            service,
            query,
            now=int(self._clock()),
            verifier=self._verifier,
            within=self._patience.host,
            grace=self._patience.grace,
        )
        self._remember(answers.by_host)
        if not answers.is_known:
            (url, answer), *_ = answers.by_host.items()
            raise UnreachableError(f"nobody answers {service}: {url}: {answer.detail}", where=service)
        return answers

    async def _serving(self, service: str) -> Mapping[str, LookupHost]:
        """Whom to ask, by URL: trackers themselves for what trackers keep."""
        if service in SERVICES.values():
            return self._trackers
        try:
            found = await self.hosts_for(service)
        except UnreachableError:
            if not self._besides:
                raise
            found = ()
        return {**{url: self._host(url) for url in found if url not in self._besides}, **self._besides}

    def _remember(self, answers: Mapping[str, HostAnswer]) -> None:
        for url, answer in answers.items():
            match answer.verdict:
                case Verdict.LYING:
                    self._reputations.lied(url)
                case Verdict.SILENT:
                    self._reputations.silent(url)
                case Verdict.ANSWERED | Verdict.LAGGING | Verdict.REFUSED:
                    self._reputations.answered(url, answer.seconds)

    def _ask_trackers(self, name: str) -> _Round:
        asking = self._rounds[name] = _Round()
        task = asyncio.ensure_future(self._round(name, asking))
        self._tasks.add(task)

        def end(done: asyncio.Task[None]) -> None:  # also of a task that was called off before it began
            self._tasks.discard(done)
            del self._rounds[name]
            asking.enough.set()

        task.add_done_callback(end)
        return asking

    async def _round(self, name: str, asking: _Round) -> None:
        """Ask every tracker. Whoever waits goes on a little after the first that knows somebody; the others add to it."""
        loop = asyncio.get_running_loop()
        answered = 0
        if not self._trackers:
            asking.fault = "there is no tracker"
        asks = [asyncio.ensure_future(self._ask_tracker(url, name)) for url in self._trackers]
        try:
            for ask in asyncio.as_completed(asks):
                found = await ask
                if isinstance(found, str):
                    asking.fault = found if not answered else ""
                    continue
                answered, asking.fault = answered + 1, ""
                if found and not asking.urls:
                    loop.call_later(self._patience.grace, asking.enough.set)
                asking.urls.update(dict.fromkeys(found))
                self._know(name, asking, is_whole=answered == len(asks))
        finally:
            for each in asks:
                each.cancel()
            await asyncio.gather(*asks, return_exceptions=True)

    async def _ask_tracker(self, url: str, name: str) -> tuple[str, ...] | str:
        """The hosts that a tracker names, or why it names none."""
        tracker = Tracker(self._trackers[url], plain_http=self._plain_http)
        begun = self._clock()
        try:
            async with asyncio.timeout(self._patience.tracker):
                ads = await tracker.hosts_for(name)
        except (UnreachableError, TimeoutError) as error:
            self._reputations.silent(url)
            return error.message if isinstance(error, UnreachableError) else f"{url} does not come to an end"
        except RefusedError as error:
            return error.message
        self._reputations.answered(url, self._clock() - begun)
        try:
            return tuple(
                dict.fromkeys([ad.url.rstrip("/") for ad in ads if self._is_usable(ad) and await self._holds(ad)])
            )
        except UnreachableError as error:  # the chain's headers
            return error.message

    def _is_usable(self, ad: FoundAd) -> bool:
        """Whether we speak what it is advertised by; other schemes are for other clients."""
        return ad.url.startswith("https://") or (self._plain_http and ad.url.startswith("http://"))

    async def _holds(self, ad: FoundAd) -> bool:
        if self._verifier is None:
            return True
        try:
            await self._verifier.verified(ad.beef, ad.outpoint.txid, now=int(self._clock()))
        except VerificationError:
            return False
        return True

    def _know(self, name: str, asking: _Round, *, is_whole: bool) -> None:
        """Who was known before is kept until every tracker has answered."""
        before = self._known.pop(name, None)
        urls = dict.fromkeys((*asking.urls, *(before.urls if before and not is_whole else ())))
        fresh = self._patience.fresh if is_whole and urls else self._patience.doubtful
        self._known[name] = _Known(urls=tuple(urls), at=self._clock(), fresh=fresh)
        if len(self._known) > _NAMES:
            del self._known[next(iter(self._known))]
