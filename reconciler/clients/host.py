"""Speaking to an overlay host: BRC-22 and BRC-24 over HTTP (WIRE §4.1). What it answers is checked before it is believed.

That a transaction is valid, and a document the one its token means, is for the caller to check: here only form is.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from reconciler.model.errors import UnreachableError, VerificationError
from reconciler.model.ids import Digest, Outpoint
from reconciler.model.json import Json, JsonObject
from reconciler.wire.answer import AFTER, AGGREGATION, BINARY, parse_aggregated, parse_answer
from reconciler.wire.beef import Beef, parse_beef
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.http import ANSWER, BEEF, Http, Reply, checked, object_of
from reconciler.wire.submission import Admittance, Submission, parse_steak
from reconciler.wire.transaction import Transaction

T = TypeVar("T")

_JSON: Final = {"content-type": "application/json"}
_SUBMIT_SECONDS: Final = 30.0
_PAGE: Final = 50
"""As many outputs as a host gives at once (PROTOCOL §2)."""

_PAGES: Final = 20_000
"""A host that has more is not believed: a million outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOutput:
    """One output as a host answered it: its transaction is in `beef`, and has this output."""

    outpoint: Outpoint
    beef: Beef
    """Of the whole page that it came with."""
    context: bytes | None

    @property
    def transaction(self) -> Transaction:
        """The transaction that holds the output; unverified."""
        return self.beef.transactions[self.outpoint.txid].transaction


class HostClient:
    """One host, at `url` (an origin). Raises RefusedError for its 4xx, UnreachableError where it fails or talks nonsense."""

    def __init__(self, http: Http, url: str) -> None:
        self._http = http
        self.url = url.rstrip("/")

    async def submit(self, submission: Submission) -> dict[str, Admittance]:
        """Hand over a transaction; what the host did with it, by topic. All empty means that nobody knows (WIRE §4.1)."""
        reply = await self._ask(
            "POST", "/submit", headers=submission.headers(), content=submission.body(), within=_SUBMIT_SECONDS
        )
        try:
            steak = parse_steak(reply.json())
            _check_steak(steak, submission)
        except VerificationError as error:
            raise UnreachableError(f"{self.url} answers nonsense: {error.message}", where=self.url) from error
        return dict(steak)

    async def lookup(self, service: str, query: JsonObject) -> tuple[FoundOutput, ...]:
        """All outputs that answer a query, page after page, each once, in the host's order.

        A host that knows no pages gives the same one again, which ends it.
        """
        return tuple([output async for output in self.each(service, query)])

    async def each(self, service: str, query: JsonObject) -> AsyncIterator[FoundOutput]:
        """The same one by one, with one page at a time in memory: whoever has seen enough stops, and no more is asked for."""
        async for page in self._pages(service, query, _found_outputs, lambda output: output.outpoint):
            for output in page.values():
                yield output

    async def outpoints(self, service: str, query: JsonObject) -> frozenset[Outpoint]:
        """Which outputs answer a query."""
        pages = self._pages(service, query, _named_outputs, lambda outpoint: outpoint)
        return frozenset({outpoint async for page in pages for outpoint in page})

    async def finds(self, service: str, query: JsonObject, wanted: Collection[Outpoint]) -> frozenset[Outpoint]:
        """Which of these outputs answer a query: page after page, until all are found."""
        missing = set(wanted)
        async for page in self._pages(service, query, _named_outputs, lambda outpoint: outpoint):
            missing -= page.keys()
            if not missing:
                break
        return frozenset(wanted) - missing

    async def document(self, digest: Digest) -> bytes:
        """A document by its hash. Raises RefusedError (code 404) where the host does not have it."""
        reply = await self._ask("GET", f"/v1/documents/{digest}")
        if sha256_hex(reply.body) != digest:
            raise UnreachableError(f"{self.url} gives another document than {digest}", where=self.url)
        return reply.body

    async def topics(self) -> frozenset[str]:
        """The topics that the host lists."""
        return await self._listed("/listTopicManagers", "tm_")

    async def services(self) -> frozenset[str]:
        """The look-up services that the host lists."""
        return await self._listed("/listLookupServiceProviders", "ls_")

    async def healthy(self) -> bool:
        """Whether the host says that it is ready."""
        try:
            reply = await self._http.request("GET", f"{self.url}/health")
            return reply.ok and object_of(reply).get("ready") is True
        except UnreachableError:
            return False

    async def _pages(
        self, service: str, query: JsonObject, read: Callable[[Reply], Sequence[T]], name: Callable[[T], Outpoint]
    ) -> AsyncIterator[dict[Outpoint, T]]:
        """What is new on each page.

        A host may go on from the `last` output that it has shown. A page without anything new says that it knows no pages, or has
        that output at another place by now: the next one is asked for by its number alone.
        """
        known: set[Outpoint] = set()
        last: Outpoint | None = None
        for _ in range(_PAGES):
            page = await self._page(service, {**query, "limit": _PAGE, "skip": len(known)}, read, last)
            fresh = {name(each): each for each in page if name(each) not in known}
            known.update(fresh)
            yield fresh
            if len(page) < _PAGE or (not fresh and last is None):
                return
            last = name(page[-1]) if fresh else None
        raise UnreachableError(f"{self.url} answers {service} without end", where=self.url)

    async def _page(
        self, service: str, query: JsonObject, read: Callable[[Reply], Sequence[T]], after: Outpoint | None
    ) -> Sequence[T]:
        question = json.dumps({"service": service, "query": query}, separators=(",", ":"), ensure_ascii=False)
        place = {} if after is None else {AFTER: str(after)}
        headers = {**_JSON, **dict([AGGREGATION]), **place}
        reply = await self._ask("POST", "/lookup", headers=headers, content=question.encode(), limit=BEEF)
        try:
            return read(reply)
        except VerificationError as error:
            raise UnreachableError(f"{self.url} answers nonsense: {error.message}", where=self.url) from error

    async def _listed(self, path: str, prefix: str) -> frozenset[str]:
        return frozenset(name for name in object_of(await self._ask("GET", path)) if name.startswith(prefix))

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        within: float = 10.0,
        limit: int = ANSWER,
    ) -> Reply:
        url = self.url + path
        return checked(
            await self._http.request(method, url, headers=headers, content=content, within=within, limit=limit)
        )


def _check_steak(steak: Mapping[str, Admittance], submission: Submission) -> None:
    strange = steak.keys() - set(submission.topics)
    if strange:
        raise VerificationError(f"the STEAK names a topic that was not asked for: {min(strange)[:80]!r}")


def _found_outputs(reply: Reply) -> tuple[FoundOutput, ...]:
    if not _is_aggregated(reply):
        return _read_plain(reply.json())
    answer = parse_aggregated(reply.body)
    beef, _ = parse_beef(answer.beef)
    return tuple(_found(outpoint, beef, context) for outpoint, context in answer.outputs)


def _named_outputs(reply: Reply) -> tuple[Outpoint, ...]:
    """Their names alone: nothing of what proves them is looked at."""
    if not _is_aggregated(reply):
        return tuple(found.outpoint for found in _read_plain(reply.json()))
    return tuple(outpoint for outpoint, _ in parse_aggregated(reply.body).outputs)


def _is_aggregated(reply: Reply) -> bool:
    return reply.headers.get("content-type") == BINARY


def _read_plain(value: Json) -> tuple[FoundOutput, ...]:
    found = []
    for output in parse_answer(value):
        beef, subject = parse_beef(output.beef)
        found.append(_found(Outpoint(beef.subject_or_last(subject), output.vout), beef, output.context))
    return tuple(found)


def _found(outpoint: Outpoint, beef: Beef, context: bytes | None) -> FoundOutput:
    entry = beef.transactions.get(outpoint.txid)
    if entry is None or outpoint.vout >= len(entry.transaction.outputs):
        raise VerificationError(f"the answer names {outpoint}, but does not bring it along")
    return FoundOutput(outpoint=outpoint, beef=beef, context=context)
