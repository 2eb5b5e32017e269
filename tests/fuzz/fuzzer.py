"""One group of targets under atheris, which ends the process: run by `python -m tests.fuzz`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["reconciler"]):
    from tests.fuzz.targets import GROUPS


def main() -> None:
    """`fuzzer.py GROUP`, and what libFuzzer takes. The first byte of an input chooses the target."""
    targets = tuple(GROUPS[sys.argv[1]].values())

    def one(data: bytes) -> None:
        if data:
            targets[data[0] % len(targets)](data[1:])

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
