"""What is wrong, or worth knowing, in a producer's manifests: values, collected and shown together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.source import SourceSpan


class Severity(StrEnum):
    """Only errors stop a plan."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding.

    `code` is a stable kebab-case word for programs, `summary` one sentence without a full stop for people, `hint` what
    to do about it. `found` and `expected` are filled where the finding is about one value.
    """

    severity: Severity = Severity.ERROR
    code: str
    summary: str
    span: SourceSpan | None = None
    found: str | None = None
    expected: str | None = None
    hint: str | None = None


def has_errors(diagnostics: list[Diagnostic]) -> bool:
    """Whether any of these stops a plan."""
    return any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
