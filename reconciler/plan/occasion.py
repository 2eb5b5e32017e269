"""What besides a difference calls for a change of an object: it drifted, somebody asked for a new one, the key is rotated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from reconciler.model.errors import UsageError
from reconciler.model.ids import Address, ObjectType
from reconciler.model.observed import Drifted
from reconciler.plan.patterns import Patterns

ON_DEMAND = "asked for by --replace"
ROTATION = "the identity key is rotated"


@dataclass(frozen=True, slots=True)
class Occasions:
    """By address: why the object is to be restored; and which are to be made anew."""

    drifted: Mapping[Address, str] = field(default_factory=dict)
    replaced: Patterns = field(default_factory=lambda: Patterns(()))
    rotates: bool = False
    """Every token is to be made anew, under another identity key."""

    @classmethod
    def of(cls, drifted: Iterable[Drifted], replaced: Patterns, *, rotates: bool = False) -> Self:
        """Put all that is known of one object into one clause."""
        details: defaultdict[Address, set[str]] = defaultdict(set)
        for each in drifted:
            details[each.object].add(f"{each.place}: {each.detail}")
        return cls({address: "; ".join(sorted(found)) for address, found in details.items()}, replaced, rotates)

    def new_token(self, address: Address) -> str | None:
        """Why a record or an advertisement gets another token, whatever it says; None where it keeps its own."""
        if self.rotates:
            return ROTATION
        return ON_DEMAND if self.replaced.matches(address) else None

    def check(self, wanted: Iterable[Address]) -> None:
        """Raises UsageError where a pattern of what is to be made anew matches nothing that could be."""
        objects = [address for address in wanted if address.type is not ObjectType.SETTING]
        for glob in self.replaced.unmatched(objects):
            raise UsageError(
                f"there is no record, copy or advertisement {glob!r} to be replaced", hint="settings have no token"
            )
