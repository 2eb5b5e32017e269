"""Diagnostics as people and as programs read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.cli.escaping import printable
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.json import JsonObject
from reconciler.model.source import SourceSpan

_NOWHERE = SourceSpan("")
_DETAILS = ("found", "expected", "hint")


def lines(diagnostics: Iterable[Diagnostic]) -> Iterator[str]:
    """The text form, in the order of the files: one line a finding, and up to three indented ones about it."""
    for diagnostic in _in_order(diagnostics):
        where = f"{diagnostic.span} " if diagnostic.span else ""
        yield printable(f"{where}{diagnostic.severity}: {diagnostic.summary}")
        for detail in _DETAILS:
            text = getattr(diagnostic, detail)
            if text is not None:
                yield printable(f"    {detail + ':':<9} {text}")


def to_json(diagnostics: Iterable[Diagnostic]) -> list[JsonObject]:
    """The JSON form, in the same order; what a finding does not have is absent."""
    return [_object(diagnostic) for diagnostic in _in_order(diagnostics)]


def _in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    return sorted(
        diagnostics, key=lambda diagnostic: (diagnostic.span or _NOWHERE, diagnostic.code, diagnostic.summary)
    )


def _object(diagnostic: Diagnostic) -> JsonObject:
    span = diagnostic.span
    place = {"file": span.file} if span else {}
    position = {"line": span.line, "column": span.column} if span and span.line else {}
    details = {detail: getattr(diagnostic, detail) for detail in _DETAILS}
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "summary": diagnostic.summary,
        **place,
        **position,
        **{detail: text for detail, text in details.items() if text is not None},
    }
