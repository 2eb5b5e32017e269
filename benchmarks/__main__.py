"""`python -m benchmarks [LINE…] [--quick]`: measures, and prints one table."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import (
    access,
    apply,
    authentication,
    busy,
    content,
    depth,
    growth,
    hashing,
    lookup,
    paid,
    parse,
    plan,
    startup,
    submit,
)
from benchmarks.setting import Line, Row, Setting, table

LINES: Final[dict[str, Line]] = {
    "startup": startup,
    "plan": plan,
    "parse": parse,
    "hashing": hashing,
    "apply": apply,
    "submit": submit,
    "lookup": lookup,
    "busy": busy,
    "growth": growth,
    "depth": depth,
    "authentication": authentication,
    "paid": paid,
    "access": access,
    "content": content,
}

_CACHE: Final = Path.home() / ".cache" / "overlay-benchmarks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the lines that are asked for; 1 where a budget is not met."""
    asked = _parsed(arguments)
    with_peers = not asked.quick and shutil.which("node") is not None and shutil.which("npm") is not None
    if not with_peers and not asked.quick:
        _tell("Node and npm are not installed: there is nobody to compare with, and the peers' columns stay empty")
    rows: list[Row] = []
    for name in asked.lines or LINES:
        with tempfile.TemporaryDirectory(prefix="overlay-benchmarks-", dir=asked.folder) as folder:
            setting = Setting(
                folder=Path(folder),
                cache=asked.cache,
                rounds=1 if asked.quick else asked.rounds,
                seconds=0.2 if asked.quick else asked.seconds,
                with_peers=with_peers,
                scale=0.01 if asked.quick else 1,
                tell=_tell,
            )
            for row in LINES[name].measure(setting):
                _tell(f"{row.work}: {row.ours}" + ("" if row.peer is None else f"; the peer: {row.peer}"))
                rows.append(row)
    print(f"{_machine()}\n\n{table(rows)}")
    return 1 if any(row.is_met is False for row in rows) else 0


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("lines", nargs="*", metavar="LINE", choices=[[], *LINES], help=f"any of {', '.join(LINES)}")
    parser.add_argument("--quick", action="store_true", help="see that the scripts work: tiny, without peers")
    parser.add_argument("--rounds", type=int, default=3, help="of each side, in turns (default 3)")
    parser.add_argument("--seconds", type=float, default=3, help="for each round of each side (default 3)")
    parser.add_argument("--cache", type=Path, default=_CACHE, help=f"where peers are installed (default {_CACHE})")
    parser.add_argument("--folder", type=Path, help="where databases lie while they are measured: on a real disk")
    return parser.parse_args(arguments)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.system()} {platform.release()}, {platform.machine()}, {cores} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
