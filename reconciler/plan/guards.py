"""Guards: what a plan may not do unless somebody says so, one override each (DESIGN §4.2).

The table at the end is the list. Each rule looks at the whole case and yields findings; all findings are shown, refused or
not, and any that is refused stops the apply. A plan that changes nothing has no effect to be guarded against.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from reconciler.model.desired import DesiredState, Replication, StorageHost
from reconciler.model.ids import Address, Kind, Network, ObjectType, RecordId
from reconciler.model.json import JsonObject
from reconciler.model.observed import Answer, CoinStatus, Snapshot
from reconciler.plan.action import Action
from reconciler.plan.change import Change
from reconciler.plan.cost import Cost, gross
from reconciler.plan.layout import AT_ONCE, Layout
from reconciler.plan.options import REPLACE_IDENTITY, DeleteLimit, PlanOptions
from reconciler.plan.placement import shortage
from reconciler.plan.prices import price_factor
from reconciler.plan.source import same_source
from reconciler.plan.storage import Copy
from reconciler.plan.transactions import TxRole

DELETE_PERCENT: Final = DeleteLimit(30, is_percent=True)
DELETE_FROM: Final = 10
"""Below so many live records of a kind their deletion needs no override."""

_ADS: Final = frozenset({ObjectType.SHIP, ObjectType.SLAP})
_MADE: Final = frozenset({Action.CREATE, Action.REPLACE})
_SMALL: Final = frozenset({TxRole.SPLITTER, TxRole.ROOT, TxRole.ADS})
"""The transactions of a small set (PROTOCOL §4)."""
_SENT: Final = frozenset({Action.CREATE, Action.REPLACE, Action.RENEW})
"""What needs the bytes of a copy: storage hosts are asked to store again what they are to keep for longer."""


class GuardName(StrEnum):
    """Every guard there is."""

    DELETES = "deletes"
    EVERYTHING = "everything"
    COST = "cost"
    PRICE = "price"
    IDENTITY = "identity"
    SOURCE = "source"
    GATEWAY = "gateway"
    GENESIS = "genesis"
    CONTENT = "content"
    COPIES = "copies"
    ROTATION = "rotation"
    COINS = "coins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One guard's verdict."""

    name: GuardName
    value: str
    """What the plan does, with its unit."""
    limit: str
    refused: bool
    overridden: bool
    """It would be refused, had the override not been given."""
    override: str | None
    """The flag that lets it pass; None where none does."""
    detail: str
    """A sentence for whoever is stopped; empty where nobody is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that guards look at."""

    desired: DesiredState
    snapshot: Snapshot
    options: PlanOptions
    changes: tuple[Change, ...]
    copies: tuple[Copy, ...]
    """All that are wanted, changed or not."""
    left_out: frozenset[Address]
    """Objects that differ, but that a restricted plan does not touch."""
    layout: Layout
    cost: Cost
    destroys: bool
    """Whether everything is asked to go."""
    rotates: bool = False
    """Whether everything is handed over to another identity key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule found: whether it `fails`, and if so, whether an override allows it."""

    value: str
    limit: str
    fails: bool
    allowed: bool = False
    detail: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A guard's name, its override, and what it checks."""

    name: GuardName
    override: str | None
    check: Callable[[Case], Iterator[Finding]]


def judge(case: Case) -> tuple[Guard, ...]:
    """Every guard's verdict, in the order of the table; none for a plan without changes."""
    if not case.changes:
        return ()
    return tuple(_verdict(rule, finding) for rule in RULES for finding in rule.check(case))


def _verdict(rule: Rule, finding: Finding) -> Guard:
    return Guard(
        name=rule.name,
        value=finding.value,
        limit=finding.limit,
        refused=finding.fails and not finding.allowed,
        overridden=finding.fails and finding.allowed,
        override=rule.override,
        detail=finding.detail if finding.fails else "",
    )


def _deletes(case: Case) -> Iterator[Finding]:
    live = Counter(record.kind for record in case.snapshot.records)
    deleted = Counter(change.record.kind for change in _deleted(case.changes) if change.record)
    given = case.options.max_delete
    for kind in sorted(live):
        harmless = live[kind] < DELETE_FROM or DELETE_PERCENT.allows(deleted[kind], live[kind])
        passes = given.allows(deleted[kind], live[kind]) if given else harmless
        yield Finding(
            value=f"{deleted[kind]} of {_count(live[kind], kind)}",
            limit=str(given or f"{DELETE_PERCENT} of {DELETE_FROM} or more"),
            fails=not (passes and harmless),
            allowed=passes or (case.destroys and given is None),
            detail=f"{_count(deleted[kind], kind)} would be deleted",
        )


def _everything(case: Case) -> Iterator[Finding]:
    live, deleted = len(case.snapshot.records), _deleted(case.changes)
    count, is_root = sum(not change.is_root for change in deleted), any(change.is_root for change in deleted)
    if live or is_root:
        yield Finding(
            value=f"{count} of {_count(live, 'record')}{', and the root' if is_root else ''}",
            limit="never all, never the root",
            fails=is_root or (live > 0 and count >= live),
            allowed=case.options.allow_empty or case.destroys,
            detail="nothing that is live now would be left",
        )


def _cost(case: Case) -> Iterator[Finding]:
    network, given = case.desired.network, case.options.max_cost
    default = None if network.is_toy else case.desired.limits.max_cost
    limit = default if given is None else given
    spent = gross(case.cost, case.changes)
    unlimited = limit is None and network is Network.MAIN and not case.options.interactive
    exceeds_default = default is not None and spent > default
    exceeds = limit is not None and spent > limit
    yield Finding(
        value=_satoshis(spent),
        limit="none" if limit is None else _satoshis(limit),
        fails=unlimited or exceeds or exceeds_default,
        allowed=not (unlimited or exceeds),
        detail="a limit is required on main where nobody is asked" if unlimited else "the plan costs more than it may",
    )


def _price(case: Case) -> Iterator[Finding]:
    updates = [change for change in case.changes if change.record and change.before and change.after]
    factors = [price_factor(_public(change.before), _public(change.after)) for change in updates]
    worst = None if None in factors else max((factor for factor in factors if factor is not None), default=Fraction(1))
    text = case.desired.limits.max_price_factor
    yield Finding(
        value=_factor(worst),
        limit="none" if text is None else f"factor {text}",
        fails=text is not None and (worst is None or worst > Fraction(text)),
        allowed=case.options.allow_price_change,
        detail="a price would change by more than it may",
    )


def _identity(case: Case) -> Iterator[Finding]:
    bound, ours = case.options.bound_identity, case.snapshot.identity
    if bound is not None:
        yield Finding(
            value=ours,
            limit=bound,
            fails=ours != bound,
            allowed=case.options.replace_identity,
            detail="what this machine has recorded belongs to another identity",
        )


def _source(case: Case) -> Iterator[Finding]:
    root, ours = case.snapshot.root, case.snapshot.source
    if root is not None:
        yield Finding(
            value=ours,
            limit=root.source,
            fails=not same_source(ours, root.source),
            allowed=case.options.take_over,
            detail="what is live was applied from another source of truth",
        )


def _gateway(case: Case) -> Iterator[Finding]:
    made = [change for change in case.changes if change.object.type in _ADS and change.action in _MADE]
    if not made or case.desired.network.is_toy:
        return
    answers = {True: "it answers", False: "it does not answer", None: "it was not asked"}
    yield Finding(
        value=answers[case.snapshot.gateway_answers],
        limit="it must answer before it is advertised",
        fails=not case.snapshot.gateway_answers,
        allowed=case.options.unreachable_gateway,
        detail=f"hosts strike advertisements of a gateway that does not answer: start {case.desired.gateway_url}",
    )


def _genesis(case: Case) -> Iterator[Finding]:
    if case.snapshot.root is not None or case.desired.network.is_toy:
        return
    answers = Counter(reading.answer for reading in case.snapshot.readings)
    yield Finding(
        value=", ".join(f"{answers[answer]} {answer}" for answer in Answer),
        limit="at least 1 none and nothing else",
        fails=answers[Answer.NONE] < 1 or answers[Answer.NONE] < answers.total(),
        allowed=case.options.genesis,
        detail="no proof that nothing is published yet under this identity",
    )


def _rotation(case: Case) -> Iterator[Finding]:
    """Nothing may be left under the old key: what it signed ends, and this database is the new key's from then on."""
    if case.rotates:
        obstacle = _obstacle(case)
        yield Finding(
            value=f"{_count(len(case.snapshot.records), 'record')} and {_count(len(case.snapshot.coins), 'coin')}",
            limit="everything there is, at once",
            fails=obstacle is not None,
            detail=obstacle or "",
        )


def _obstacle(case: Case) -> str | None:
    """Why everything cannot be handed over at once, as a sentence that says what to do."""
    snapshot = case.snapshot
    spent = {spend for transaction in case.layout.transactions for spend in transaction.spends}
    left = [coin for coin in snapshot.coins if coin.outpoint not in spent]
    if snapshot.root is None:
        return "nothing is published under the old key: let identity.key name the new one, and drop rotation"
    if case.options.targets or case.options.excludes:
        return "leave out --target and --exclude: a part cannot be handed over"
    if any(coin.status is CoinStatus.LOCKED for coin in left):
        return "coins are locked by an apply that is not finished: apply again when it is"
    if left:
        return f"{_count(len(left), 'coin')} would stay behind: drop rotation, apply once, which gathers them, and rotate then"
    if {transaction.role for transaction in case.layout.transactions} - _SMALL:
        return f"more than {AT_ONCE:,} records cannot be handed over in one transaction, and this version knows no other way"
    return None


def _content(case: Case) -> Iterator[Finding]:
    absent = [
        change.object.path
        for change in case.changes
        if change.object.type is ObjectType.REPLICA and change.action in _SENT and not _has_bytes(change.after or {})
    ]
    if absent:
        yield Finding(
            value=f"{_count(len(absent), 'copy')} of bytes that are not here",
            limit="0",
            fails=True,
            detail=f"bring the pinned file of {absent[0]} to this machine",
        )


def _has_bytes(after: JsonObject) -> bool:
    return bool(after["paths"] or after.get("url") or after.get("uhrp"))


def _copies(case: Case) -> Iterator[Finding]:
    """Of the datasets that this plan touches: another one's rule was not kept before either."""
    touched = {_dataset(change.object) for change in case.changes if change.action is not Action.DELETE}
    kept = Counter(copy.dataset for copy in case.copies if copy.address not in case.left_out)
    all_kept = Counter(copy.dataset for copy in case.copies) == kept
    lacking = [
        f"{record.id.name}: {lack}"
        for record in case.desired.records
        if record.id.kind is Kind.DATASET and record.id.name in touched and record.content and record.replication
        for lack in [_lack(record.replication, kept[record.id.name], case.desired.storage_hosts, all_kept=all_kept)]
        if lack is not None
    ]
    if lacking:
        more = f" (and {_count(len(lacking) - 1, 'dataset')} more)" if len(lacking) > 1 else ""
        yield Finding(
            value=min(lacking) + more,
            limit="what its replication rule asks for",
            fails=True,
            detail="name more storageHosts that the rule allows, relax the rule, or leave out less",
        )


def _lack(rule: Replication, kept: int, hosts: Sequence[StorageHost], *, all_kept: bool) -> str | None:
    """What a dataset lacks, as a clause. A restricted plan may leave out copies, but not too many."""
    lack = shortage(hosts, rule)
    if lack is None and kept < rule.min_replicas and not all_kept:
        return f"{kept} of at least {_count(rule.min_replicas, 'copy')}"
    return lack


def _dataset(address: Address) -> str | None:
    """The name of the dataset that an address is about."""
    match address.type:
        case ObjectType.REPLICA:
            return address.path.rpartition("@")[0]
        case ObjectType.RECORD:
            record = RecordId.parse(address.path)
            return record.name if record.kind is Kind.DATASET else None
        case _:
            return None


def _coins(case: Case) -> Iterator[Finding]:
    layout = case.layout
    if layout.transactions:
        yield Finding(
            value=_satoshis(layout.available),
            limit=f"at least {_satoshis(layout.needed)}",
            fails=layout.missing > 0,
            detail=f"send {_satoshis(layout.missing)} or more to {case.snapshot.funding_address}",
        )


def _deleted(changes: Sequence[Change]) -> list[Change]:
    return [change for change in changes if change.record is not None and change.action is Action.DELETE]


def _public(side: JsonObject | None) -> JsonObject:
    public = (side or {}).get("public")
    return public if isinstance(public, dict) else {}


def _factor(worst: Fraction | None) -> str:
    if worst is None:
        return "to or from free, or another model"
    return "no price changes" if worst == 1 else f"factor {float(worst):.6g}"


def _satoshis(amount: int) -> str:
    return f"{amount:,} satoshi{'' if amount == 1 else 's'}"


def _count(number: int, noun: Kind | str) -> str:
    plural = "copies" if noun == "copy" else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


RULES: Final = (
    Rule(GuardName.DELETES, "--max-delete N|N%", _deletes),
    Rule(GuardName.EVERYTHING, "--allow-empty", _everything),
    Rule(GuardName.COST, "--max-cost SAT", _cost),
    Rule(GuardName.PRICE, "--allow-price-change", _price),
    Rule(GuardName.IDENTITY, REPLACE_IDENTITY, _identity),
    Rule(GuardName.SOURCE, "--take-over", _source),
    Rule(GuardName.GATEWAY, "--unreachable-gateway", _gateway),
    Rule(GuardName.GENESIS, "--genesis", _genesis),
    Rule(GuardName.CONTENT, None, _content),
    Rule(GuardName.COPIES, None, _copies),
    Rule(GuardName.ROTATION, None, _rotation),
    Rule(GuardName.COINS, None, _coins),
)
"""DESIGN §4.2; a guard that is not in this table does not exist."""
