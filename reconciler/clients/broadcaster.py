"""Taking a transaction to everybody who wants its topics (BRC-22, by SHIP), and what they say they did with it.

Each host is sent the topics that it advertises and lists: one unknown topic fails a whole submit (PROTOCOL §4). An empty STEAK
means *unknown*: the reference answers so to a duplicate. A look-up then decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from reconciler.clients.reputations import Reputations
from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.ids import Outpoint, Txid
from reconciler.model.json import JsonObject
from reconciler.wire.submission import Admittance, Submission

_WITHIN: Final = 60.0
"""Seconds that a host has for all that it is asked."""


class TopicHost(Protocol):
    """A host (`clients.host.HostClient`), as far as broadcasting needs it."""

    async def topics(self) -> frozenset[str]:
        """The topics that it lists."""
        ...

    async def submit(self, submission: Submission) -> Mapping[str, Admittance]:
        """BRC-22."""
        ...

    async def outpoints(self, service: str, query: JsonObject) -> frozenset[Outpoint]:
        """BRC-24: which outputs it finds."""
        ...


class Finder(Protocol):
    """Who advertises a topic (`clients.resolver.Resolver`)."""

    async def hosts_for(self, name: str) -> tuple[str, ...]:
        """URLs. Raises UnreachableError."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """What to look up to learn whether a host keeps something of a transaction in a topic."""

    service: str
    query: JsonObject


class Standing(StrEnum):
    """How a broadcast went at one host."""

    ACKNOWLEDGED = "acknowledged"
    """It names what it admitted, retained or removed; or it shows outputs of the transaction."""
    UNKNOWN = "unknown"
    """It took the transaction and does not say what it did with it."""
    UNLISTED = "unlisted"
    """It advertises topics that it does not list: it was sent nothing."""
    REFUSED = "refused"
    SILENT = "silent"
    RESTING = "resting"
    """It was not asked: it failed too often lately, or there are better ones enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResult:
    """What one host did."""

    standing: Standing
    topics: frozenset[str]
    """That it was to get."""
    acknowledged: frozenset[str] = frozenset()
    steak: Mapping[str, Admittance] = field(default_factory=dict)
    detail: str = ""


class Some(StrEnum):
    """Which of the topics that a host was to get it has to acknowledge."""

    ALL = "all"
    ANY = "any"


Topics: TypeAlias = Some | frozenset[str]
"""Topics that have to be acknowledged, by name or as many of those sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Whose acknowledgement makes a broadcast good; each part that is there has to be met."""

    by_all: Topics | None = None
    """By every host that was found."""
    by_any: Topics | None = Some.ALL
    """By at least one, which alone keeps them all."""
    by: Mapping[str, Topics] = field(default_factory=dict)
    """By these, by URL."""

    def unmet(self, topics: frozenset[str], hosts: Mapping[str, HostResult]) -> tuple[str, ...]:
        """What is missing, in words; empty where the broadcast is good. `topics` are those of the transaction."""
        missing = []
        if self.by_any is not None and not any(_meets(host, self.by_any, topics) for host in hosts.values()):
            missing.append(f"no host acknowledges {_named(self.by_any, topics)}")
        for url, host in hosts.items():
            if self.by_all is not None and not _meets(host, self.by_all, host.topics):
                missing.append(f"{url} does not acknowledge {_named(self.by_all, host.topics)}")
        for url, wanted in self.by.items():
            if url not in hosts or not _meets(hosts[url], wanted, topics):
                missing.append(f"{url} does not acknowledge {_named(wanted, topics)}")
        return tuple(dict.fromkeys(missing))


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """How it went at every host that was found, and what the policy misses."""

    hosts: Mapping[str, HostResult]
    unmet: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the policy is met."""
        return not self.unmet


class TopicBroadcaster:
    """Finds hosts with `finder`; `host` makes a client of a URL that a stranger has set (see clients.resolver).

    At most `most` hosts are sent a transaction, the best first: a stranger may advertise any number.
    """

    def __init__(
        self,
        finder: Finder,
        *,
        host: Callable[[str], TopicHost],
        reputations: Reputations,
        policy: Policy = Policy(),
        within: float = _WITHIN,
        most: int = 64,
    ) -> None:
        self._finder = finder
        self._host = host
        self._reputations = reputations
        self._policy = policy
        self._within = within
        self._most = most

    async def broadcast(
        self,
        submission: Submission,
        *,
        txid: Txid,
        questions: Mapping[str, Question] | None = None,
        besides: Iterable[str] = (),
    ) -> Broadcast:
        """Send to all hosts that want any of the submission's topics, at once, and to those `besides`, which want all.

        `txid` is the subject's. `questions`, by topic, confirm what a STEAK leaves open. Raises UnreachableError where no
        tracker answers who wants a topic, and nobody else is named.
        """
        wanted = await self._interested(submission.topics, tuple(besides))
        asked = {*self._reputations.awake(wanted)[: self._most]}
        tries = (
            self._deliver(url, replace(submission, topics=topics), txid, questions or {})
            if url in asked
            else _resting(topics)
            for url, topics in wanted.items()
        )
        hosts = dict(zip(wanted, await asyncio.gather(*tries), strict=True))
        return Broadcast(hosts=hosts, unmet=self._policy.unmet(frozenset(submission.topics), hosts))

    async def _interested(self, topics: tuple[str, ...], besides: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Topics by host, in the submission's order."""
        found = await asyncio.gather(*(self._finder.hosts_for(topic) for topic in topics), return_exceptions=True)
        hosts: dict[str, list[str]] = {url: [*topics] for url in besides}
        for topic, urls in zip(topics, found, strict=True):
            if isinstance(urls, BaseException):
                if besides and isinstance(urls, UnreachableError):
                    continue
                raise urls
            for url in urls:
                hosts.setdefault(url, [])
                if topic not in hosts[url]:
                    hosts[url].append(topic)
        return {url: tuple(names) for url, names in hosts.items()}

    async def _deliver(
        self, url: str, submission: Submission, txid: Txid, questions: Mapping[str, Question]
    ) -> HostResult:
        """Submit what the host lists; errors become its standing."""
        topics = frozenset(submission.topics)
        time = asyncio.get_running_loop().time
        begun = time()
        try:
            async with asyncio.timeout(self._within):
                delivery = await _submit(self._host(url), submission, txid, questions)
        except RefusedError as error:
            self._reputations.answered(url, time() - begun)
            return HostResult(standing=Standing.REFUSED, topics=topics, detail=error.message)
        except (UnreachableError, TimeoutError) as error:
            self._reputations.silent(url)
            detail = error.message if isinstance(error, UnreachableError) else "it did not come to an end"
            return HostResult(standing=Standing.SILENT, topics=topics, detail=detail)
        self._reputations.answered(url, time() - begun)
        return delivery


async def _submit(host: TopicHost, submission: Submission, txid: Txid, questions: Mapping[str, Question]) -> HostResult:
    wanted = frozenset(submission.topics)
    listed = await host.topics()
    topics = tuple(topic for topic in submission.topics if topic in listed)
    if not topics:
        return HostResult(standing=Standing.UNLISTED, topics=wanted, detail="it lists none of these topics")
    steak = await host.submit(replace(submission, topics=topics))
    acknowledged = {topic for topic, did in steak.items() if did.outputs or did.retained or did.removed}
    for topic in topics:
        if topic not in acknowledged and topic in questions and await _shows(host, questions[topic], txid):
            acknowledged.add(topic)
    standing = Standing.ACKNOWLEDGED if acknowledged else Standing.UNKNOWN
    detail = "" if acknowledged else "it took the transaction and does not say what it did with it"
    return HostResult(
        standing=standing, topics=wanted, acknowledged=frozenset(acknowledged), steak=steak, detail=detail
    )


async def _shows(host: TopicHost, question: Question, txid: Txid) -> bool:
    """Whether a look-up finds an output of the transaction; a host that does not answer it leaves that open."""
    try:
        return any(outpoint.txid == txid for outpoint in await host.outpoints(question.service, question.query))
    except (RefusedError, UnreachableError):
        return False


async def _resting(topics: Iterable[str]) -> HostResult:
    return HostResult(standing=Standing.RESTING, topics=frozenset(topics), detail="it was not asked")


def _meets(host: HostResult, wanted: Topics, topics: frozenset[str]) -> bool:
    match wanted:
        case Some.ALL:
            return topics <= host.acknowledged
        case Some.ANY:
            return bool(topics & host.acknowledged)
    return wanted <= host.acknowledged


def _named(wanted: Topics, topics: Iterable[str]) -> str:
    return f"{wanted} of {', '.join(sorted(topics))}" if isinstance(wanted, Some) else ", ".join(sorted(wanted))
