"""The exceptions of this program, in one tree.

OverlayError
├── TerminalError          trying again without a change will fail again
│   ├── ManifestError      the manifests are wrong; carries diagnostics
│   ├── VerificationError  a transaction, proof, token or document is not what it claims to be
│   ├── RefusedError       another party answered and said no
│   ├── StateError         our own database or files are not as they should be
│   ├── GuardError         a guard of the plan refused (exit 3)
│   ├── StalePlanError     the world moved since the plan was made (exit 4)
│   └── UsageError         the command's words are off
└── TransientError         may go through later, unchanged
    ├── UnreachableError   a host or the database did not answer, or answered nonsense or 5xx
    ├── LockedError        another apply holds the lease (exit 6)
    └── PartialError       the plan is committed, but some host has not got everything yet (exit 5)

The message is one sentence in lower case, without a full stop; `hint` says what to do, `where` names file, host or object.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.diagnostics import Diagnostic


class OverlayError(Exception):
    """Root of the tree; never raised itself."""

    def __init__(self, message: str, *, hint: str | None = None, where: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where


class TerminalError(OverlayError):
    """Trying again without a change will fail again."""


class TransientError(OverlayError):
    """The same thing may go through later."""


class ManifestError(TerminalError):
    """The manifests are wrong."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        count = len(diagnostics)
        super().__init__(f"the manifests have {count} error{'' if count == 1 else 's'}")
        self.diagnostics = tuple(diagnostics)


class VerificationError(TerminalError):
    """A transaction, proof, token, document or stored content is not what it claims to be."""


class RefusedError(TerminalError):
    """Another party answered and refused. `code` is its own code or HTTP status, as text."""

    def __init__(self, message: str, *, code: str = "", hint: str | None = None, where: str | None = None) -> None:
        super().__init__(message, hint=hint, where=where)
        self.code = code


class StateError(TerminalError):
    """Our own database or files are not as they should be."""


class GuardError(TerminalError):
    """A guard of the plan refused; nothing was done. `guards` names those of a plan that did."""

    def __init__(
        self, message: str, *, hint: str | None = None, where: str | None = None, guards: Sequence[str] = ()
    ) -> None:
        super().__init__(message, hint=hint, where=where)
        self.guards = tuple(guards)


class StalePlanError(TerminalError):
    """The world, or the manifests, moved since the plan was made; nothing was done."""


class UsageError(TerminalError):
    """The command's words are off."""


class UnreachableError(TransientError):
    """A host did not answer in time, or answered nonsense or 5xx."""


class LockedError(TransientError):
    """Another apply holds the lease."""


class PartialError(TransientError):
    """The plan is committed, but some host has not got everything yet; repeating the command does the remainder."""


def of_system(error: OSError) -> StateError:
    """What the operating system refused: a folder that is read-only, a disk that is full."""
    return StateError(
        f"the system refuses: {(error.strerror or type(error).__name__).lower()}",
        where=None if error.filename is None else str(error.filename),
        hint="the state is safe; repeat the command when that is mended",
    )
