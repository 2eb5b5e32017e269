"""Lists whose order means nothing."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from reconciler.manifest.kinds.quantities import Capability
from reconciler.manifest.kinds.scalars import Line, Region


def as_set(values: tuple[str, ...]) -> tuple[str, ...]:
    """Sorted and without repetition."""
    return tuple(sorted(set(values)))


Regions = Annotated[tuple[Region, ...], AfterValidator(as_set)]
Tags = Annotated[tuple[Line, ...], AfterValidator(as_set)]
Capabilities = Annotated[tuple[Capability, ...], AfterValidator(as_set)]
