"""`overlay fmt`: manifests in their canonical form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reconciler.cli import errors
from reconciler.cli.invocation import Invocation
from reconciler.manifest.files import manifest_files, read
from reconciler.manifest.fmt import formatted
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.errors import ManifestError, StateError


def fmt(invocation: Invocation, paths: tuple[Path, ...], *, check: bool) -> int:
    """Write the files anew whose form is another, or only name them."""
    found: list[Diagnostic] = []
    changed = list(_changed(paths, found))
    if found:
        raise ManifestError(found)
    for path, new in changed:
        if not check:
            _write(path, new)
        invocation.console.result(_shown(path, invocation.directory))
    return errors.ERROR if check and changed else errors.DONE


def _changed(paths: tuple[Path, ...], found: list[Diagnostic]) -> Iterator[tuple[Path, bytes]]:
    """The files whose canonical form is another, with that form."""
    _, files, faults = manifest_files(paths)
    found += faults
    for file in files:
        data = read(file)
        if isinstance(data, Diagnostic):
            found.append(data)
        elif data is not None:
            new, wrong = formatted(data, file.name)
            found += wrong if file.is_named else ()
            if new != data:
                yield file.path, new


def _write(path: Path, data: bytes) -> None:
    """In place of the file, links followed; another program sees the old or the new one."""
    target = path.resolve()
    draft = target.with_name(f".{target.name}.overlay-fmt")
    try:
        draft.write_bytes(data)
        draft.chmod(target.stat().st_mode & 0o7777)
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StateError(f"the file cannot be written: {error.strerror}", where=str(path)) from error


def _shown(path: Path, directory: Path) -> str:
    return str(path.relative_to(directory)) if path.is_relative_to(directory) else str(path)
