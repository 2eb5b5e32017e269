"""What every document has around its spec."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.scalars import NOTHING, Line, Name
from reconciler.manifest.kinds.visibility import LOCAL, PUBLIC, SEALED
from reconciler.model.ids import Kind, verb_fault

API_VERSION: Final = "overlay/v1"


class Part(BaseModel):
    """A mapping of the language: strict about its fields, which are written in camelCase."""

    # Most runs meet few kinds: a model's validator is made when a document of its kind is read.
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, hide_input_in_errors=True, defer_build=True
    )


def _annotations(_: object) -> None:
    raise fault("unknown-field", "there are no annotations", hint="notes belong into YAML comments, marks into labels")


def _namespace(_: object) -> None:
    raise fault("unknown-field", "there are no namespaces", hint="names may contain slashes: prices/btc")


def _no_record(_: object) -> None:
    raise fault("unknown-field", "only records are moved", hint="leave it out: another name costs nothing here")


class Metadata(Part):
    """Who a document is."""

    name: Annotated[Name, PUBLIC]
    """Unique among the documents of its kind."""
    labels: Annotated[dict[str, Line], LOCAL] = Field(default_factory=dict)
    """Marks for selectors; never published."""
    annotations: Annotated[None, BeforeValidator(_annotations), WithJsonSchema(NOTHING)] = None
    namespace: Annotated[None, BeforeValidator(_namespace), WithJsonSchema(NOTHING)] = None
    renamed_from: Annotated[Name | None, BeforeValidator(_no_record), WithJsonSchema(NOTHING)] = None


class RecordMetadata(Metadata):
    """Who a record is."""

    renamed_from: Annotated[Name | None, LOCAL] = None
    """The name under which it was published before: the plan moves it instead of deleting and creating."""


def check_verb(kind: Kind, name: str) -> None:
    """Raises a fault of `metadata.name` where a gateway's URLs could not tell the name from what is asked for."""
    problem = verb_fault(kind, name)
    if problem:
        expected = "a name such as btc-history or prices/btc_live"
        raise fault("bad-name", f"the name {problem}", expected=expected, at=("metadata", "name"))


class SettingMetadata(Metadata):
    """Who a setting is."""

    name: Annotated[Name, SEALED]
    """Unique among the documents of its kind."""
