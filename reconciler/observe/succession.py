"""Who took over from an identity: the root that rotated its key away, checked before it is believed (PROTOCOL §10).

What a root of another key says of its predecessors is a claim. What proves it is one transaction: it spends a root of the
old key, which only that key can, and makes a root of the new key whose document names the old one. That root is what its
anchor's `i` names; its own transaction is asked for, since a proven one comes without what it spends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from reconciler.clients.host import FoundOutput
from reconciler.model.errors import RefusedError, TransientError, VerificationError
from reconciler.model.ids import IdentityKey, Kind, Outpoint, Txid
from reconciler.model.json import Json
from reconciler.observe.roots import SERVICE, CatalogHost, check_root
from reconciler.wire.record import check
from reconciler.wire.spv import Verifier


@dataclass(frozen=True, slots=True)
class Succession:
    """Everything of one identity was handed over to another."""

    heir: IdentityKey
    root: Outpoint
    """The heir's first, by which it was done."""
    until: int
    """Unix seconds up to which what the old key signed stays valid."""


async def read_succession(
    identity: IdentityKey,
    *,
    hosts: Mapping[str, CatalogHost],
    verifier: Verifier,
    now: int,
    void: Collection[Txid] = (),
) -> Succession | None:
    """Ask the hosts one after the other; None where nobody can prove it, for a host that cannot answer has said nothing."""
    for name, host in hosts.items():
        asked = _Asked(identity, name, host, verifier, now)
        try:
            found = await asked.heirs()
            for output in found:
                succession = None if output.outpoint.txid in void else await asked.checked(output)
                if succession is not None:
                    return succession
        except (TransientError, RefusedError, VerificationError):
            continue
    return None


@dataclass(frozen=True, slots=True)
class _Asked:
    """One host, asked who took over from one identity."""

    identity: IdentityKey
    name: str
    host: CatalogHost
    verifier: Verifier
    now: int

    async def heirs(self) -> Sequence[FoundOutput]:
        """The roots of others that spend a root of this identity, if the host is right."""
        if SERVICE not in await self.host.services():
            return ()
        return await self._roots({"rotatedFrom": self.identity})

    async def checked(self, output: FoundOutput) -> Succession | None:
        """None for what does not hold: another output, or another host, may do better."""
        try:
            claimed = check(output.beef.transactions[output.outpoint.txid].transaction, output.outpoint.vout).identity
            root = await check_root(output, identity=claimed, host=self.name, verifier=self.verifier, now=self.now)
        except VerificationError:
            return None
        until = next((key.until for key in root.document.keys.previous if key.key == self.identity), None)
        if until is None or claimed == self.identity or not await self._was_ours(root.token.anchor.spends):
            return None
        return Succession(claimed, root.outpoint, until)

    async def _was_ours(self, outpoint: Outpoint) -> bool:
        """Whether an output that the heir's transaction spends (`check` has seen to that) was a root of this identity."""
        for output in await self._roots({"producer": self.identity, "outpoint": str(outpoint)}):
            if output.outpoint == outpoint:
                transaction = output.beef.transactions[outpoint.txid].transaction
                token = check(transaction, outpoint.vout)
                return (token.identity, token.id.kind) == (self.identity, Kind.PRODUCER)
        return False

    async def _roots(self, query: Mapping[str, Json]) -> Sequence[FoundOutput]:
        return await self.host.lookup(SERVICE, {**query, "kind": Kind.PRODUCER.value, "history": True})
