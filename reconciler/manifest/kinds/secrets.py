"""Secrets, which are never in a manifest: only where each is to be found by the one who uses it."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from reconciler.manifest.kinds.envelope import Part
from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.scalars import Shape, line
from reconciler.manifest.tree import Table

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _variable(value: object) -> str:
    name = line(value)
    if not VARIABLE.fullmatch(name):
        raise fault("wrong-value", "{field} is not the name of a variable", expected="a name such as FEED_TOKEN")
    return name


def home_file(value: object) -> str:
    """A path below OVERLAY_HOME, which is never in git."""
    path = line(value)
    if path.startswith(("/", "~")) or "\\" in path or ".." in path.split("/"):
        raise fault(
            "wrong-value", "the file is not below OVERLAY_HOME", expected="a relative path, such as identity.key"
        )
    return path


def reference(value: object) -> object:
    """A mapping as it is; a text stands where only its place may be named."""
    if isinstance(value, Table | Part):
        return value
    raise fault(
        "secret",
        "{field} is not a reference to a secret",
        expected="{env: NAME} or {file: PATH}",
        hint="a secret in a manifest is none: name the variable or file that has it",
    )


EnvironmentName = Annotated[
    str,
    BeforeValidator(_variable),
    WithJsonSchema({"type": "string", "pattern": f"^{VARIABLE.pattern}$"}),
    Shape("name of a variable", "FEED_TOKEN"),
]
HomeFile = Annotated[str, BeforeValidator(home_file), Shape("path below OVERLAY_HOME", "secrets/feed")]


class SecretReference(Part):
    """Where a secret is: exactly one of `env` and `file`. It is resolved where it is used."""

    env: EnvironmentName | None = None
    """A variable of the environment."""
    file: HomeFile | None = None
    """A file, relative to OVERLAY_HOME."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise fault("conflict", "a secret is in one place", expected="{env: NAME} or {file: PATH}")
        return self


Secret = Annotated[SecretReference, BeforeValidator(reference)]
