"""`Producer.notify`, wired: whom to tell, and where the keys of signatures are."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from reconciler.cli.doors import door
from reconciler.cli.invocation import Invocation
from reconciler.cli.places import Places
from reconciler.cli.wiring import Subject, clock
from reconciler.control.happenings import Happening
from reconciler.control.notify import Notifier, receivers_of
from reconciler.model.errors import OverlayError


async def notify(invocation: Invocation, subject: Subject, happenings: Sequence[Happening]) -> tuple[OverlayError, ...]:
    """Tell whom the subject's producer names of what happened; who could not be told, and why."""
    receivers = receivers_of(subject.producer_sealed)
    if not receivers or not happenings:
        return ()
    async with door(invocation.environment) as http:
        notifier = Notifier(
            http=http,
            receivers=receivers,
            secrets=Places(invocation, "the secret of a webhook"),
            producer=subject.producer_name,
            network=subject.network,
            clock=clock,
            randomness=secrets.token_bytes,
        )
        return await notifier.notify(happenings)


class Mailbag:
    """What happened and is still to be told. `unheard` hears of those who could not be."""

    def __init__(self, invocation: Invocation, unheard: Callable[[OverlayError], None]) -> None:
        self._invocation = invocation
        self._unheard = unheard
        self._waiting: list[Happening] = []

    def put(self, happening: Happening) -> None:
        """Something happened."""
        self._waiting.append(happening)

    async def send(self, subject: Subject | None) -> None:
        """Tell all of it; without a subject nobody is known who wants to hear."""
        happenings, self._waiting = self._waiting, []
        for error in () if subject is None else await notify(self._invocation, subject, happenings):
            self._unheard(error)
