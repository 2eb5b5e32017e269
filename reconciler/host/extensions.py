"""Topics and look-up services of third parties, found by the entry points of what is installed (docs/extending.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from reconciler.host.services import Lookup, Topic
from reconciler.model.errors import StateError

TOPICS: Final = "overlay_reconciler.topics"
LOOKUPS: Final = "overlay_reconciler.lookups"

_NAME: Final = re.compile(r"(?=.{1,50}$)(?:tm|ls)(?:_[a-z]+)+")
"""What every host of the network takes for a name (BRC-87, WIRE §4.2)."""

_OURS: Final = re.compile(r"(?:tm|ls)_(?:ship|slap|uhrp|data_.*)")

_MEND: Final = "mend or uninstall that package"


@dataclass(frozen=True, slots=True)
class Extensions:
    """What third parties add to a host."""

    topics: tuple[Topic, ...] = ()
    lookups: tuple[Lookup, ...] = ()


def installed() -> Extensions:
    """Everything that the installed packages offer.

    Raises StateError for what cannot be loaded, is no such service, or has a name that is ours or another package's: a host
    that silently lacks a topic would refuse what its operator believes that it takes.
    """
    return Extensions(
        topics=tuple(_topic(entry) for entry in _found(TOPICS)),
        lookups=tuple(_lookup(entry) for entry in _found(LOOKUPS)),
    )


def _topic(entry: EntryPoint) -> Topic:
    made = _made(entry, "tm_")
    if not isinstance(made, Topic) or made.name != entry.name:
        raise _broken(entry, "it is no Topic of that name (reconciler/host/services.py)")
    return made


def _lookup(entry: EntryPoint) -> Lookup:
    made = _made(entry, "ls_")
    if not isinstance(made, Lookup) or made.name != entry.name:
        raise _broken(entry, "it is no Lookup of that name (reconciler/host/services.py)")
    return made


def _found(group: str) -> Iterable[EntryPoint]:
    """By name, each once."""
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=group), key=lambda each: (each.name, _package(each))):
        former = found.setdefault(entry.name, entry)
        if _package(former) != _package(entry) or former.value != entry.value:
            raise StateError(
                f"both {_package(former)} and {_package(entry)} offer {entry.name}", where=group, hint="uninstall one"
            )
    return found.values()


def _made(entry: EntryPoint, prefix: str) -> object:
    if not _NAME.fullmatch(entry.name) or not entry.name.startswith(prefix):
        raise _broken(entry, f"the name must be {prefix} and lower-case words with underscores, 50 characters at most")
    if _OURS.fullmatch(entry.name):
        raise _broken(entry, "the name is taken by this program")
    try:
        return entry.load()()
    except (ImportError, AttributeError, SyntaxError, TypeError) as error:
        raise _broken(entry, f"it cannot be loaded: {error}") from error


def _broken(entry: EntryPoint, why: str) -> StateError:
    return StateError(f"{entry.name} of {_package(entry)} is not usable: {why}", where=entry.value, hint=_MEND)


def _package(entry: EntryPoint) -> str:
    return "an unknown package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
