"""Other hosts, found by configuration and by SHIP (BRC-88), and everything a host of ours asks of them. Satisfies host.ports.Peers.

An advertisement is a stranger's word. It counts if its transaction holds; it is followed to https origins alone, never to
ourselves, and through a door that leads to no private network. Toy worlds live on this machine, and have no such strangers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from reconciler.clients.gasp import GaspClient
from reconciler.clients.host import HostClient
from reconciler.clients.trackers import FoundAd, Tracker
from reconciler.model.errors import OverlayError, RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Digest
from reconciler.wire.gasp import ListAnswer, ListRequest, Node, NodeRequest
from reconciler.wire.http import Http
from reconciler.wire.spv import Verifier
from reconciler.wire.submission import Admittance, Submission
from reconciler.wire.uris import origin_fault

_ADS: Final = 64
"""Advertisements of one topic that are looked into, of each tracker."""

_FRESH: Final = 60.0
"""Seconds for which an answer of the trackers is good."""


class PeerClient:
    """One host. Raises RefusedError where it says no, UnreachableError where it fails or talks nonsense."""

    def __init__(self, http: Http, url: str) -> None:
        self._host = HostClient(http, url)
        self._gasp = GaspClient(http, url)
        self.url = self._host.url

    async def submit(self, submission: Submission) -> Mapping[str, Admittance]:
        """See HostClient.submit."""
        return await self._host.submit(submission)

    async def listed(self, topic: str, request: ListRequest) -> ListAnswer:
        """See GaspClient.listed."""
        return await self._gasp.listed(topic, request)

    async def node(self, request: NodeRequest) -> Node:
        """See GaspClient.node."""
        return await self._gasp.node(request)

    async def document(self, digest: Digest) -> bytes:
        """See HostClient.document."""
        return await self._host.document(digest)


@dataclass(slots=True)
class _Answer:
    """What the trackers said of one topic, and when."""

    at: float
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The hosts that one of ours knows.

    `hosts` are those of the configuration, which are trackers as well if they keep advertisements; `own` gives the
    origins by which others know us. Strangers are spoken to through `strangers`, a door to public addresses alone, unless `toy`.
    """

    http: Http
    strangers: Http
    hosts: Sequence[str]
    own: Callable[[], Awaitable[Collection[str]]]
    verifier: Verifier
    clock: Callable[[], float]
    toy: bool = False
    answers: dict[str, _Answer] = field(default_factory=dict)

    async def advertised(self, topic: str) -> tuple[str, ...]:
        """Those that advertise a topic, in no order that means anything. Raises UnreachableError where no tracker answers."""
        known = self.answers.get(topic)
        if known is None or self.clock() - known.at >= _FRESH:
            known = self.answers[topic] = _Answer(self.clock(), await self._ask(topic))
        return known.urls

    async def known(self, topic: str) -> tuple[str, ...]:
        """The same, and the hosts of the configuration, which come first. Never raises: these are known without trackers."""
        try:
            advertised = await self.advertised(topic)
        except (UnreachableError, RefusedError):
            advertised = ()
        return tuple(dict.fromkeys([*await self._others(self.hosts), *advertised]))

    def at(self, url: str) -> PeerClient:
        """The host at an origin."""
        return PeerClient(self.http if self.toy or url in self.hosts else self.strangers, url)

    async def _ask(self, topic: str) -> tuple[str, ...]:
        trackers = [Tracker(HostClient(self.http, url), plain_http=self.toy) for url in await self._others(self.hosts)]
        answers = await asyncio.gather(*(_said(tracker, topic) for tracker in trackers))
        heard = [answer for answer in answers if not isinstance(answer, OverlayError)]
        failures = [answer for answer in answers if isinstance(answer, UnreachableError)]
        if failures and not heard:
            raise failures[0]
        ads = [ad for found in heard for ad in found if origin_fault(ad.url, plain_http=self.toy) is None]
        urls = dict.fromkeys([ad.url for ad in ads if await self._holds(ad)])
        return await self._others(urls)

    async def _holds(self, ad: FoundAd) -> bool:
        try:
            await self.verifier.verified(ad.beef, ad.outpoint.txid, now=int(self.clock()))
        except VerificationError:
            return False
        return True

    async def _others(self, urls: Collection[str]) -> tuple[str, ...]:
        own = await self.own()
        return tuple(url for url in urls if url not in own)


async def _said(tracker: Tracker, topic: str) -> Sequence[FoundAd] | RefusedError | UnreachableError:
    """What a tracker says; one that is none, or does not answer, is for the caller to make up for."""
    try:
        return (await tracker.hosts_for(topic))[:_ADS]
    except (RefusedError, UnreachableError) as error:
        return error
