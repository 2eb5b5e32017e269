"""What a plan can do to one object: a closed vocabulary, with how it is shown and how much it may hurt."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Action(StrEnum):
    """Declared in the order in which actions are counted and summed up."""

    CREATE = "create"
    UPDATE = "update"
    """The same object with other fields."""
    REPLACE = "replace"
    """Another object in the same place: other bytes on the same storage host, another name in the same root, a new token."""
    RENEW = "renew"
    """Nothing but a later end."""
    MOVE = "move"
    """The same object under another name, its history kept."""
    ADOPT = "adopt"
    """What exists already is kept as it is, and told to whoever lacks it: our database, the root's list, a host.

    Never spends nor makes a token or a copy: this is also how an object that drifted is restored.
    """
    DELETE = "delete"

    @property
    def glyph(self) -> str:
        """The sign in front of a changed object; never the only one, `phrase` says the same in words."""
        return _GLYPHS[self]

    @property
    def phrase(self) -> str:
        """What will happen to the object, to follow its address."""
        return _PHRASES[self]


class Risk(StrEnum):
    """How much an action may take away from somebody."""

    LOW = "low"
    """Something is added or kept for longer."""
    MEDIUM = "medium"
    """Consumers see something other than before."""
    HIGH = "high"
    """Something that consumers could see or read goes away."""


RISKS: Final = {
    Action.CREATE: Risk.LOW,
    Action.UPDATE: Risk.MEDIUM,
    Action.REPLACE: Risk.MEDIUM,
    Action.RENEW: Risk.LOW,
    Action.MOVE: Risk.MEDIUM,
    Action.ADOPT: Risk.LOW,
    Action.DELETE: Risk.HIGH,
}

_GLYPHS: Final = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "±",
    Action.RENEW: "↻",
    Action.MOVE: "→",
    Action.ADOPT: "⇐",
    Action.DELETE: "-",
}

_PHRASES: Final = {
    Action.CREATE: "will be created",
    Action.UPDATE: "will be updated",
    Action.REPLACE: "will be replaced",
    Action.RENEW: "will be renewed",
    Action.MOVE: "will be moved",
    Action.ADOPT: "will be adopted",
    Action.DELETE: "will be deleted",
}
