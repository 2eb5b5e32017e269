"""Paths of files that a manifest names."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.scalars import Shape, line


def relative(value: object) -> str:
    """A path relative to the manifest's folder; whether it leaves it is decided when the folder is known."""
    path = line(value)
    if path.startswith(("/", "~")) or "\\" in path:
        expected = "a path relative to this manifest's folder, with forward slashes"
        raise fault("wrong-value", "{field} is not a relative path", expected=expected)
    return path


RelativePath = Annotated[str, BeforeValidator(relative), Shape("relative path", "./data/prices.csv")]
