"""One change of one object: the unit of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
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

    - A record has `{"public", "sealed"}`, and after: where it has content `path` (local file; empty where it is not here),
      `media_type`, `sold` (stored encrypted) and, where pinned so, `url` or `uhrp`; where it names any, `parents` (record ids
      or document hashes; of a moved record the old document's hash too).
    - A replica has `{"dataset", "host", "content", "size", "sold"}` (plaintext digest; bytes: after of the plaintext, before
      as stored; sealed or not), before also `expires` (unix seconds), after `path`, `min_replicas` (copies that there must be
      before the apply commits) and, where pinned so, `url` or `uhrp`.
    - An advertisement has `{"protocol", "name"}`, before also `ads` (`[{"url", "outpoint"}]`: all that go), after `url` and,
      if adopted, `outpoint`.
    - A setting has `{"value"}`.
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
    moved_from: Address | None = None
    """Of a move: the address that the object had."""
    diff: tuple[FieldDiff, ...] = ()
    record: RecordId | None = field(init=False, compare=False, repr=False)
    """The record that changes, the producer's own included; None for other objects. What `object` says, read once."""

    def __post_init__(self) -> None:
        record = RecordId.parse(self.object.path) if self.object.type is ObjectType.RECORD else None
        object.__setattr__(self, "record", record)

    @property
    def before_id(self) -> RecordId | None:
        """The live record whose token this change spends: of a move the one with the old name; None where there is none."""
        if self.record is None or self.before is None or self.action is Action.ADOPT:
            return None
        return RecordId.parse(self.moved_from.path) if self.moved_from else self.record

    @property
    def is_root(self) -> bool:
        """Whether this changes the producer's own record, which the root token carries."""
        return self.object.type is ObjectType.RECORD and self.object.path.startswith(f"{Kind.PRODUCER}/")


@dataclass(frozen=True, slots=True)
class Drift:
    """An object that is not as the last apply left it, though nobody asked for that in the manifests."""

    object: Address
    detail: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody should know about a change before agreeing to it, though no guard forbids it."""

    object: Address
    detail: str
