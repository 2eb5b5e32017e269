"""The content that a plan publishes: its files, what their stored form is, and what the records' documents say of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast

from reconciler.apply.events import Ending, Event, Step, Tell
from reconciler.apply.upload import Upload
from reconciler.content.fetching import Fetcher, Pin, PinnedFile
from reconciler.content.sealing import SealedFile, seal
from reconciler.content.sources import FreeContent, LocalFiles, Plaintext, Stored
from reconciler.model.errors import StalePlanError, StateError
from reconciler.model.ids import Digest, Kind, ObjectType, RecordId, digest
from reconciler.model.json import JsonObject
from reconciler.model.observed import ObservedRecord
from reconciler.plan.action import Action
from reconciler.plan.change import Change
from reconciler.plan.plan import Plan
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.published import Published
from reconciler.store.sealed_parts import SealedParts
from reconciler.wire.documents import PublishedContent, parse_record_document
from reconciler.wire.sealed_content import SealedContent
from reconciler.wire.stream_cipher import Layout, content_key, key_commitment

_NO_TYPE: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetContent:
    """A dataset's content, as a plan names it."""

    dataset: str
    sha256: Digest
    """Of the plaintext."""
    size: int
    paths: tuple[str, ...]
    """Its files, one after the other, relative to the manifests' folder; none where it is elsewhere."""
    url: str | None = None
    uhrp: str | None = None
    is_sold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy that a plan makes or renews."""

    content: DatasetContent
    host: str
    least: int = 1
    """How many copies of the content there must be before an apply commits."""
    outlives: int = 0
    """The end, in unix seconds, of the copy that it renews."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The contents of one apply. `fetcher` is None where nothing can be fetched."""

    database: Database
    seed: bytes = field(repr=False)
    """The content seed (PROTOCOL §6)."""
    folder: Path
    """The manifests'."""
    fetcher: Fetcher | None
    tell: Tell

    async def uploads(self, copies: Sequence[Copy]) -> tuple[Upload, ...]:
        """What is to be stored where. Files of this machine are checked, and sold content is sealed once, to know its parts.

        Raises StalePlanError where a file is not what was planned any more; nothing is paid by then.
        """
        forms = {content: await self._form(content) for content in dict.fromkeys(copy.content for copy in copies)}
        return tuple(
            Upload(
                dataset=copy.content.dataset,
                host=copy.host,
                content=copy.content.sha256,
                stored=forms[copy.content],
                least=copy.least,
                outlives=copy.outlives,
            )
            for copy in copies
        )

    async def published_by(self, plan: Plan) -> Mapping[RecordId, PublishedContent]:
        """What the documents of all records that a plan writes say of their content.

        A file is needed only for sold content that was never sealed nor published before.
        """
        wanted = contents_of(plan)
        known = await self._known([content for content, _ in wanted.values() if content.is_sold])
        return {
            record: replace(known.get(content) or await self._published(content), media_type=media_type)
            for record, (content, media_type) in wanted.items()
        }

    def key(self, content: DatasetContent) -> bytes:
        """The content key of what is sold."""
        return content_key(self.seed, content.dataset, content.sha256)

    async def _form(self, content: DatasetContent) -> Stored:
        plaintext = self._plaintext(content)
        sealed = await self._remembered(content) if content.is_sold else None
        if isinstance(plaintext, LocalFiles) and (sealed is not None or not content.is_sold):
            await plaintext.check()  # sealing checks by itself
        if not content.is_sold:
            return FreeContent(plaintext, content.sha256, content.size)
        return SealedFile(plaintext, self.key(content), sealed or await self._seal(content, plaintext))

    async def _published(self, content: DatasetContent) -> PublishedContent:
        """As its document has it, but for the media type; of sold content nothing is known yet."""
        plaintext = self._plaintext(content)
        if content.is_sold:
            return (await self._seal(content, plaintext)).published(_NO_TYPE)
        parts = FreeContent(plaintext, content.sha256, content.size).parts
        return PublishedContent(digest=content.sha256, size=content.size, media_type=_NO_TYPE, parts=parts)

    def _plaintext(self, content: DatasetContent) -> Plaintext:
        if content.paths:
            paths = tuple(self.folder / path for path in content.paths)
            return LocalFiles(paths, content.sha256, content.size)
        if self.fetcher is not None and (content.url or content.uhrp):
            pin = Pin(sha256=content.sha256, size=content.size, url=content.url, uhrp=content.uhrp)
            return PinnedFile(pin, self.fetcher)
        return _Absent(content.dataset)

    async def _remembered(self, content: DatasetContent) -> SealedContent | None:
        commitment = key_commitment(self.key(content))
        async with self.database.begin() as connection:
            return await SealedParts(connection).get(content.dataset, content.sha256, commitment)

    async def _known(self, sold: Sequence[DatasetContent]) -> dict[DatasetContent, PublishedContent]:
        """What was sealed, or published, before: as the documents have it, but for the media type.

        The commitment tells whether a live document is about the same plaintext, for the key is made from that.
        """
        if not sold:
            return {}
        commitments = {content: key_commitment(self.key(content)) for content in sold}
        async with self.database.begin() as connection:
            remembered = SealedParts(connection)
            known = {
                content: sealed.published(_NO_TYPE)
                for content, commitment in commitments.items()
                if (sealed := await remembered.get(content.dataset, content.sha256, commitment)) is not None
            }
            missing = {content.dataset: content for content in sold if content not in known}
            live = await _live_contents(Published(connection), Documents(connection), missing)
        return known | {
            missing[dataset]: found
            for dataset, found in live.items()
            if found.key_commitment == commitments[missing[dataset]]
        }

    async def _seal(self, content: DatasetContent, plaintext: Plaintext) -> SealedContent:
        try:
            layout = Layout(content.size)
        except ValueError as error:
            raise StateError(
                f"the content of {content.dataset} cannot be sold: {error}",
                hint="give it content, or take away its price",
            ) from error
        sealed = await seal(plaintext, key=self.key(content), sha256=content.sha256, layout=layout)
        async with self.database.begin() as connection:
            await SealedParts(connection).put(content.dataset, content.sha256, sealed)
        subject = str(RecordId(Kind.DATASET, content.dataset))
        parts = f"{layout.parts} part{'' if layout.parts == 1 else 's'}"
        detail = f"sealed, {layout.sealed_length} bytes in {parts}"
        self.tell(Event(step=Step.UPLOAD, subject=subject, ending=Ending.DONE, detail=detail))
        return sealed


async def _live_contents(
    published: Published, documents: Documents, datasets: Collection[str]
) -> dict[str, PublishedContent]:
    """What the live documents of some datasets say of their content."""
    if not datasets:
        return {}
    records = await published.records()
    hashes = {
        dataset: records[record].document_hash
        for dataset in datasets
        if (record := RecordId(Kind.DATASET, dataset)) in records
    }
    found = await documents.find(hashes.values())
    contents = {
        dataset: parse_record_document(found[document_hash]).content
        for dataset, document_hash in hashes.items()
        if document_hash in found
    }
    return {dataset: content for dataset, content in contents.items() if content is not None}


@dataclass(frozen=True, slots=True)
class _Absent:
    """Plaintext that is not to be had on this machine."""

    dataset: str

    async def files(self) -> Sequence[Path]:
        raise StalePlanError(
            f"the content of {self.dataset} is not on this machine, and its source names no other place",
            hint="bring the file here, or pin it with url or uhrp",
        )


def copies_of(plan: Plan, live: Mapping[RecordId, ObservedRecord]) -> tuple[Copy, ...]:
    """The copies that a plan makes or renews. `live` are the records before it. Raises StateError, see `_sold`."""
    public = {record: observed.public for record, observed in live.items()} | {
        change.record: cast("JsonObject", change.after["public"])
        for change in plan.changes
        if change.record and change.after is not None
    }
    made = (change for change in plan.changes if change.object.type is ObjectType.REPLICA)
    return tuple(
        replace(
            _copy(change.after, public.get(RecordId(Kind.DATASET, str(change.after["dataset"])), {})),
            outlives=_end_of(change),
        )
        for change in made
        if change.after
    )


def contents_of(plan: Plan) -> Mapping[RecordId, tuple[DatasetContent, str]]:
    """The contents of the datasets that a plan writes, with their media types. Raises StateError, see `_sold`."""
    written = ((change.record, change.after) for change in plan.changes if change.record and change.after is not None)
    found = ((record, _of_record(record, after)) for record, after in written)
    return {record: content for record, content in found if content is not None}


def _end_of(change: Change) -> int:
    return cast("int", change.before["expires"]) if change.action is Action.RENEW and change.before else 0


def _copy(after: JsonObject, public: JsonObject) -> Copy:
    content = DatasetContent(
        dataset=str(after["dataset"]),
        sha256=digest(str(after["content"])),
        size=cast("int", after["size"]),
        paths=_paths(after),
        url=_text(after, "url"),
        uhrp=_text(after, "uhrp"),
        is_sold=_sold(after, public),
    )
    return Copy(content=content, host=str(after["host"]), least=cast("int", after.get("min_replicas", 1)))


def _of_record(record: RecordId, after: JsonObject) -> tuple[DatasetContent, str] | None:
    sealed, public = cast("JsonObject", after["sealed"]), cast("JsonObject", after["public"])
    match sealed.get("content"), after.get("media_type"):
        case {"sha256": str(text), "size": int(size)}, str(media_type):
            content = DatasetContent(
                dataset=record.name,
                sha256=digest(text),
                size=size,
                paths=_paths(after),
                url=_text(after, "url"),
                uhrp=_text(after, "uhrp"),
                is_sold=_sold(after, public),
            )
            return content, media_type
        case _:
            return None


def _paths(after: JsonObject) -> tuple[str, ...]:
    paths = after.get("paths")
    return tuple(map(str, paths)) if isinstance(paths, list | tuple) else ()


def _text(after: JsonObject, name: str) -> str | None:
    value = after.get(name)
    return value if isinstance(value, str) else None


def _sold(after: JsonObject, public: JsonObject) -> bool:
    """What the plan says. Plaintext cannot be called back, so it must say so, and agree with the price that is published.

    Raises StateError.
    """
    is_sold = after.get("sold")
    if not isinstance(is_sold, bool) or (_is_priced(public) and not is_sold):
        raise StateError("the plan would store content that has a price without sealing it", hint="plan again")
    return is_sold


def _is_priced(public: JsonObject) -> bool:
    """Whether a record's public fields ask for anything."""
    pricing = public.get("pricing")
    if not isinstance(pricing, Mapping):
        return False
    tiers = pricing.get("tiers")
    steps = tiers if isinstance(tiers, (list, tuple)) else ()
    return any(step.get("satoshis") for step in (pricing, *steps) if isinstance(step, Mapping))
