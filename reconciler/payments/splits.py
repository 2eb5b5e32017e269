"""Who gets how much of a payment: exact shares of whole satoshis, to the last one (PROTOCOL §7, D21)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey, identity_key
from reconciler.model.json import Json
from reconciler.model.vocabulary import OURSELVES
from reconciler.store.terms import Portion


@dataclass(frozen=True, slots=True)
class Split:
    """One payee's exact share of every payment, above 0 and at most 1."""

    payee: IdentityKey
    share: Fraction


def apportioned(total: Satoshis, splits: Sequence[Split]) -> tuple[Portion, ...]:
    """The whole satoshis of each payee, in the order of the rule, which add up to `total`, by the largest remainder.

    Everybody gets the whole satoshis of their share; those that are left over go, one each, to the largest fractions, and
    among equal ones to whoever stands first in the rule. So nobody is more than a satoshi from their share, and a share that
    comes to no satoshi is left out: its fraction is already in what another one was given. Raises ValueError for shares that
    are not above 0 and do not add up to 1, and for a total below 1.
    """
    if total < 1 or any(split.share <= 0 for split in splits) or sum(split.share for split in splits) != 1:
        raise ValueError("a payment of at least 1 satoshi is split by shares above 0 that add up to exactly 1")
    exact = [total * split.share for split in splits]
    whole = [part.numerator // part.denominator for part in exact]
    by_fraction = sorted(range(len(splits)), key=lambda index: (whole[index] - exact[index], index))
    for index in by_fraction[: total - sum(whole)]:
        whole[index] += 1
    return tuple(Portion(split.payee, Satoshis(amount)) for split, amount in zip(splits, whole, strict=True) if amount)


def splits_of(rule: Json, payees: Json, ourselves: IdentityKey) -> tuple[Split, ...]:
    """The splits of a rule's `native.splits`, with the Producer's `payees`; without any, everything is ours (MANIFESTS §2).

    Names that have the same key are one payee, at the place of the first. Raises VerificationError for a payee without a key,
    and for shares that are none: what the sealed document says was checked when it was applied, so nothing is made up for it.
    """
    if rule is None:
        return (Split(ourselves, Fraction(1)),)
    if not isinstance(rule, Sequence) or isinstance(rule, str):
        raise VerificationError("the splits of a payment rule are not a list")
    shares: dict[IdentityKey, Fraction] = {}
    for name, share in map(_written, rule):
        payee = ourselves if name == OURSELVES else _payee(name, payees)
        shares[payee] = shares.get(payee, Fraction(0)) + share
    if sum(shares.values()) != 1:
        raise VerificationError("the shares of a payment rule do not add up to 1")
    return tuple(Split(payee, share) for payee, share in shares.items())


def _written(value: Json) -> tuple[str, Fraction]:
    match value:
        case {"to": str(name), "share": str(text)}:
            return name, _share(text)
        case _:
            raise VerificationError("a split of a payment rule lacks to or share")


def _share(text: str) -> Fraction:
    try:
        share = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise VerificationError(f"a share of a payment rule is no decimal: {text!r:.40}") from error
    if not 0 < share <= 1:
        raise VerificationError(f"a share of a payment rule is not above 0 and at most 1: {text!r:.40}")
    return share


def _payee(name: str, payees: Json) -> IdentityKey:
    entry = payees.get(name) if isinstance(payees, Mapping) else None
    key = entry.get("identityKey") if isinstance(entry, Mapping) else None
    try:
        return identity_key(str(key))
    except ValueError as error:
        raise VerificationError(f"a payment rule names the payee {name!r:.80}, who has no identity key") from error
