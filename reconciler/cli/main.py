"""The `overlay` command: from words to one operation to an exit code."""

from __future__ import annotations

import gc
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from typer.exceptions import Exit, TyperException

from reconciler import __version__
from reconciler.cli import errors
from reconciler.cli.arguments import Globals, split_globals
from reconciler.cli.console import Console, spell_out
from reconciler.cli.escaping import printable_lines
from reconciler.cli.invocation import Invocation
from reconciler.cli.menu import Menu
from reconciler.cli.mistyped import mistyped
from reconciler.cli.words import COMPLETING, answer
from reconciler.model.errors import OverlayError, of_system

_TALKATIVE = ("asyncio", "sqlalchemy", "psycopg")
"""Libraries that print a traceback for a task that was stopped; --debug lets them."""
_YOUNG: Final = 50_000
"""New objects after which Python looks for cycles. What is imported and loaded stays, so that to walk all of it after each 700,
Python's own number, finds nothing, and takes a tenth of a plan."""

app = typer.Typer(
    name="overlay",
    cls=Menu,
    help="Make the BSV overlay network match what your manifests say.",
    epilog="Anywhere on the line: -C DIR, --network NAME, -v, -q, --debug.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"overlay {__version__}")
        raise Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def run() -> None:
    """The console script: a command, or a shell that asks how one may go on."""
    gc.set_threshold(_YOUNG)
    arguments, shell = sys.argv[1:], os.environ.get(COMPLETING)
    if shell is None:
        sys.exit(main(arguments))
    print("\n".join(answer(typer.main.get_command(app), arguments, shell)))  # noqa: T201 - the edge


def main(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code (DESIGN §8)."""
    spell_out(sys.stdout, sys.stderr)
    options = Globals()
    try:
        options, rest = split_globals(arguments)
        if not options.debug:
            for library in _TALKATIVE:
                logging.getLogger(library).addHandler(logging.NullHandler())
        console = Console.of(options, os.environ)
        invocation = Invocation(options=options, console=console, environment=dict(os.environ))
        code = typer.main.get_command(app).main(args=rest, prog_name="overlay", standalone_mode=False, obj=invocation)
    except TyperException as error:
        said = mistyped(error) if isinstance(error, typer.BadParameter) else None
        return _usage(error) if said is None else _failed(said, options)
    except OverlayError as error:
        return _failed(error, options)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            return _failed(of_system(error), options)
        _forget_output()  # whoever read our output has gone; nothing more can be said
        return errors.ERROR
    except KeyboardInterrupt:  # before the command had begun
        return errors.INTERRUPTED
    return code if isinstance(code, int) else errors.DONE


def _forget_output() -> None:
    """Let Python flush what is left into nothing when it ends."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def _usage(error: TyperException) -> int:
    shown = getattr(error, "show", None)
    if shown is None:
        print(f"Error: {error.format_message()}", file=sys.stderr)  # noqa: T201 - the edge
    else:
        shown(file=sys.stderr)
    return errors.ERROR


def _failed(error: OverlayError, options: Globals) -> int:
    if options.debug:
        traceback.print_exc()
    print(printable_lines(errors.as_text(error)), file=sys.stderr)  # noqa: T201 - the edge
    return errors.exit_code(error)
