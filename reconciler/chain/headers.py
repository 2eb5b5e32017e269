"""Asking for block headers, by the routes that the TypeScript SDK's WhatsOnChain tracker uses.

Only what is buried deeper than any reorg we expect is remembered; anything younger, and every "there is no such block", is
asked for again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Digest, Txid, digest
from reconciler.model.json import JsonObject
from reconciler.model.networks import DEEP
from reconciler.wire.beef import Beef, ancestry
from reconciler.wire.http import Http, Reply, checked
from reconciler.wire.merkle import MerklePath
from reconciler.wire.spv import Limits, Verified, asks_for_height, verify_all

_NUMBERS: Final = range(1 << 32)
"""Heights and times, as headers hold them."""


_REMEMBERED: Final = 10_000
"""Headers; a few megabytes."""

_LATELY: Final = 1_000
"""Headers near the tip that are kept for a moment."""

_SMALL: Final = 4096
"""Bytes of unproven transactions that are checked in less time than a thread is worth going to."""


class Headers:
    """A source of headers, such as `https://api.whatsonchain.com/v1/bsv/main` or the embedded chain."""

    def __init__(self, http: Http, url: str, *, token: str | None = None, fresh_for: float = 0.0) -> None:
        """Name a source by the URL in front of `/block`; `token` goes into Authorization as it is.

        An answer is as good as a new one for so many seconds, within which a reorg is not noticed: for those who ask often.
        """
        self._http = http
        self._fresh_for = fresh_for
        self._fresh: dict[int, tuple[float, JsonObject]] = {}
        self._url = url.rstrip("/")
        self._headers = {"Accept": "application/json"} | ({"Authorization": token} if token else {})
        self._deep: OrderedDict[int, JsonObject] = OrderedDict()

    async def root(self, height: int) -> Digest | None:
        """The Merkle root of the block at a height; None where there is none yet. Raises UnreachableError, RefusedError."""
        header = await self._header(height)
        return None if header is None else self._digest(header, "merkleroot")

    async def height(self) -> int:
        """The height of the tip. Raises UnreachableError, RefusedError."""
        return await self._latest("height")

    async def time(self) -> int:
        """What the block at the tip says when it was made (unix seconds). Raises UnreachableError, RefusedError."""
        return await self._latest("time")

    async def network_id(self) -> Digest:
        """The hash of block 1, which tells one chain from another. Raises UnreachableError, RefusedError."""
        header = await self._header(1)
        if header is None:
            raise UnreachableError(f"{self._url} has no block 1", where=self._url)
        return self._digest(header, "hash")

    async def proven(self, path: MerklePath, txid: Txid) -> bool:
        """Whether a path leads from a transaction to a header of the chain. Raises UnreachableError, RefusedError."""
        return path.proves(txid) and await self.root(path.height) == path.root(txid)

    async def verified(self, beef: Beef, subject: Txid, *, now: int, limits: Limits | None = None) -> Verified:
        """Check a transaction by PROTOCOL §1 against the chain as it is now.

        `now` is in unix seconds. Raises VerificationError where anything is wrong, UnreachableError where the headers are
        not to be had.
        """
        (found,) = await self.all_verified(beef, [subject], now=now, limits=limits)
        return found

    async def all_verified(
        self, beef: Beef, subjects: Sequence[Txid], *, now: int, limits: Limits | None = None
    ) -> tuple[Verified, ...]:
        """The same for several transactions of one BEEF, with one look at the chain. Raises for the first that does not hold.

        Nothing is asked about what else the BEEF holds: a stranger could have us ask for as many headers as it has proofs.
        """
        needed = ancestry(beef, [subject for subject in subjects if subject in beef.transactions])
        unproven = [transaction for transaction, path in needed if path is None]
        roots = await self._roots(sorted({path.height for _, path in needed if path is not None}))
        tip = await self.height() if asks_for_height(unproven) else 0

        def check() -> tuple[Verified, ...]:
            return verify_all(beef, subjects, roots=roots, height=tip, now=now, limits=limits)

        work = sum(len(transaction.raw) for transaction in unproven)
        return check() if work <= _SMALL else await asyncio.to_thread(check)

    async def _roots(self, heights: Sequence[int]) -> dict[int, Digest]:
        unknown = [height for height in heights if height not in self._deep]
        if len(unknown) > 1:
            roots = await asyncio.gather(*(self.root(height) for height in heights))
        else:
            roots = [await self.root(height) for height in heights]
        return {height: root for height, root in zip(heights, roots, strict=True) if root is not None}

    async def _latest(self, name: str) -> int:
        latest = checked(await self._get("/block/headers")).json()
        first = latest[0] if isinstance(latest, list) and latest else None
        found = first.get(name) if isinstance(first, Mapping) else None
        if type(found) is not int or found not in _NUMBERS:
            raise UnreachableError(f"{self._url} did not answer its latest headers", where=self._url)
        return found

    async def _header(self, height: int) -> JsonObject | None:
        if height in self._deep:
            return self._deep[height]
        now = time.monotonic()
        kept = self._fresh.get(height)
        if kept is not None and now < kept[0]:
            return kept[1]
        reply = await self._get(f"/block/{height}/header")
        if reply.status == 404:
            return None
        header = checked(reply).json()
        if not isinstance(header, Mapping) or header.get("height", height) != height:
            raise UnreachableError(f"{reply.url} did not answer a header", where=reply.url)
        confirmations = header.get("confirmations")
        if isinstance(confirmations, int) and confirmations > DEEP:
            self._deep[height] = {name: header.get(name) for name in ("hash", "merkleroot")}
            if len(self._deep) > _REMEMBERED:
                self._deep.popitem(last=False)
        elif self._fresh_for:
            self._keep_fresh(height, header, now)
        return header

    def _keep_fresh(self, height: int, header: JsonObject, now: float) -> None:
        if len(self._fresh) >= _LATELY:
            self._fresh = {each: kept for each, kept in self._fresh.items() if kept[0] > now}
        if len(self._fresh) < _LATELY:
            self._fresh[height] = now + self._fresh_for, header

    def _digest(self, header: JsonObject, name: str) -> Digest:
        try:
            return digest(str(header.get(name)))
        except ValueError as error:
            raise UnreachableError(f"{self._url} answered a header without {name}", where=self._url) from error

    async def _get(self, path: str) -> Reply:
        return await self._http.request("GET", f"{self._url}{path}", headers=self._headers)
