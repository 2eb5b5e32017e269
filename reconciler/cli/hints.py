"""What to do about errors, where only the command line knows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Network


@contextmanager
def hinting(network: Network) -> Iterator[None]:
    """Where nobody answers while the block runs, say how to see who does: below, nobody knows which network it is."""
    try:
        yield
    except UnreachableError as error:
        if error.hint is None:
            error.hint = (
                "the network local is there while `overlay devnet up` runs"
                if network is Network.LOCAL
                else "repeat the command later; `overlay doctor` asks everybody that an apply has to reach"
            )
        raise
