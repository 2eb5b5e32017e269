"""What has to be known about the datasets' files before they can be desired: which ones, and whether they are there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from reconciler.manifest.kinds.dataset import Generated
from reconciler.manifest.load import Manifests
from reconciler.manifest.media_types import media_type_of
from reconciler.manifest.sources import DatasetSource, SourceFile
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.ids import Address, Digest

UNSTATED_SIZES: Final = frozenset({0, 16})
"""Sizes that readers of a UHRP token do not give back (WIRE §4.3). Free content is stored as it is, so it is not padded."""

_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES: Final = 1024


class ContentFacts(Protocol):
    """What was found out about a content; somebody who reads files hands it in."""

    @property
    def sha256(self) -> Digest: ...  # noqa: D102  # named as it is
    @property
    def size(self) -> int: ...  # noqa: D102  # in bytes
    @property
    def media_type(self) -> str: ...  # noqa: D102  # as asked for
    @property
    def description(self) -> str | None: ...  # noqa: D102  # None: not asked for, or the data cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalContent:
    """Content that is on this machine and whose digest is needed, and whether a description shall be made from it."""

    paths: tuple[Path, ...]
    """Absolute; one file after the other is the content."""
    address: Address
    """Of the first record that has it."""
    media_type: str
    describe: bool


def local_contents(manifests: Manifests) -> tuple[tuple[LocalContent, ...], list[Diagnostic]]:
    """What is to be hashed, each content once, in the order of the records. Looks whether the files are there."""
    diagnostics: list[Diagnostic] = []
    needed: dict[tuple[Path, ...], LocalContent] = {}
    for source in manifests.sources:
        looks = [_look(source, file) for file in source.files]
        sizes = [size for size in looks if isinstance(size, int)]
        faults = [fault for fault in looks if isinstance(fault, Diagnostic)]
        if sizes and len(sizes) == len(looks):
            faults = list(_unstorable(source, sum(sizes)))
            if not faults:
                _add(needed, _local_content(source))
        diagnostics += faults
    return tuple(needed.values()), diagnostics


def _add(needed: dict[tuple[Path, ...], LocalContent], content: LocalContent) -> None:
    first = needed.setdefault(content.paths, content)
    if content.describe and not first.describe:
        needed[content.paths] = replace(content, address=first.address)


def media_type(source: DatasetSource) -> str:
    """As the manifest says, else as the first file's name says."""
    return source.dataset.spec.media_type or media_type_of(source.first.partition("?")[0])


def _local_content(source: DatasetSource) -> LocalContent:
    describe = isinstance(source.dataset.spec.description, Generated)
    address = Address.of_record(source.id)
    return LocalContent(paths=source.paths, address=address, media_type=media_type(source), describe=describe)


def _look(source: DatasetSource, file: SourceFile) -> int | Diagnostic | None:
    """The size of a file, or why it cannot be read, or None where it is not there and need not be."""
    fault = partial(source.document.fault, file.field, found=file.relative)
    try:
        status = file.path.stat()
        if not stat.S_ISREG(status.st_mode):
            hint = "use a glob for the files of a folder" if stat.S_ISDIR(status.st_mode) else None
            return fault("not-a-file", "this is not a regular file", hint=hint)
        if not os.access(file.path, os.R_OK):
            return fault("unreadable", "the file cannot be read")
        if status.st_size <= _POINTER_BYTES and _is_pointer(file.path):
            return fault("lfs-pointer", "this is a git-LFS pointer, not the data", hint="run git lfs pull")
    except FileNotFoundError:
        return _absent(source, file)
    except OSError as error:
        return fault("unreadable", f"the file cannot be read: {os.strerror(error.errno or 0).lower()}")
    return status.st_size


def _absent(source: DatasetSource, file: SourceFile) -> Diagnostic | None:
    """Why a file that is not there has to be."""
    pin = source.dataset.spec.source
    if pin.sha256 is None:
        summary, hint = "there is no such file", "pin sha256 and size if the data is not kept here"
    elif pin.size is None:
        summary = "the file is not there and not fully pinned"
        hint = "give sha256 and size of bytes that are published already"
    else:
        return None
    return source.document.fault(file.field, "no-such-file", summary, found=file.relative, hint=hint)


def _unstorable(source: DatasetSource, size: int) -> Iterator[Diagnostic]:
    if size in UNSTATED_SIZES:
        summary = f"content of {size} bytes cannot be stored: no UHRP token can state that size"
        hint = "leave it out, or give it one byte more" if size else "leave it out, or put something in it"
        yield source.fault("unstorable-size", summary, hint=hint)


def _is_pointer(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_POINTER)) == _POINTER
