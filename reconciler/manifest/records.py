"""Records as manifests want them: which field goes where, and what the producer's defaults add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from reconciler.manifest.contents import ContentFacts, media_type
from reconciler.manifest.documents import Document
from reconciler.manifest.kinds import Advertisement, Stream
from reconciler.manifest.kinds.dataset import DatasetSpec, Generated, stored_digest
from reconciler.manifest.kinds.pricing import Pricing, per_request
from reconciler.manifest.kinds.producer import Defaults
from reconciler.manifest.kinds.visibility import public_and_sealed
from reconciler.manifest.moves import moved_from, renamed_from
from reconciler.manifest.replication import ReplicationRules
from reconciler.manifest.sources import DatasetSource
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
    facts: Mapping[tuple[Path, ...], ContentFacts]
    names: Sequence[str]
    """Of all datasets' records, sorted."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _written: dict[int, tuple[Fields, Fields]] = field(default_factory=dict)
    """Public and sealed fields by document: a pattern's thousand records have them in common."""

    def dataset(self, source: DatasetSource) -> DesiredRecord | None:
        """The record of one source, or None where something is wrong."""
        spec = source.dataset.spec
        content = self._content(source)
        description = self._description(source)
        if content is None:
            return None
        written, kept = self._fields(source.document, spec)
        public = dict(written)
        public.pop("price", None)
        tags = self._tags(spec.tags)
        public |= {"mediaType": content.media_type, "tags": tags, "license": spec.license or self.defaults.license}
        public |= {"title": _filled(spec.title, source), "description": description}
        pricing = self._pricing(spec)
        is_sold = _set_pricing(public, pricing)
        if is_sold and content.uhrp is not None:
            self.diagnostics.append(_readable(source))
        sealed: Fields = {"content": {"sha256": content.sha256, "size": content.size}, **kept}
        self._set_rule(sealed, is_sold=is_sold)
        choice = self.rules.choose(source, tags, content.size)
        if isinstance(choice, Diagnostic):
            self.diagnostics.append(choice)
            return None
        if choice.sealed is not None:
            sealed["replication"] = choice.sealed
        return DesiredRecord(
            id=source.id,
            public=present(public),
            sealed=sealed,
            content=content,
            is_sold=is_sold,
            replication=choice.replication,
            renamed_from=renamed_from(source),
            parents=tuple(_parents(spec.lineage.parents, self.names)) if spec.lineage else (),
            span=source.document.span,
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

    def _content(self, source: DatasetSource) -> Content | None:
        facts = self.facts.get(source.paths)
        if facts is None:
            return _pinned(source)
        self.diagnostics.extend(_unlike_pins(source, facts))
        paths = tuple(file.relative for file in source.files)
        return Content(sha256=facts.sha256, size=facts.size, media_type=media_type(source), paths=paths)

    def _description(self, source: DatasetSource) -> str | None:
        description = source.dataset.spec.description
        if not isinstance(description, Generated):
            return _filled(description, source)
        facts = self.facts.get(source.paths)
        if facts is None or facts.description is None:
            expected = "CSV or JSON that is present"
            summary = "no description can be made from this content"
            path: TreePath = ("spec", "description", "generate")
            self.diagnostics.append(
                source.document.fault(path, "cannot-describe", summary, found=source.first, expected=expected)
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


def _filled(text: str | None, source: DatasetSource) -> str | None:
    """A title or description with the file's name in it, where the dataset is one of a glob."""
    if text is None or not source.is_match:
        return text
    path = PurePosixPath(source.first)
    return text.replace("{stem}", path.stem).replace("{name}", path.name)


def _pinned(source: DatasetSource) -> Content:
    """Content that is not on this machine, as the manifest pins it. Raises ValueError where it does not."""
    pin = source.dataset.spec.source
    sha256 = stored_digest(pin.uhrp) if pin.uhrp else pin.sha256
    if sha256 is None or pin.size is None:
        raise ValueError(f"{source.id} has no facts and is not pinned")
    return Content(
        sha256=digest(sha256), size=pin.size, media_type=media_type(source), paths=(), url=pin.url, uhrp=pin.uhrp
    )


def _unlike_pins(source: DatasetSource, facts: ContentFacts) -> Iterator[Diagnostic]:
    pin = source.dataset.spec.source
    if pin.sha256 not in {None, facts.sha256}:
        yield _unlike_pin(source, "sha256", facts.sha256, pin.sha256)
    if pin.size not in {None, facts.size}:
        yield _unlike_pin(source, "size", str(facts.size), str(pin.size))


def _unlike_pin(source: DatasetSource, name: str, found: str, expected: str | None) -> Diagnostic:
    summary = f"the content's {name} is not the pinned one"
    hint = "restore it, or pin what it is now"
    return source.document.fault(
        ("spec", "source", name), "pin-mismatch", summary, found=found, expected=expected, hint=hint
    )


def _readable(source: DatasetSource) -> Diagnostic:
    summary = "stored content can be read by everybody, and cannot be sold"
    hint = "give the bytes by path, parts or url, or say price: 0"
    return source.document.fault(("spec", "source", "uhrp"), "conflict", summary, found=source.first, hint=hint)
