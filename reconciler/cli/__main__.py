"""`python -m reconciler.cli`: the command, without its script."""

from reconciler.cli.main import run

run()
