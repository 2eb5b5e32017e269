"""An address index, in WhatsOnChain's words: which outputs pay an address and are unspent.

Overlay hosts cannot say whether an outpoint is spent (PROTOCOL §5); this can. What it says is checked before it is believed:
a coin counts only with a transaction whose proof leads to a header.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.model.amounts import Satoshis, satoshis
from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Outpoint, Txid, txid
from reconciler.model.json import Json
from reconciler.wire.beef import Beef, parse_beef
from reconciler.wire.http import BEEF, Http, checked

_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class UnspentCoin:
    """An output that the index calls unspent."""

    outpoint: Outpoint
    satoshis: Satoshis


class AddressIndex:
    """An index such as `https://api.whatsonchain.com/v1/bsv/main` or the embedded chain."""

    def __init__(self, http: Http, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")

    async def unspent(self, address: str) -> tuple[UnspentCoin, ...]:
        """The unspent outputs that pay an address. Raises UnreachableError, RefusedError."""
        url = f"{self._url}/address/{address}/unspent"
        reply = await self._http.request("GET", url)
        if reply.status == _NOT_FOUND:
            return ()
        answer = checked(reply).json()
        if not isinstance(answer, list):
            raise UnreachableError(f"{url} answers something else than coins", where=url)
        return tuple(_coin(item, url) for item in answer)

    async def spender(self, outpoint: Outpoint) -> Txid | None:
        """Which transaction the index knows to spend an output; None where it knows none. Raises UnreachableError, RefusedError."""
        url = f"{self._url}/tx/{outpoint.txid}/{outpoint.vout}/spent"
        reply = await self._http.request("GET", url)
        if reply.status == _NOT_FOUND:
            return None
        answer = checked(reply).json()
        try:
            return txid(str(answer["txid"] if isinstance(answer, Mapping) else answer))
        except (KeyError, ValueError) as error:
            raise UnreachableError(f"{url} answers something else than a transaction", where=url) from error

    async def beef(self, named: Txid) -> Beef:
        """A transaction with its proof, or its ancestry back to proofs.

        Raises UnreachableError, RefusedError, VerificationError.
        """
        url = f"{self._url}/tx/{named}/beef"
        reply = checked(await self._http.request("GET", url, limit=BEEF))
        try:
            beef, _ = parse_beef(bytes.fromhex(reply.body.decode("ascii").strip().strip('"')))
        except ValueError as error:
            raise UnreachableError(f"{url} answers something else than a BEEF", where=url) from error
        return beef


def _coin(item: Json, url: str) -> UnspentCoin:
    try:
        match item:
            case {"tx_hash": str(named), "tx_pos": int(vout), "value": int(value)}:
                return UnspentCoin(Outpoint(txid(named), vout), satoshis(value))
            case _:
                raise UnreachableError(f"{url} answers something else than coins", where=url)
    except ValueError as error:
        raise UnreachableError(f"{url} answers a coin that is none: {error}", where=url) from error
