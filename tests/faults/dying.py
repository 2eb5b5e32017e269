"""A gateway's process that ends itself at a given instant, as power cuts do; started by tests/bazaar.py.

`never`, or `before Book`, `after Note accepted`, ...: before or after the database has committed a work of payments.books, and, after
it, only where it has left the payment in that state. `after it is sent` is the instant at which ARC has taken a payment and nobody knows.
What is noted of an earlier payment, which only waits for its block, kills nobody: it may come before the buyer has paid.
"""

from __future__ import annotations

import os
import signal

from reconciler.model.payment import PaymentState
from reconciler.payments.books import Note
from reconciler.payments.network import Network
from reconciler.payments.till import Till
from reconciler.store.database import Database
from reconciler.store.works import Work

SENT = "after it is sent"


HELD = 3.0
"""Seconds for which a payment is waited for here, where nobody else waits."""


def install(when: str) -> None:
    """Have this process die then."""
    Till.__init__.__kwdefaults__["hold_seconds"] = HELD
    if when == SENT:
        _wrap_sending()
    elif when != "never":
        _wrap_writing(*when.split())


def _wrap_writing(moment: str, name: str, state: str | None = None) -> None:
    honest = Database._ordered

    async def ordered(database: Database, work: Work, *, is_brief: bool) -> object:
        if type(work).__name__ != name:
            return await honest(database, work, is_brief=is_brief)
        noted = work.payment if isinstance(work, Note) else None
        if moment == "before" and not (noted and _only_waits(noted)):
            _die()
        result = await honest(database, work, is_brief=is_brief)
        left = getattr(result, "state", None)
        if moment == "after" and state in {None, left} and not (noted and noted.state is left):
            _die()
        return result

    Database._ordered = ordered


def _wrap_sending() -> None:
    honest = Network._report

    async def report(network: Network, payment: object) -> object:
        answered = await honest(network, payment)
        if not _only_waits(payment):
            _die()
        return answered

    Network._report = report


def _only_waits(payment: object) -> bool:
    return getattr(payment, "state", None) is not PaymentState.PENDING


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
