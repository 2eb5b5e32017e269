"""Records as manifests want them: which field goes where, and what the producer's defaults add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from reconciler.manifest.contents import ContentFacts, media_type, source_field
from reconciler.manifest.documents import Document
from reconciler.manifest.kinds import Advertisement, Stream
from reconciler.manifest.kinds.dataset import DatasetSpec, Generated, stored_digest
from reconciler.manifest.kinds.pricing import Pricing, per_request
from reconciler.manifest.kinds.producer import Defaults
from reconciler.manifest.kinds.visibility import public_and_sealed
from reconciler.manifest.moves import moved_from, renamed_from
from reconciler.manifest.replication import ReplicationRules
from reconciler.manifest.sources import SourceFile
from reconciler.manifest.tree import Path as TreePath
from reconciler.model.desired import Content, DesiredRecord
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.ids import Digest, Kind, RecordId, digest
from reconciler.model.json import Json, JsonObject

Fields = dict[str, Json]

_EMPTY: Final[tuple[Json, ...]] = ([], {}, ())


def present(fields: Mapping[str, Json]) -> JsonObject:
    """Fields that say something: an empty list and an absent one are the same desire."""
    return {key: value for key, value in fields.items() if value is not None and value not in _EMPTY}


@dataclass(slots=True)
class Records:
    """Makes records, and collects what is wrong with them."""

    defaults: Defaults
    rules: ReplicationRules
    facts: Mapping[Path, ContentFacts]
    names: Sequence[str]
    """Of all datasets' records, sorted."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _written: dict[int, tuple[Fields, Fields]] = field(default_factory=dict)
    """Public and sealed fields by document: a pattern's thousand records have them in common."""

    def dataset(self, file: SourceFile) -> DesiredRecord | None:
        """The record of one file, or None where something is wrong."""
        spec = file.dataset.spec
        content = self._content(file)
        description = self._description(file)
        if content is None:
            return None
        written, kept = self._fields(file.document, spec)
        public = dict(written)
        public.pop("price", None)
        tags = self._tags(spec.tags)
        public |= {"mediaType": content.media_type, "tags": tags, "license": spec.license or self.defaults.license}
        public |= {"title": _filled(spec.title, file), "description": description}
        pricing = self._pricing(spec)
        is_sold = _set_pricing(public, pricing)
        if is_sold and content.uhrp is not None:
            self.diagnostics.append(_readable(file))
        sealed: Fields = {"content": {"sha256": content.sha256, "size": content.size}, **kept}
        self._set_rule(sealed, is_sold=is_sold)
        choice = self.rules.choose(file, tags, content.size)
        if isinstance(choice, Diagnostic):
            self.diagnostics.append(choice)
            return None
        if choice.sealed is not None:
            sealed["replication"] = choice.sealed
        return DesiredRecord(
            id=file.id,
            public=present(public),
            sealed=sealed,
            content=content,
            is_sold=is_sold,
            replication=choice.replication,
            renamed_from=renamed_from(file),
            parents=tuple(_parents(spec.lineage.parents, self.names)) if spec.lineage else (),
            span=file.document.span,
        )

    def stream(self, document: Document, stream: Stream) -> DesiredRecord:
        """The record of a stream."""
        spec = stream.spec
        public, sealed = public_and_sealed(spec)
        public |= {"tags": self._tags(spec.tags), "license": spec.license or self.defaults.license}
        default = self.defaults.pricing.stream if self.defaults.pricing else None
        is_priced = _set_pricing(public, spec.pricing or default)
        self._set_rule(sealed, is_sold=is_priced)
        return _record(document, Kind.STREAM, public, sealed)

    def advertisement(self, document: Document, advertisement: Advertisement) -> DesiredRecord:
        """The record of an advertisement; its price, if it says one, is information."""
        return _record(document, Kind.ADVERTISEMENT, *public_and_sealed(advertisement.spec))

    def _fields(self, document: Document, spec: DatasetSpec) -> tuple[Fields, Fields]:
        known = self._written.get(id(document))
        if known is None:
            known = self._written[id(document)] = public_and_sealed(spec)
        return known

    def _tags(self, tags: Sequence[str] | None) -> list[str]:
        return sorted({*(tags or ()), *(self.defaults.tags or ())})

    def _pricing(self, spec: DatasetSpec) -> Pricing | None:
        if spec.price is not None:
            return per_request(spec.price)
        return spec.pricing or (self.defaults.pricing.dataset if self.defaults.pricing else None)

    def _set_rule(self, sealed: Fields, *, is_sold: bool) -> None:
        """What is free needs no rule; one that it names is kept all the same."""
        if is_sold and self.defaults.payment_rule is not None:
            sealed.setdefault("paymentRule", self.defaults.payment_rule)

    def _content(self, file: SourceFile) -> Content | None:
        source = file.dataset.spec.source
        facts = self.facts.get(file.path) if file.path else None
        if facts is None:
            pinned = source.sha256 or (stored_digest(source.uhrp) if source.uhrp else None)
            if pinned is None or source.size is None:
                self.diagnostics.append(_absent(file))
                return None
            return Content(
                sha256=digest(pinned),
                size=source.size,
                media_type=media_type(file),
                path="",
                url=source.url,
                uhrp=source.uhrp,
            )
        self.diagnostics.extend(_unlike_pins(file, facts))
        return Content(sha256=facts.sha256, size=facts.size, media_type=media_type(file), path=file.relative)

    def _description(self, file: SourceFile) -> str | None:
        description = file.dataset.spec.description
        if not isinstance(description, Generated):
            return _filled(description, file)
        facts = self.facts.get(file.path) if file.path else None
        if facts is None or facts.description is None:
            expected = "a CSV or JSON file that is present"
            summary = "no description can be made from this file"
            path: TreePath = ("spec", "description", "generate")
            self.diagnostics.append(
                file.document.fault(path, "cannot-describe", summary, found=file.relative, expected=expected)
            )
            return None
        return facts.description


def _record(document: Document, kind: Kind, public: Fields, sealed: Fields) -> DesiredRecord:
    return DesiredRecord(
        id=RecordId(kind, document.name),
        public=present(public),
        sealed=present(sealed),
        renamed_from=moved_from(document),
        span=document.span,
    )


def _set_pricing(public: Fields, pricing: Pricing | None) -> bool:
    """Write the price, in its one shape; what is free says nothing. Whether it is not."""
    public.pop("pricing", None)
    if pricing is None or pricing.is_free:
        return False
    public["pricing"] = pricing.model_dump(mode="json", by_alias=True, exclude_none=True)
    return True


def _parents(references: Sequence[str], names: Sequence[str]) -> Iterator[RecordId | Digest]:
    """The records that were meant: a dataset of a pattern stands for all of its files."""
    for reference in references:
        _, at, document_hash = reference.partition("@")
        if at:
            yield digest(document_hash)
            continue
        for name in names:
            if name == reference or name.startswith(f"{reference}/"):
                yield RecordId(Kind.DATASET, name)


def _filled(text: str | None, file: SourceFile) -> str | None:
    """A title or description with the file's name in it, where the dataset is one of a glob."""
    if text is None or not file.is_match:
        return text
    path = PurePosixPath(file.relative)
    return text.replace("{stem}", path.stem).replace("{name}", path.name)


def _absent(file: SourceFile) -> Diagnostic:
    hint = "give sha256 and size of bytes that are published already"
    return file.document.fault(
        source_field(file), "no-such-file", "the file is not there and not fully pinned", found=file.relative, hint=hint
    )


def _unlike_pins(file: SourceFile, facts: ContentFacts) -> Iterator[Diagnostic]:
    source = file.dataset.spec.source
    if source.sha256 not in {None, facts.sha256}:
        yield _unlike_pin(file, "sha256", facts.sha256, source.sha256)
    if source.size not in {None, facts.size}:
        yield _unlike_pin(file, "size", str(facts.size), str(source.size))


def _unlike_pin(file: SourceFile, name: str, found: str, expected: str | None) -> Diagnostic:
    summary = f"the file's {name} is not the pinned one"
    hint = "restore the file, or pin what it is now"
    return file.document.fault(
        ("spec", "source", name), "pin-mismatch", summary, found=found, expected=expected, hint=hint
    )


def _readable(file: SourceFile) -> Diagnostic:
    summary = "stored content can be read by everybody, and cannot be sold"
    hint = "give the bytes by path or url, or say price: 0"
    return file.document.fault(("spec", "source", "uhrp"), "conflict", summary, found=file.relative, hint=hint)
