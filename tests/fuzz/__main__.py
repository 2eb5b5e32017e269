"""Fuzz every group of targets with atheris, one process each: `python -m tests.fuzz --seconds 60 [GROUP...]`.

What is found is written beside the corpus, and named; `python -m tests.fuzz --again FILE GROUP` runs one input once more.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz.targets import GROUPS, seeds

LONGEST = 4096
"""Bytes of an input; heavier ones are tests/fuzz/test_parsers.py's."""
HANGS = 20
"""Seconds for one."""
MEMORY = 2048
"""MiB for the process."""


def main() -> int:
    """Run the groups that were asked for, all by default; 1 where one of them has found something."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("groups", nargs="*", choices=[*GROUPS, []], metavar="GROUP", help=", ".join(GROUPS))
    asked.add_argument("--seconds", type=int, default=60, help="in all")
    asked.add_argument("--corpus", type=Path, help="a folder that is kept; without, a new one")
    asked.add_argument("--again", type=Path, help="an input that has been found")
    options = asked.parse_args()
    groups = options.groups or [*GROUPS]
    if options.again is not None:
        for group in groups:
            for target in GROUPS[group].values():
                target(options.again.read_bytes())
        return 0
    with _folder(options.corpus) as corpus:
        found = [group for group in groups if not _fuzz(group, corpus, max(1, options.seconds // len(groups)))]
    _say(f"found something in: {', '.join(found)}" if found else f"nothing found in {', '.join(groups)}")
    return bool(found)


def _fuzz(group: str, corpus: Path, seconds: int) -> bool:
    """One group, in a process of its own: a fuzzer ends with its process."""
    folder = corpus / group
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (folder / f"seed-{number:04}").write_bytes(seed)
    limits = (f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-timeout={HANGS}", f"-rss_limit_mb={MEMORY}")
    quiet = ("-verbosity=0", "-print_final_stats=1", f"-artifact_prefix={corpus}/{group}-")
    command = [sys.executable, "-m", "tests.fuzz.fuzzer", group, *limits, *quiet, str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    runs = next((line.split()[-1] for line in ended.stderr.splitlines() if "number_of_executed_units" in line), "no")
    _say(f"{group}: {runs} runs in {seconds} s")
    if ended.returncode:
        _say(f"{ended.stdout[-4000:]}\n{ended.stderr[-6000:]}")
    return ended.returncode == 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


if __name__ == "__main__":
    sys.exit(main())
