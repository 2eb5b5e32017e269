"""Who won a contest for coins. Only a mined spend of one of them makes a transaction of ours void (PROTOCOL §4)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.apply.losses import Mined
from reconciler.clients.host import FoundOutput
from reconciler.model.errors import RefusedError, TransientError
from reconciler.model.ids import IdentityKey, Outpoint, Txid
from reconciler.model.json import JsonObject
from reconciler.wire.arc import TxReport
from reconciler.wire.beef import Beef
from reconciler.wire.merkle import MerklePath
from reconciler.wire.transaction import Transaction

_MAYBE: Final[tuple[tuple[str, JsonObject, str], ...]] = (
    ("ls_data_catalog", {"kind": "producer", "history": True}, "producer"),
    ("ls_ship", {}, "identityKey"),
    ("ls_slap", {}, "identityKey"),
)
"""Where another machine's transactions show: service, query, and the field that names the identity."""


class Reporter(Protocol):
    """ARC, as far as it is only asked."""

    async def status(self, txid: Txid) -> TxReport | None:
        """How a transaction stands; None where ARC does not know it."""
        ...


class Proofs(Protocol):
    """The headers, as far as apply needs them."""

    async def proven(self, path: MerklePath, txid: Txid) -> bool:
        """Whether the path leads from the transaction to a header of the chain."""
        ...


class Index(Protocol):
    """Whoever gives out transactions by id, and knows what spends what."""

    async def beef(self, named: Txid) -> Beef:
        """A transaction with its proof, or its ancestry back to proofs. Raises UnreachableError, RefusedError."""
        ...

    async def spender(self, outpoint: Outpoint) -> Txid | None:
        """Which transaction spends an output, as far as it knows. Raises UnreachableError, RefusedError."""
        ...


class Shelf(Protocol):
    """A host that may show what another machine made as this identity."""

    async def lookup(self, service: str, query: JsonObject) -> Sequence[FoundOutput]:
        """BRC-24: all outputs that it finds."""
        ...


@dataclass(frozen=True, slots=True)
class Judge:
    """Finds the winner, and believes nothing that a header does not confirm.

    ARC need not name a rival. Then whoever knows what spends a coin is asked, and hosts, what else they show of `identity`.
    """

    proofs: Proofs
    index: Index
    hosts: Mapping[str, Shelf]
    identity: IdentityKey

    async def winner(self, beef: Beef, report: TxReport, *, thorough: bool = True) -> Mined | None:
        """The mined transaction that spends a coin of the one reported on, or of an unproven one that it builds upon.

        `beef` has that one with its ancestry. Without `thorough`, only those are looked at that ARC calls competing. None as
        long as nothing is certain.
        """
        ours = [entry.transaction for entry in beef.transactions.values() if entry.bump is None]
        async for rival in self._candidates(ours, report, thorough=thorough):
            if rival is not None and _conflicts(rival.transaction, ours):
                return rival
        return None

    async def _candidates(
        self, ours: Sequence[Transaction], report: TxReport, *, thorough: bool
    ) -> AsyncIterator[Mined | None]:
        for txid in report.competing:
            yield await self._mined(txid)
        if not thorough:
            return
        for transaction in ours:
            for spent in transaction.inputs:
                spender = await self._spender(spent.outpoint)
                if spender is not None and spender != transaction.txid:
                    yield await self._mined(spender)
        for host in self.hosts.values():
            for beef in await self._shown(host):
                for txid in beef.transactions:
                    yield await self._proven(beef, txid)

    async def _mined(self, txid: Txid) -> Mined | None:
        try:
            return await self._proven(await self.index.beef(txid), txid)
        except (TransientError, RefusedError):  # whoever cannot be asked leaves it undecided
            return None

    async def _spender(self, outpoint: Outpoint) -> Txid | None:
        try:
            return await self.index.spender(outpoint)
        except (TransientError, RefusedError):  # as above; not every index knows
            return None

    async def _shown(self, host: Shelf) -> list[Beef]:
        """What a host shows of this identity, each page once."""
        found: list[FoundOutput] = []
        for service, query, names in _MAYBE:
            try:
                found += await host.lookup(service, {**query, names: self.identity})
            except (TransientError, RefusedError):  # as above; not every host keeps every service
                continue
        return list({id(output.beef): output.beef for output in found}.values())

    async def _proven(self, beef: Beef, txid: Txid) -> Mined | None:
        path = beef.proof(txid)
        if path is None or txid not in beef.transactions:
            return None
        try:
            is_mined = await self.proofs.proven(path, txid)
        except (TransientError, RefusedError):  # as above; without the header nothing is certain
            return None
        return Mined(beef.transactions[txid].transaction, path) if is_mined else None


def _conflicts(rival: Transaction, ours: Sequence[Transaction]) -> bool:
    coins = {spent.outpoint for each in ours for spent in each.inputs}
    return all(each.txid != rival.txid for each in ours) and any(spent.outpoint in coins for spent in rival.inputs)
