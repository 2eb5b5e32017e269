"""Asking whoever sits at the terminal."""

from __future__ import annotations

import asyncio
import sys
from typing import TextIO


async def confirmed(question: str, word: str = "yes") -> bool:
    """Ask; only one word is accepted. Heartbeats and signals go on meanwhile."""
    print(f"{question} Only '{word}' is accepted: ", end="", file=sys.stderr, flush=True)  # noqa: T201 - as Console does
    return (await _line(sys.stdin)).strip() == word


async def _line(terminal: TextIO) -> str:
    """A line from a terminal, which is readable when the line is complete."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(terminal, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(terminal)
    return terminal.readline()
