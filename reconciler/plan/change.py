"""One change of one object: the unit of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.ids import Address, Kind, ObjectType, RecordId
from reconciler.model.json import Json, JsonObject
from reconciler.plan.action import Action, Risk


class Edit(StrEnum):
    """What happens to one field. Needed beside the values, because null is a value too."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """One field that differs. `before` is None for an added field, `after` for a removed one."""

    path: str
    """Dotted, from the top: `public.title`."""
    before: Json
    after: Json
    edit: Edit = Edit.CHANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object that will not stay as it is.

    `before` and `after` are what apply and the reader need of the object on either side; None where there is no such side.
    A record has `{"public", "sealed"}` and, after, its local `path` and `media_type` where it has content and its
    `parents` (record ids or document hashes) where it names any. A replica has
    `{"dataset", "host", "content", "size"}` (plaintext digest; bytes), before also `expires` (unix seconds), after `path`.
    """

    object: Address
    action: Action
    why: str
    """`file:line` for what the manifests ask for, else what was found, as a clause."""
    source: str | None = None
    """`file:line:column` in the manifests; None for what is no longer in them."""
    risk: Risk
    before: JsonObject | None = None
    after: JsonObject | None = None
    diff: tuple[FieldDiff, ...] = ()

    @property
    def record(self) -> RecordId | None:
        """The record that changes, the producer's own included; None for other objects."""
        return RecordId.parse(self.object.path) if self.object.type is ObjectType.RECORD else None

    @property
    def is_root(self) -> bool:
        """Whether this changes the producer's own record, which the root token carries."""
        return self.object.type is ObjectType.RECORD and self.object.path.startswith(f"{Kind.PRODUCER}/")


@dataclass(frozen=True, slots=True)
class Drift:
    """An object that is not as the last apply left it, though nobody asked for that in the manifests."""

    object: Address
    detail: str
