"""Completing a command line: the words that may stand next, for the scripts of `overlay completion`.

The shells call the command itself, with the words so far as its arguments and COMPLETING in the environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from reconciler.cli.arguments import FLAGS, VALUES
from reconciler.cli.menu import Menu
from reconciler.model.ids import Network

COMPLETING: Final = "_OVERLAY_COMPLETE"
"""Names the shell that asks."""

_BASH: Final = """\
_overlay() {
    local IFS=$'\\n'
    COMPREPLY=( $(_OVERLAY_COMPLETE=bash "$1" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) )
}
complete -o default -F _overlay overlay"""
_ZSH: Final = """\
#compdef overlay
_overlay() {
    local -a found
    found=("${(@f)$(_OVERLAY_COMPLETE=zsh "${words[1]}" "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${found[1]}" ]]; then _describe overlay found; else _files; fi
}
compdef _overlay overlay"""
_FISH: Final = """\
complete --command overlay --arguments \
'(env _OVERLAY_COMPLETE=fish overlay (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'"""

SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""What each shell has to read."""
_SEPARATORS: Final = {"zsh": ":", "fish": "\t"}
"""Between a word and what it is for; bash shows words only."""


class Parameter(Protocol):
    """An argument or option of a command, as far as completing needs it."""

    @property
    def opts(self) -> Sequence[str]: ...  # noqa: D102  # its names


class Command(Protocol):
    """A command, as Typer makes them."""

    @property
    def params(self) -> Sequence[Parameter]: ...  # noqa: D102  # arguments and options

    def get_short_help_str(self) -> str: ...  # noqa: D102  # one line


@runtime_checkable
class Group(Protocol):
    """A command that has commands."""

    @property
    def commands(self) -> Mapping[str, Command]: ...  # noqa: D102  # by name


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that may stand next, and what it is for."""

    word: str
    purpose: str


def answer(root: Command, words: Sequence[str], shell: str) -> list[str]:
    """What a shell is told: a line for each word that may be meant by the last of `words`; none where files may."""
    separator = _SEPARATORS.get(shell)
    return [
        each.word if separator is None else f"{each.word}{separator}{each.purpose}" for each in candidates(root, words)
    ]


def candidates(root: Command, words: Sequence[str]) -> list[Candidate]:
    """The words that may be meant by the last of `words`, which has only begun."""
    *before, begun = words or [""]
    command, awaiting = _reached(root, before)
    found: Iterable[Candidate]
    if awaiting is not None:
        found = [Candidate(each.value, "") for each in Network] if awaiting == "--network" else []
    else:
        found = _options(command) if begun.startswith("-") else _commands(command)
    return [candidate for candidate in found if candidate.word.startswith(begun)]


def _reached(root: Command, words: Sequence[str]) -> tuple[Command, str | None]:
    """The command that complete words lead to, and the option among them that still waits for its value."""
    command = root
    remaining = iter(words)
    for word in remaining:
        if word in VALUES or _takes_value(command, word):
            if next(remaining, None) is None:
                return command, word
        elif isinstance(command, Group) and word in command.commands:
            command = command.commands[word]
    return command, None


def _takes_value(command: Command, word: str) -> bool:
    return any(word in option.opts and not getattr(option, "is_flag", True) for option in command.params)


def _commands(command: Command) -> Iterator[Candidate]:
    if isinstance(command, Group):
        listed = command.lines if isinstance(command, Menu) else command.commands
        for name, each in listed.items():
            yield Candidate(name, each.get_short_help_str())


def _options(command: Command) -> Iterator[Candidate]:
    for option in command.params:
        for name in option.opts:
            if name.startswith("--"):
                yield Candidate(name, str(getattr(option, "help", None) or ""))
    for name, purpose in {**VALUES, **FLAGS}.items():
        if name.startswith("--"):
            yield Candidate(name, purpose)
