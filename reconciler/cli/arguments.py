"""What every command takes: global options, wherever they stand on the command line, as one value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.model.errors import UsageError
from reconciler.model.ids import Network

FLAGS: Final = {
    "-v": "Say more.",
    "--verbose": "Say more.",
    "-q": "Say only what the command is for.",
    "--quiet": "Say only what the command is for.",
    "--debug": "Show tracebacks.",
}
"""Global options, with what they are for."""
VALUES: Final = {
    "-C": "Run as if started in this directory.",
    "--directory": "Run as if started in this directory.",
    "--network": "embedded, local, test or main.",
}
"""Those that take a value."""
_DURATION: Final = re.compile(r"0|(?P<number>[0-9]{1,9}(\.[0-9]{1,9})?)(?P<unit>ms|s|m|h|d)")
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Globals:
    """Options that mean the same for every command."""

    directory: Path | None = None
    """Run as if started there."""
    network: Network | None = None
    verbose: bool = False
    quiet: bool = False
    debug: bool = False
    """Show tracebacks."""

    def words(self) -> list[str]:
        """The same on a command line."""
        flags = {"--verbose": self.verbose, "--quiet": self.quiet, "--debug": self.debug}
        values = {"--directory": self.directory, "--network": self.network}
        return [
            *(flag for flag, is_given in flags.items() if is_given),
            *(f"{name}={value}" for name, value in values.items() if value is not None),
        ]


def split_globals(arguments: Sequence[str]) -> tuple[Globals, list[str]]:
    """Take the global options out of a command line. Raises UsageError for one without its value."""
    given: dict[str, str] = {}
    rest: list[str] = []
    remaining = iter(arguments)
    for word in remaining:
        if word == "--":
            rest += [word, *remaining]
            break
        name, equals, value = word.partition("=")
        if word in FLAGS:
            given[word] = ""
        elif name in VALUES:
            given[name] = value if equals else _next(remaining, name)
        else:
            rest.append(word)
    return _globals(given), rest


def network(text: str) -> Network:
    """A network by name. Raises UsageError."""
    try:
        return Network(text)
    except ValueError:
        raise UsageError(
            f"there is no network {text!r}", hint=f"one of {', '.join(known.value for known in Network)}"
        ) from None


def seconds(text: str) -> float:
    """A duration such as `500ms`, `1s`, `5m`, `24h`, `7d` or `0`, in seconds. Raises UsageError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no duration", hint="such as 500ms, 1s, 5m, 24h, 7d or 0")
    return float(found["number"]) * _UNITS[found["unit"]] if found["unit"] else 0.0


def _next(remaining: Iterator[str], name: str) -> str:
    value = next(remaining, None)
    if value is None:
        raise UsageError(f"{name} needs a value")
    return value


def _globals(given: Mapping[str, str]) -> Globals:
    directory = given.get("-C") or given.get("--directory")
    named = given.get("--network")
    return Globals(
        directory=Path(directory) if directory else None,
        network=network(named) if named is not None else None,
        verbose=not given.keys().isdisjoint({"-v", "--verbose"}),
        quiet=not given.keys().isdisjoint({"-q", "--quiet"}),
        debug="--debug" in given,
    )


def manifest_paths(paths: Sequence[Path], directory: Path) -> tuple[Path, ...]:
    """The manifests meant: those named, else ./producer.yaml, else ./overlay/. Raises UsageError listing what was tried."""
    if paths:
        return tuple(directory / path for path in paths)
    for candidate in (directory / "producer.yaml", directory / "overlay"):
        if candidate.exists():
            return (candidate,)
    raise UsageError(
        "no manifest was named, and there is none here",
        where=str(directory),
        hint="looked for ./producer.yaml and ./overlay/; `overlay init` writes one",
    )
