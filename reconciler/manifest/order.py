"""The order in which the models have their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import BaseModel

from reconciler.manifest.kinds import KINDS

UNKNOWN: Final = object
"""A type without fields: what is in it stays in the order in which it was written."""


def of_kind(kind: str) -> Any:
    """The type of a whole document."""
    return KINDS.get(kind, UNKNOWN)


def fields_of(annotation: Any) -> Mapping[str, Any] | None:
    """Names, in order, and types of a mapping's fields; None where its keys are the producer's own."""
    for each in _choices(annotation):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return {str(field.alias): field.annotation for field in each.model_fields.values()}
    return None


def values_of(annotation: Any) -> Any:
    """The type of the items of a list, or of the values of a mapping whose keys are the producer's own."""
    for each in _choices(annotation):
        if get_origin(each) is tuple:
            return get_args(each)[0]
        if get_origin(each) is dict:
            return get_args(each)[1]
    return UNKNOWN


def _choices(annotation: Any) -> Iterator[Any]:
    """The types that a field may be, without what is said about them."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _choices(arguments[0])
    elif origin in {tuple, dict} or not arguments:
        yield annotation
    else:
        for each in arguments:
            yield from _choices(each)
