"""What has to be known about the datasets' files before they can be desired: which ones, and whether they are there."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from reconciler.manifest.kinds.dataset import Generated
from reconciler.manifest.load import Manifests
from reconciler.manifest.media_types import media_type_of
from reconciler.manifest.sources import SourceFile
from reconciler.manifest.tree import Path as TreePath
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.ids import Address, Digest

UNSTATED_SIZES: Final = frozenset({0, 16})
"""Sizes that readers of a UHRP token do not give back (WIRE §4.3). Free content is stored as it is, so it is not padded."""

_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES: Final = 1024


class ContentFacts(Protocol):
    """What was found out about a file; somebody who reads files hands it in."""

    @property
    def sha256(self) -> Digest: ...  # noqa: D102  # named as it is
    @property
    def size(self) -> int: ...  # noqa: D102  # in bytes
    @property
    def media_type(self) -> str: ...  # noqa: D102  # as asked for
    @property
    def description(self) -> str | None: ...  # noqa: D102  # None: not asked for, or the data cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFile:
    """A file whose digest is needed, and whether a description shall be made from it."""

    path: Path
    """Absolute."""
    address: Address
    """Of the first record that has it as its content."""
    media_type: str
    describe: bool


def content_files(manifests: Manifests) -> tuple[tuple[ContentFile, ...], list[Diagnostic]]:
    """The files to be hashed, each once, in the order of the records. Looks whether they are there."""
    diagnostics: list[Diagnostic] = []
    needed: dict[Path, ContentFile] = {}
    for file in manifests.files:
        if file.path is None:
            continue
        fault = _fault(file, file.path)
        if fault is not None:
            diagnostics.append(fault)
        elif file.path.exists():
            content = _content_file(file, file.path)
            first = needed.setdefault(file.path, content)
            if content.describe and not first.describe:
                needed[file.path] = replace(content, address=first.address)
    return tuple(needed.values()), diagnostics


def media_type(file: SourceFile) -> str:
    """As the manifest says, else as the file's name says."""
    return file.dataset.spec.media_type or media_type_of(file.relative.partition("?")[0])


def source_field(file: SourceFile) -> TreePath:
    """Where the manifest names the file."""
    return ("spec", "source", file.dataset.spec.source.origin)


def _content_file(file: SourceFile, path: Path) -> ContentFile:
    describe = isinstance(file.dataset.spec.description, Generated)
    address = Address.of_record(file.id)
    return ContentFile(path=path, address=address, media_type=media_type(file), describe=describe)


def _fault(file: SourceFile, path: Path) -> Diagnostic | None:
    where = source_field(file)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            hint = "use a glob for the files of a folder" if stat.S_ISDIR(status.st_mode) else None
            return file.document.fault(
                where, "not-a-file", "this is not a regular file", found=file.relative, hint=hint
            )
        if not os.access(path, os.R_OK):
            return file.document.fault(where, "unreadable", "the file cannot be read", found=file.relative)
        return _unfit(file, path, status.st_size)
    except FileNotFoundError:
        return None if file.is_pinned else _missing(file)
    except OSError as error:
        summary = f"the file cannot be read: {os.strerror(error.errno or 0).lower()}"
        return file.document.fault(where, "unreadable", summary, found=file.relative)


def _unfit(file: SourceFile, path: Path, size: int) -> Diagnostic | None:
    """Why a readable file cannot be published."""
    if size in UNSTATED_SIZES:
        summary = f"a file of {size} bytes cannot be stored: no UHRP token can state that size"
        hint = "leave it out, or give it one byte more" if size else "leave it out, or put something in it"
        return file.document.fault(source_field(file), "unstorable-size", summary, found=file.relative, hint=hint)
    if size <= _POINTER_BYTES and _is_pointer(path):
        summary = "this is a git-LFS pointer, not the data"
        return file.document.fault(
            source_field(file), "lfs-pointer", summary, found=file.relative, hint="run git lfs pull"
        )
    return None


def _missing(file: SourceFile) -> Diagnostic:
    hint = "pin sha256 and size if the data is not kept here"
    return file.document.fault(
        source_field(file), "no-such-file", "there is no such file", found=file.relative, hint=hint
    )


def _is_pointer(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_POINTER)) == _POINTER
