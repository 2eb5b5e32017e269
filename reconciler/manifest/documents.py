"""From one document's tree to the model of its kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from pydantic import ValidationError

from reconciler.manifest.encoding import UnreadableError
from reconciler.manifest.kinds import KINDS, Manifest
from reconciler.manifest.kinds.envelope import API_VERSION
from reconciler.manifest.problems import did_you_mean, problems
from reconciler.manifest.syntax import Tree, parse
from reconciler.manifest.tree import Node, Path, Table, place_of, shown, span
from reconciler.manifest.variables import Variables
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.source import SourceSpan


@dataclass(frozen=True, slots=True)
class Document:
    """A document that is well-formed, with its tree, so that everything in it has a place."""

    file: str
    root: Table
    manifest: Manifest

    @property
    def name(self) -> str:
        """Its metadata.name."""
        return self.manifest.metadata.name

    @property
    def span(self) -> SourceSpan:
        """The place of its name."""
        return self.at("metadata", "name")

    def at(self, *path: str | int, key: bool = False) -> SourceSpan:
        """The place of a field's value, or of its key."""
        return span(self.file, place_of(self.root, path, key=key))

    def fault(
        self,
        path: Path,
        code: str,
        summary: str,
        *,
        found: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> Diagnostic:
        """A diagnostic about the field at `path`."""
        return Diagnostic(code=code, summary=summary, span=self.at(*path), found=found, expected=expected, hint=hint)


@dataclass(frozen=True, slots=True)
class Heading:
    """Kind and name of a document of ours, well-formed or not: what others may refer to, and collide with."""

    kind: str
    name: str
    span: SourceSpan


@dataclass(frozen=True, slots=True)
class Draft:
    """A document of ours as it was written: its variables not filled in, and not checked."""

    file: str
    root: Table
    tree: Tree


@dataclass(slots=True)
class FileContents:
    """What one file has."""

    drafts: list[Draft] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    is_complete: bool = True
    """Whether there is nothing in it that could not even be read."""

    def fail(self, *diagnostics: Diagnostic) -> None:
        """Note that a part of the file says nothing."""
        self.diagnostics += diagnostics
        self.is_complete = False


@dataclass(slots=True)
class Checked:
    """What a draft is: a document, if nothing is wrong with it."""

    heading: Heading
    document: Document | None = None
    diagnostics: list[Diagnostic] = field(default_factory=list)


def read_drafts(data: bytes, file: str, *, is_named: bool) -> FileContents:
    """All documents of a file. Foreign ones are an error only in a file that was named."""
    contents = FileContents()
    try:
        for tree in parse(data, file):
            if tree.root is not None or tree.faults:
                _read(tree, file, contents, is_named=is_named)
    except UnreadableError as error:
        if is_named or API_VERSION.encode() in data:
            contents.fail(*error.diagnostics)
    if is_named and not contents.drafts and not contents.diagnostics:
        summary = "the file has no documents"
        contents.fail(Diagnostic(code="empty-file", summary=summary, span=SourceSpan(file)))
    return contents


def check_draft(draft: Draft, variables: Variables) -> Checked:
    """Fill in a draft's variables, and read it as its kind."""
    root, file, faults = draft.root, draft.file, draft.tree.faults
    if draft.tree.has_dollar:
        faults = faults + variables.fill(root, file)
    wrong = list(_check_version(root, file)) + list(_check_kind(root, file))
    checked = Checked(_heading(root, file), diagnostics=faults + wrong)
    model = KINDS.get(_text(root, "kind"))
    if wrong or model is None:
        return checked
    try:
        manifest = model.model_validate(root)
    except ValidationError as error:
        # What is wrong in its notation has no type either; saying so would only confuse.
        known = {fault.span for fault in faults}
        found = problems(error, root, file, model)
        checked.diagnostics += [problem for problem in found if problem.span not in known]
    else:
        checked.document = Document(file, root, manifest)
    return checked


def is_producer(draft: Draft) -> bool:
    """Whether this is the document that declares variables."""
    return _text(draft.root, "kind") == "Producer"


def is_ours(root: Table) -> bool:
    """Whether a document is of this language, or was meant to be."""
    return not _is_foreign(root)


def _read(tree: Tree, file: str, contents: FileContents, *, is_named: bool) -> None:
    root = tree.root
    if not isinstance(root, Table):
        if is_named:
            contents.fail(*(tree.faults or [_no_mapping(root, file)]))
        return
    if _is_foreign(root):
        if is_named:
            contents.fail(_foreign(root, file))
        return
    contents.drafts.append(Draft(file, root, tree))


def _is_foreign(root: Table) -> bool:
    """Whether a document is somebody else's. What looks like a slip of the pen in one of ours is not."""
    version, kind = _text(root, "apiVersion"), _text(root, "kind")
    if version == API_VERSION:
        return False
    if not version:
        return kind not in KINDS
    near = SequenceMatcher(None, version.lower(), API_VERSION).ratio() >= 0.7
    return not (version.lower().startswith("overlay/") or near)


def _foreign(root: Table, file: str) -> Diagnostic:
    return Diagnostic(
        code="foreign-document",
        summary="this is not a document of this language",
        span=span(file, place_of(root, ("apiVersion",))),
        found=f"apiVersion: {shown(root['apiVersion'])}" if "apiVersion" in root else "no apiVersion",
        expected=f"apiVersion: {API_VERSION}",
    )


def _no_mapping(root: Node | None, file: str) -> Diagnostic:
    found = "nothing" if root is None else shown(root)
    where = SourceSpan(file, 1, 1)
    return Diagnostic(
        code="wrong-type", summary="a document is not a mapping", span=where, found=found, expected="a mapping"
    )


def _check_version(root: Table, file: str) -> Iterator[Diagnostic]:
    if _text(root, "apiVersion") != API_VERSION:
        wrong, missing = (
            "this is not the version of the language that this program reads",
            "the field 'apiVersion' is missing",
        )
        summary = wrong if "apiVersion" in root else missing
        yield Diagnostic(
            code="wrong-version",
            summary=summary,
            span=span(file, place_of(root, ("apiVersion",))),
            found=shown(root["apiVersion"]) if "apiVersion" in root else None,
            expected=f"apiVersion: {API_VERSION}",
        )


def _check_kind(root: Table, file: str) -> Iterator[Diagnostic]:
    kind = _text(root, "kind")
    where = span(file, place_of(root, ("kind",)))
    if kind not in KINDS:
        kinds = sorted(KINDS)
        yield Diagnostic(
            code="unknown-kind",
            summary="this kind does not exist" if kind else "the field 'kind' is missing",
            span=where,
            found=shown(root["kind"]) if "kind" in root else None,
            expected=" | ".join(kinds),
            hint=did_you_mean(kind, kinds),
        )


def _heading(root: Table, file: str) -> Heading:
    metadata = root.get("metadata")
    name = _text(metadata, "name") if isinstance(metadata, Table) else ""
    return Heading(_text(root, "kind"), name, span(file, place_of(root, ("metadata", "name"))))


def _text(table: Table, key: str) -> str:
    value = table.get(key)
    return str(value) if isinstance(value, str) else ""
