"""Where a command's words go: results to stdout, everything else to stderr; colours only for a terminal that wants them."""

from __future__ import annotations

import codecs
import io
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, TextIO

from reconciler.cli.arguments import Globals
from reconciler.cli.escaping import printable, printable_lines
from reconciler.model.errors import UsageError

NARROW: Final = 80
"""Columns assumed where there is no terminal."""

_SPELLED: Final = {"…": "...", "✓": "ok", "✗": "!!", "·": "-"}
"""Our own signs, for a stream whose encoding has none of them."""
_SPELLING: Final = "overlay-spelling"


def _spell(error: UnicodeError) -> tuple[str, int]:
    """What cannot be encoded, in ASCII: our signs as words, everything else as code points (an error handler of codecs)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_SPELLED.get(char, f"\\u{ord(char):04x}") for char in lost), error.end


codecs.register_error(_SPELLING, _spell)


def spell_out(*streams: TextIO | None) -> None:
    """Let streams write any text whatever their encoding: a locale of the machine is no reason to break off an apply."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_SPELLING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """How this run may speak."""

    width: int
    colour: bool
    interactive: bool
    """Whether a person can be asked."""
    quiet: bool
    verbose: bool

    @classmethod
    def of(cls, options: Globals, environment: Mapping[str, str]) -> Self:
        """From what stdout and stdin are, and NO_COLOR, TERM and the global options."""
        terminal = _is_terminal(sys.stdout)
        return cls(
            width=shutil.get_terminal_size((NARROW, 24)).columns if terminal else NARROW,
            colour=terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb",
            interactive=terminal and _is_terminal(sys.stdin),
            quiet=options.quiet,
            verbose=options.verbose,
        )

    def result(self, text: str) -> None:
        """A line, or several, of what the command is for."""
        self.styled(printable_lines(text))

    def styled(self, text: str) -> None:
        """The same, of a view that has written its own colours, and everything else so that no terminal obeys it."""
        print(text, flush=True)  # noqa: T201 - this is where printing is done

    def document(self, value: object) -> None:
        """The result as one JSON line: in UTF-8, and in ASCII where that cannot be written, or a terminal would obey it."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
        if not (text.isprintable() and _is_unicode(sys.stdout)):
            text = json.dumps(value, separators=(",", ":"), default=str)
        self.styled(text)

    def note(self, text: str) -> None:
        """Something to know on the way; --quiet drops it."""
        if not self.quiet:
            self.complain(text)

    def detail(self, text: str) -> None:
        """Something for the curious: --verbose."""
        if self.verbose:
            self.complain(text)

    def complain(self, text: str) -> None:
        """Something that is said whatever the options."""
        print(printable_lines(text), file=sys.stderr, flush=True)  # noqa: T201 - as above

    def overwrite(self, text: str) -> None:
        """The same, in place of the line before, for a terminal that can do so; a log would have a line for each."""
        if not _is_terminal(sys.stderr):
            return
        text = printable(text)
        print(f"\r{text:{self.width - 1}.{self.width - 1}}", end="", file=sys.stderr, flush=True)  # noqa: T201 - as above

    def check_askable(self, *, yes: bool) -> None:
        """Raises UsageError, before anything is done, where a question could not be answered."""
        if not yes and not self.interactive:
            raise UsageError("nobody can be asked here", hint="add --yes to go on without asking")


def _is_unicode(stream: TextIO | None) -> bool:
    """Whether a stream can hold every character."""
    return stream is None or (stream.encoding or "utf-8").lower().replace("_", "-").startswith("utf")


def _is_terminal(stream: TextIO | None) -> bool:
    """A stream that was closed before the start is None."""
    return stream is not None and stream.isatty()
