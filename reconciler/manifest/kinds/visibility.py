"""Who may read a field: the P, S and L of MANIFESTS §2, written on the fields themselves."""

from __future__ import annotations

from enum import StrEnum
from functools import cache

from pydantic import BaseModel

from reconciler.model.json import Json


class Visibility(StrEnum):
    """A field of a spec carries exactly one of these as `Annotated` metadata; what carries none is not published."""

    PUBLIC = "public"
    """In the record's public document."""
    SEALED = "sealed"
    """Encrypted, for the producer and its gateway."""
    LOCAL = "local"
    """Never leaves this machine."""


PUBLIC, SEALED, LOCAL = Visibility.PUBLIC, Visibility.SEALED, Visibility.LOCAL


@cache
def fields(model: type[BaseModel], visibility: Visibility) -> frozenset[str]:
    """The names of a spec's fields that are of this visibility."""
    return frozenset(name for name, field in model.model_fields.items() if visibility in field.metadata)


@cache
def written_fields(model: type[BaseModel], visibility: Visibility) -> frozenset[str]:
    """The same, as manifests write them."""
    return frozenset(str(model.model_fields[name].alias) for name in fields(model, visibility))


def values(spec: BaseModel, visibility: Visibility) -> dict[str, Json]:
    """The fields of `spec` that are of this visibility, as JSON under the manifest's names; absent ones are absent."""
    dump: dict[str, Json] = spec.model_dump(
        mode="json", by_alias=True, exclude_none=True, include=set(fields(type(spec), visibility))
    )
    return dump


def public_and_sealed(spec: BaseModel) -> tuple[dict[str, Json], dict[str, Json]]:
    """Both that are published, in one go: the hot path of large sets."""
    model = type(spec)
    dump: dict[str, Json] = spec.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude=set(fields(model, LOCAL))
    )
    sealed = written_fields(model, SEALED)
    return (
        {name: value for name, value in dump.items() if name not in sealed},
        {name: value for name, value in dump.items() if name in sealed},
    )
