"""Coins for nothing, on toy networks."""

from __future__ import annotations

import json
from dataclasses import dataclass

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Txid, txid
from reconciler.wire.beef import Beef, parse_beef
from reconciler.wire.http import Http, checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Gift:
    """A proven transaction that pays what was asked for."""

    txid: Txid
    vout: int
    beef: Beef


class Faucet:
    """The faucet of a world, by its origin."""

    def __init__(self, http: Http, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")

    async def fund(self, address: str, amount: Satoshis) -> Gift:
        """Have `amount` satoshis paid to an address. Raises RefusedError, UnreachableError, VerificationError."""
        url = f"{self._url}/faucet"
        body = json.dumps({"address": address, "satoshis": amount}).encode()
        reply = await self._http.request("POST", url, headers={"content-type": "application/json"}, content=body)
        match checked(reply).json():
            case {"txid": str(named), "vout": int(vout), "beef": str(beef)}:
                try:
                    parsed, _ = parse_beef(bytes.fromhex(beef))
                    return Gift(txid=txid(named), vout=vout, beef=parsed)
                except ValueError as error:
                    raise UnreachableError(f"the faucet answers a coin that is none: {error}", where=url) from error
            case _:
                raise UnreachableError("the faucet answers something else than a coin", where=url)
