"""`kind: Dataset`: a file, or one record for each file that a pattern matches."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag, model_validator

from reconciler.manifest.kinds.envelope import Metadata, Part
from reconciler.manifest.kinds.fault import fault, not_yet
from reconciler.manifest.kinds.pricing import Pricing
from reconciler.manifest.kinds.producer import Tags
from reconciler.manifest.kinds.scalars import (
    Amount,
    JsonMapping,
    Line,
    MediaType,
    NotYet,
    Sha256,
    Size,
    Text,
    Truth,
    Yes,
    line,
    word,
)
from reconciler.manifest.kinds.visibility import LOCAL, PUBLIC, SEALED
from reconciler.manifest.tree import Table
from reconciler.model.ids import Kind

_WRITTEN, _GENERATED = "<written>", "<generated>"
UNION_TAGS: Final = frozenset({_WRITTEN, _GENERATED})
"""Steps that pydantic puts into the path of an error, and that are no fields."""

_RECORD_REFERENCE = re.compile(r"0[23][0-9a-f]{64}/[a-z]+/[a-z0-9._/-]+@[0-9a-f]{64}")


class Classification(StrEnum):
    """Whom the content is meant for."""

    PUBLIC = "public"
    INTERNAL = "internal"
    RESTRICTED = "restricted"


def _relative(value: object) -> str:
    path = line(value)
    if path.startswith(("/", "~")) or "\\" in path:
        expected = "a path relative to this manifest's folder, with forward slashes"
        raise fault("wrong-value", "{field} is not a relative path", expected=expected)
    return path


RelativePath = Annotated[str, BeforeValidator(_relative)]


class Source(Part):
    """Where the bytes are: exactly one of `path` and `glob`."""

    path: RelativePath | None = None
    """A file."""
    glob: RelativePath | None = None
    """A pattern with *, ?, [abc] and **; each file it matches becomes a dataset of its own."""
    sha256: Sha256 | None = None
    """The digest that the file must have."""
    size: Size | None = None
    """The size that the file must have; needed where the bytes are not present."""
    allow_empty: Truth = False
    """Whether a pattern may match nothing."""
    parts: NotYet = None
    url: NotYet = None
    uhrp: NotYet = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.path is None and self.glob is None:
            raise fault("missing-field", "the source names no file", expected="path or glob")
        if self.path is not None and self.glob is not None:
            raise fault("conflict", "the source has a path and a glob", expected="one of them", at=("glob",))
        if self.glob is not None and (self.sha256 or self.size is not None):
            at = ("sha256",) if self.sha256 else ("size",)
            raise fault("conflict", "a pattern has no single digest or size", hint="pin a path instead", at=at)
        if self.path is not None and self.allow_empty:
            raise fault("conflict", "only a pattern can match nothing", at=("allowEmpty",))
        return self


class Generated(Part):
    """A description made from the data itself: rows, columns, range."""

    generate: Yes


def _is_mapping(value: Any) -> str:
    return _GENERATED if isinstance(value, Table | Generated) else _WRITTEN


Description = Annotated[
    Annotated[Text, Tag(_WRITTEN)] | Annotated[Generated, Tag(_GENERATED)], Discriminator(_is_mapping)
]


def _parent(value: object) -> str:
    reference = line(value)
    if "@" in reference and not _RECORD_REFERENCE.fullmatch(reference):
        expected = "a dataset's name, or identityKey/kind/name@hash"
        raise fault("wrong-value", "{field} is not a reference to a record", expected=expected)
    return reference


class Lineage(Part):
    """What a dataset was made from."""

    parents: Annotated[
        tuple[Annotated[str, BeforeValidator(_parent)], ...], AfterValidator(lambda all_: tuple(sorted(set(all_))))
    ]
    """Names of datasets here, or `identityKey/kind/name@hash` of records anywhere."""


def _free(price: int) -> int:
    if price:
        raise not_yet("{field} above 0 is")
    return price


def _free_pricing(pricing: Pricing) -> Pricing:
    if not pricing.is_free:
        raise not_yet("{field} above 0 is")
    return pricing


class DatasetSpec(Part):
    """A good that is downloaded."""

    source: Annotated[Source, LOCAL]
    """Where the bytes are."""
    title: Annotated[Line | None, PUBLIC] = None
    """With a glob, {stem} and {name} stand for the file's name without and with its ending."""
    description: Annotated[Description | None, PUBLIC] = None
    """Text, or {generate: true}: rows, columns and range, read from CSV or JSON."""
    capability: Annotated[NotYet, PUBLIC] = None
    """What it is found by."""
    tags: Annotated[Tags | None, PUBLIC] = None
    license: Annotated[Line | None, PUBLIC] = None
    classification: Annotated[Classification | None, BeforeValidator(word(Classification)), PUBLIC] = None
    media_type: Annotated[MediaType | None, PUBLIC] = None
    """By default guessed from the file's name."""
    data_schema: Annotated[JsonMapping | None, PUBLIC] = None
    """A description of the data's structure, such as a JSON Schema."""
    price: Annotated[Annotated[Amount, AfterValidator(_free)] | None, PUBLIC] = None
    """In satoshis for one request; 0 is free."""
    pricing: Annotated[Annotated[Pricing, AfterValidator(_free_pricing)] | None, PUBLIC] = None
    payment_rule: Annotated[NotYet, SEALED] = None
    replication: Annotated[NotYet, SEALED] = None
    lineage: Annotated[Lineage | None, PUBLIC] = None
    """What it was made from."""
    version: Annotated[Line | None, PUBLIC] = None
    """The producer's own version of the data; any text."""
    keep_versions: Annotated[NotYet, SEALED] = None
    access: Annotated[NotYet, PUBLIC] = None

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        if self.price is not None and self.pricing is not None:
            raise fault("conflict", "the dataset has a price and a pricing", expected="one of them", at=("price",))
        return self


class Dataset(Part):
    """A file, or one record for each file that a pattern matches."""

    RECORD: ClassVar[Kind | None] = Kind.DATASET

    api_version: Literal["overlay/v1"]
    kind: Literal["Dataset"]
    metadata: Metadata
    spec: DatasetSpec
