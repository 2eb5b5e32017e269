"""The commands that there are, in the order in which help shows them; each is loaded when it is called, or asked for its help.

Whatever one command needs is imported for it alone. So the list of all of them stands here, with a line for each, and not
in their modules; a test holds the two alike.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group
from typer.models import CommandInfo

from reconciler.cli import commands


@dataclass(frozen=True, slots=True)
class Entry:
    """One command."""

    module: str
    """Of reconciler.cli.commands; its `register` adds the command."""
    summary: str
    """The first sentence of its help."""


ENTRIES: Final[Mapping[str, Entry]] = {
    "init": Entry("init", "Write a first manifest, with a small dataset to publish."),
    "validate": Entry("validate", "Check manifests, and that the content they name is there."),
    "fmt": Entry("fmt", "Write manifests in their canonical form: order, spacing."),
    "schema": Entry("schema", "Print the JSON Schema of manifests."),
    "explain": Entry("explain", "Say what a kind or field means."),
    "doctor": Entry("doctor", "Check this machine, and everybody that an apply has to reach."),
    "completion": Entry("completion", "Print what lets a shell complete commands and options."),
    "plan": Entry("plan", "Show what would change, and what it costs in satoshis."),
    "apply": Entry("apply", "Make the overlay match the manifests: all or nothing."),
    "destroy": Entry("destroy", "Delete all that is published, the producer itself, too."),
    "watch": Entry("watch", "Keep the overlay as the manifests say, from now on."),
    "status": Entry("status", "Show what is live, where, and what is still on its way."),
    "show": Entry("status", "Show one live object with all that is known of it."),
    "history": Entry("status", "Walk the chain of versions back, newest first."),
    "serve": Entry("serve", "Serve the catalog and the producer's own host."),
    "consumer": Entry("consumer", "Find data, prove who offers it, pay, download."),
    "state": Entry("state", "The recorded state, and its restoration."),
    "identity": Entry("identity", "The producer's identity key."),
    "wallet": Entry("wallet", "The coins that pay for applies."),
    "db": Entry("db", "The database's shape."),
    "devnet": Entry("devnet", "The toy world: chain, ARC, a public host, three storage hosts."),
}


class Menu(TyperGroup):
    """All of them as Typer has them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(ENTRIES)
        self.lines: dict[str, Any] = {name: TyperCommand(name, help=each.summary) for name, each in ENTRIES.items()}
        """What a list shows of each."""

    def list_commands(self, _context: Any) -> list[str]:
        """Their names, in order."""
        return list(self.lines)

    def format_commands(self, context: Any, formatter: Any) -> None:
        """Write the list, and load none of them."""
        TyperGroup(commands=self.lines).format_commands(context, formatter)


class Command(TyperCommand):
    """A command whose help calls arguments what its usage line calls them, without the types that Python has for them."""

    def format_options(self, context: Any, formatter: Any) -> None:
        """Write arguments and options."""
        rows: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for parameter in self.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None:
                is_argument = parameter.param_type_name == "argument"
                name = f"{parameter.metavar}{'...' if parameter.nargs < 0 else ''}" if is_argument else record[0]
                rows[parameter.param_type_name].append((name, record[1]))
        for kind, listed in rows.items():
            if listed:
                with formatter.section(f"{kind.capitalize()}s"):
                    formatter.write_dl(listed)


def _registered(app: typer.Typer) -> Iterator[CommandInfo]:
    """All commands of an application, those of its groups, too."""
    yield from app.registered_commands
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from _registered(group.typer_instance)


class _Commands(UserDict[str, Any]):
    """Entries by name; what is looked up is the command itself, made of its module."""

    def __getitem__(self, name: str) -> Any:
        made = typer.Typer(rich_markup_mode=None)
        getattr(commands, self.data[name].module).register(made)
        for each in _registered(made):
            each.cls = Command
        return get_group(made).commands[name]
