"""The log of commands that run for long, on stderr: for people at a terminal, JSON lines anywhere else."""

from __future__ import annotations

import logging
import sys
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from reconciler.cli.console import Console

_COMMON: Final[tuple[Processor, ...]] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def log_of(console: Console) -> FilteringBoundLogger:
    """A log as loud as the run was told to be: --verbose shows single steps, --quiet only what goes wrong."""
    level = logging.WARNING if console.quiet else logging.DEBUG if console.verbose else logging.INFO
    is_read = sys.stderr.isatty()
    last: Processor = (
        structlog.dev.ConsoleRenderer(colors=console.colour) if is_read else structlog.processors.JSONRenderer()
    )
    made: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[*_COMMON, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return made
