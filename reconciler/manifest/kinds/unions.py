"""Fields that take a text or a mapping."""

from __future__ import annotations

from typing import Any, Final

from reconciler.manifest.kinds.envelope import Part
from reconciler.manifest.tree import Table

WRITTEN: Final = "<written>"
MAPPING: Final = "<mapping>"
UNION_TAGS: Final = frozenset({WRITTEN, MAPPING})
"""Steps that pydantic puts into the path of an error, and that are no fields."""


def is_mapping(value: Any) -> str:
    """The discriminator: which of the two it is."""
    return MAPPING if isinstance(value, Table | Part) else WRITTEN
