"""`kind: Dataset`: one record for content of a file or several, or one for each file that a pattern matches."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag, WithJsonSchema, model_validator

from reconciler.manifest.kinds.addresses import url_of
from reconciler.manifest.kinds.envelope import Part, RecordMetadata, check_verb
from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.goods import PaymentRuleChoice, ReplicationChoice
from reconciler.manifest.kinds.paths import RelativePath
from reconciler.manifest.kinds.pricing import DatasetPricing
from reconciler.manifest.kinds.quantities import Capability, SmallCount
from reconciler.manifest.kinds.scalars import (
    Amount,
    JsonMapping,
    Line,
    MediaType,
    Sha256,
    Shape,
    Size,
    Text,
    Truth,
    Yes,
    line,
    word,
)
from reconciler.manifest.kinds.sets import Tags
from reconciler.manifest.kinds.unions import MAPPING, WRITTEN, is_mapping
from reconciler.manifest.kinds.visibility import LOCAL, PUBLIC, SEALED
from reconciler.model.ids import Digest, Kind, digest
from reconciler.wire.base58 import decode_check

_UHRP_PREFIX: Final = b"\xce\x00"
_RECORD_REFERENCE = re.compile(r"0[23][0-9a-f]{64}/[a-z]+/[a-z0-9._/-]+@[0-9a-f]{64}")


class Classification(StrEnum):
    """Whom the content is meant for."""

    PUBLIC = "public"
    INTERNAL = "internal"
    RESTRICTED = "restricted"


_ORIGINS: Final = ("path", "glob", "parts", "url", "uhrp")
_BUCKET: Final = "s3://prices/2024.csv"


def _stored(value: object) -> str:
    """A UHRP URL in its bare form."""
    content = line(value)
    expected = "a UHRP URL, such as uhrp://XUT..."
    bare = (content[5:] if content[:5].lower() == "uhrp:" else content).removeprefix("//")
    try:
        prefix, _ = decode_check(bare, prefix=2, payload=32)
    except ValueError:
        prefix = b""
    if prefix != _UHRP_PREFIX:
        raise fault("wrong-value", "{field} is not a UHRP URL", expected=expected)
    return bare


def _remote(value: object) -> str:
    content = line(value)
    if content.startswith("http://"):
        raise fault("wrong-value", "{field} is not secure", expected="a https or s3 URL")
    return url_of("https", "s3", example=f"https://data.example.com/2024.csv or {_BUCKET}")(value)


RemoteUrl = Annotated[
    str,
    BeforeValidator(_remote),
    WithJsonSchema({"type": "string", "pattern": "^(https|s3)://"}),
    Shape("https or s3 URL", _BUCKET),
]
StoredUrl = Annotated[
    str, BeforeValidator(_stored), WithJsonSchema({"type": "string"}), Shape("UHRP URL", "uhrp://XUT6PqWb3GP3...")
]


def _some(parts: tuple[str, ...]) -> tuple[str, ...]:
    if not parts:
        raise fault("wrong-value", "{field} is empty", expected="one file or more")
    return parts


Parts = Annotated[
    tuple[RelativePath, ...],
    AfterValidator(_some),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
    Shape("list of relative path", "[./data/2023.csv, ./data/2024.csv]"),
]


class Source(Part):
    """Where the bytes are: exactly one of path, glob, parts, url and uhrp."""

    path: RelativePath | None = None
    """A file."""
    glob: RelativePath | None = None
    """A pattern with *, ?, [abc] and **; each file it matches becomes a dataset of its own."""
    parts: Parts | None = None
    """Files whose bytes, one after the other and with nothing between them, are the content of one dataset."""
    url: RemoteUrl | None = None
    """An address that the bytes are fetched from; they must be pinned."""
    uhrp: StoredUrl | None = None
    """Content that is stored already, and is adopted as it is."""
    sha256: Sha256 | None = None
    """The digest that the bytes must have, those of all parts together."""
    size: Size | None = None
    """The size that the bytes must have, those of all parts together; needed where they are not present."""
    allow_empty: Truth = False
    """Whether a pattern may match nothing."""

    @property
    def origin(self) -> str:
        """The field that says where the bytes are."""
        return next(name for name in _ORIGINS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in _ORIGINS if getattr(self, name) is not None]
        if not given:
            raise fault("missing-field", "the source names no origin", expected=" | ".join(_ORIGINS))
        if len(given) > 1:
            summary = f"the source has both {given[0]} and {given[1]}"
            raise fault("conflict", summary, expected="one of them", at=(given[1],))
        return self

    @model_validator(mode="after")
    def _pins(self) -> Self:
        if self.glob is not None and (self.sha256 or self.size is not None):
            at = ("sha256",) if self.sha256 else ("size",)
            raise fault("conflict", "a pattern has no single digest or size", hint="pin a path or parts instead", at=at)
        if self.glob is None and self.allow_empty:
            raise fault("conflict", "only a pattern can match nothing", at=("allowEmpty",))
        if self.url is not None and (self.sha256 is None or self.size is None):
            raise fault("missing-field", "what is fetched must be pinned", expected="sha256 and size", at=("url",))
        if self.uhrp is not None:
            self._check_stored(self.uhrp)
        return self

    def _check_stored(self, stored: str) -> None:
        if self.size is None:
            raise fault("missing-field", "stored content has a size", expected="size: 64MiB", at=("uhrp",))
        if self.sha256 not in {None, stored_digest(stored)}:
            summary = "the digest is not that of the stored content"
            raise fault("conflict", summary, expected=stored_digest(stored), at=("sha256",))


def stored_digest(bare: str) -> Digest:
    """The SHA-256 that a UHRP URL, in its bare form, is made of."""
    return digest(decode_check(bare, prefix=2, payload=32)[1])


class Generated(Part):
    """A description made from the data itself: rows, columns, range."""

    generate: Yes
    """Make it from the data."""


Description = Annotated[Annotated[Text, Tag(WRITTEN)] | Annotated[Generated, Tag(MAPPING)], Discriminator(is_mapping)]


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


class Access(Part):
    """What may be had without paying."""

    preview: Size
    """So many bytes from the beginning."""


class DatasetSpec(Part):
    """A good that is downloaded."""

    source: Annotated[Source, LOCAL]
    """Where the bytes are."""
    title: Annotated[Line | None, PUBLIC] = None
    """Its name for people. With a glob, {stem} and {name} stand for the file's name without and with its ending."""
    description: Annotated[Description | None, PUBLIC] = None
    """Text, or {generate: true}: rows, columns and range, read from CSV or JSON; of parts from all of them, as one file."""
    capability: Annotated[Capability | None, PUBLIC] = None
    """What it is found by; it has to be advertised."""
    tags: Annotated[Tags | None, PUBLIC] = None
    """Words to find it by; the producer's default tags are added."""
    license: Annotated[Line | None, PUBLIC] = None
    """What may be done with it; by default the producer's."""
    classification: Annotated[Classification | None, BeforeValidator(word(Classification)), PUBLIC] = None
    """Whom it is meant for."""
    media_type: Annotated[MediaType | None, PUBLIC] = None
    """By default guessed from the file's name, that of the first part."""
    data_schema: Annotated[JsonMapping | None, PUBLIC] = None
    """A description of the data's structure, such as a JSON Schema."""
    price: Annotated[Amount | None, PUBLIC] = None
    """In satoshis for one request, short for a pricing; 0 is free."""
    pricing: Annotated[DatasetPricing | None, PUBLIC] = None
    """What it costs; by default the producer's, else it is free."""
    payment_rule: Annotated[PaymentRuleChoice | None, SEALED] = None
    """A PaymentRule by name, or one inline."""
    replication: Annotated[ReplicationChoice | None, SEALED] = None
    """A ReplicationRule by name, or one inline."""
    lineage: Annotated[Lineage | None, PUBLIC] = None
    """What it was made from."""
    version: Annotated[Line | None, PUBLIC] = None
    """The producer's own version of the data; any text."""
    keep_versions: Annotated[SmallCount | None, SEALED] = None
    """How many earlier contents stay stored and can still be had."""
    access: Annotated[Access | None, PUBLIC] = None
    """What may be had without paying."""

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        if self.price is not None and self.pricing is not None:
            raise fault("conflict", "the dataset has a price and a pricing", expected="one of them", at=("price",))
        return self


class Dataset(Part):
    """One record for content of a file or several, or one for each file that a pattern matches."""

    RECORD: ClassVar[Kind] = Kind.DATASET

    api_version: Literal["overlay/v1"]
    kind: Literal["Dataset"]
    metadata: RecordMetadata
    spec: DatasetSpec

    @model_validator(mode="after")
    def _no_verb(self) -> Self:
        if self.spec.source.glob is None:  # else each file makes a name
            check_verb(self.RECORD, self.metadata.name)
        return self
