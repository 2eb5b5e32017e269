"""What topics think of a transaction, found out before its turn to be written: signatures take longer than all the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from reconciler.host.services import Topic
from reconciler.model.errors import VerificationError
from reconciler.wire.submission import Admittance
from reconciler.wire.transaction import Transaction, TxOutput

T = TypeVar("T")

_SMALL: Final = 4096
"""Bytes that are looked through in less time than a thread is worth going to."""


async def aside(size: int, work: Callable[[], T]) -> T:
    """Do work over so many bytes: where they are many in a thread, so that other requests go on meanwhile."""
    return work() if size <= _SMALL else await asyncio.to_thread(work)


class Opinions:
    """Of one transaction."""

    def __init__(self, transaction: Transaction, off_chain: bytes | None) -> None:
        self._transaction = transaction
        self._off_chain = off_chain
        self._formed: dict[str, Admittance | None] = {}

    async def form(self, topics: Iterable[Topic]) -> None:
        """Ask topics as though the transaction spent nothing of theirs, which is mostly so; else they are asked again."""
        wanted = tuple(topics)
        self._formed = await aside(
            len(self._transaction.raw), lambda: {topic.name: self._ask(topic, {}) for topic in wanted}
        )

    def of(self, topic: Topic, previous: Mapping[int, TxOutput]) -> Admittance | None:
        """What the transaction means to a topic, outputs of which it spends; None for nothing at all."""
        if not previous and topic.name in self._formed:
            return self._formed[topic.name]
        return self._ask(topic, previous)

    def _ask(self, topic: Topic, previous: Mapping[int, TxOutput]) -> Admittance | None:
        try:
            return topic.admit(self._transaction, previous, self._off_chain)
        except VerificationError:  # as in the reference: it means nothing to this topic, others may take it
            return None
