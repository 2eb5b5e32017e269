"""Moving a toy world's time by hand: what its ARC serves beside ARC's own API."""

from __future__ import annotations

import json
from dataclasses import dataclass

from reconciler.chain.faucet import Faucet, Gift
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Digest, digest
from reconciler.model.json import JsonObject
from reconciler.wire.http import Http, checked


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStatus:
    """How a toy chain stands."""

    network_id: Digest
    """The hash of block 1."""
    height: int
    tip: Digest
    mempool: int
    """Transactions that wait for a block."""
    block_time: float
    """Seconds from a transaction to its block; 0: mined by hand only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """Blocks that a wish made, oldest first."""

    height: int
    """Of the last one."""
    blocks: tuple[Digest, ...]


class Devnet:
    """A toy world, by the URL of its ARC. Everything raises RefusedError and UnreachableError."""

    def __init__(self, http: Http, url: str) -> None:
        self._http = http
        self._url = url

    async def status(self) -> ChainStatus:
        """How the chain stands now."""
        match await self._ask("GET", "/status"):
            case {
                "networkId": str(network_id),
                "height": int(height),
                "tip": str(tip),
                "mempool": int(mempool),
                "blockTime": int() | float() as block_time,
            }:
                return ChainStatus(
                    network_id=digest(network_id),
                    height=height,
                    tip=digest(tip),
                    mempool=mempool,
                    block_time=float(block_time),
                )
            case _:
                raise self._nonsense()

    async def mine(self, blocks: int) -> Mined:
        """Mine now; the first block takes the whole mempool."""
        return self._mined(await self._ask("POST", "/mine", {"blocks": blocks}))

    async def reorg(self, depth: int) -> Mined:
        """Replace the last `depth` blocks by one more; their transactions wait in the mempool again."""
        return self._mined(await self._ask("POST", "/reorg", {"depth": depth}))

    async def fund(self, address: str, amount: Satoshis) -> Gift:
        """Coins for nothing, proven at once."""
        return await Faucet(self._http, self._url).fund(address, amount)

    async def _ask(self, method: str, path: str, wish: JsonObject | None = None) -> object:
        content = None if wish is None else json.dumps(wish).encode()
        headers = {"content-type": "application/json"}
        reply = await self._http.request(method, f"{self._url}{path}", headers=headers, content=content)
        return checked(reply).json()

    def _mined(self, answer: object) -> Mined:
        match answer:
            case {"height": int(height), "blocks": [*blocks]}:
                return Mined(height=height, blocks=tuple(digest(str(block)) for block in blocks))
            case _:
                raise self._nonsense()

    def _nonsense(self) -> UnreachableError:
        return UnreachableError("the world answers something else than a toy world does", where=self._url)
