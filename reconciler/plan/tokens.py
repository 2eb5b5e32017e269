"""Which tokens the transactions of an apply spend and make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciler.model.ids import Address, ObjectType, Outpoint, RecordId
from reconciler.model.json import Json
from reconciler.model.observed import ListedAd, Snapshot
from reconciler.plan import sizes
from reconciler.plan.action import Action
from reconciler.plan.change import Change
from reconciler.plan.transactions import Output, OutputRole

TOKEN = 1
"""Satoshis that a token locks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What transactions are to be laid out for."""

    root: RecordId
    """The producer's own record."""
    changes: Sequence[Change]
    ads: tuple[ListedAd, ...]
    """All that the new root will list."""
    destroys: bool = False
    rotates: bool = False
    """Everything is handed over to another key at once, so that nothing is left under this one."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token to be made, and the bytes of its output."""

    output: Output
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTokens:
    """The records' tokens, and the root's own."""

    root: Token
    live: Outpoint | None
    """The live root; None at genesis."""
    spent: tuple[Outpoint, ...]
    """Tokens of updated, moved and deleted records, by the id that they have had; then those that an earlier sweep left."""
    made: tuple[Token, ...]
    """Of created, updated and moved records, by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdTokens:
    """The advertisements' tokens."""

    spent: tuple[Outpoint, ...]
    """By address and outpoint."""
    made: tuple[Token, ...]
    """By address."""


def record_tokens(wish: Wish, snapshot: Snapshot) -> RecordTokens | None:
    """The records' tokens; None where the root stays as it is."""
    live = snapshot.root.record.outpoint if snapshot.root else None
    if not (_changes_root(wish, snapshot) and (live or not wish.destroys)):
        return None
    changes = [change for change in _signed(wish.changes) if change.record and not change.is_root]
    gone = sorted(change.before_id for change in changes if change.before_id)
    made = sorted((change.record, _parents(change)) for change in changes if change.record and change.after is not None)
    return RecordTokens(
        root=_record(wish.root, 0),
        live=live,
        spent=(*(snapshot.records[record].outpoint for record in gone), *snapshot.strays),
        made=tuple(_record(record, parents) for record, parents in made),
    )


def ad_tokens(wish: Wish, snapshot: Snapshot) -> AdTokens | None:
    """The advertisements' tokens; None where they stay as they are."""
    changed = {change.object for change in _signed(wish.changes)}
    live = sorted((Address.of_ad(ad.protocol, ad.name), ad.outpoint) for ad in snapshot.ads)
    listed = sorted((Address.of_ad(ad.protocol, ad.name), ad) for ad in wish.ads)
    spent = tuple(outpoint for address, outpoint in live if address in changed)
    made = tuple(_ad(address, ad) for address, ad in listed if address in changed)
    return AdTokens(spent=spent, made=made) if spent or made else None


def _changes_root(wish: Wish, snapshot: Snapshot) -> bool:
    """Every object but a stored copy is covered by the root, and ads never go without a root; adopted ones may be listed."""
    listed = snapshot.root.ads if snapshot.root else ()
    adopted = {change.object for change in wish.changes if change.action is Action.ADOPT}
    return any(change.object.type is not ObjectType.REPLICA for change in _signed(wish.changes)) or any(
        Address.of_ad(ad.protocol, ad.name) in adopted for ad in set(wish.ads) - set(listed)
    )


def _signed(changes: Iterable[Change]) -> list[Change]:
    """Those that need a signature: what is adopted stays as it is on chain."""
    return [change for change in changes if change.action is not Action.ADOPT]


def _record(record: RecordId, parents: int) -> Token:
    output = Output(role=OutputRole.RECORD, object=Address.of_record(record), satoshis=TOKEN)
    return Token(output, sizes.record_output(record, parents))


def _ad(address: Address, ad: ListedAd) -> Token:
    output = Output(role=OutputRole.AD, object=address, satoshis=TOKEN)
    return Token(output, sizes.ad_output(ad.protocol, ad.name, ad.url))


def _parents(change: Change) -> int:
    parents: Json = (change.after or {}).get("parents", ())
    return len(parents) if isinstance(parents, Sequence) else 0
