"""Paying for requests that nobody signs (BRC-121): one payment a call, and never another one (PROTOCOL §7).

What is bought by it comes encrypted to the sender. A 402 after a payment means that it was refused, or has bought already: both
look alike to whoever only has the answer, so nothing is paid again, and the receipts that the answer names tell them apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from reconciler.clients.payment import HELD, PATIENCE, Pausing, conversation, driven
from reconciler.model.amounts import Satoshis
from reconciler.wire.brc121 import Price, SimplePayment
from reconciler.wire.http import ANSWER, Http, Reply

_FIRST: Final = 10.0
"""Seconds for the request that is not paid for."""


class SimplePayer(Protocol):
    """Whoever makes payments. One that must not lose money writes a payment down before it gives it away."""

    async def pay(self, price: Price) -> SimplePayment:
        """Pay what is asked, by a new nonce, at this time: the server takes it for half a minute.

        Called at most once a conversation, with a price within its cap. Raises whatever means that nothing was paid.
        """
        ...


async def request_paid(
    http: Http,
    payer: SimplePayer,
    method: str,
    url: str,
    *,
    cap: Satoshis,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    payment: SimplePayment | None = None,
    limit: int = ANSWER,
    patience: float = PATIENCE,
    pause: Pausing = asyncio.sleep,
) -> Reply:
    """Make a request, pay up to `cap` where it is answered 402, and give the last answer.

    `http` signs nothing. See `clients.payment.conversation` for `payment` and for what is raised.
    """

    async def ask(more: Mapping[str, str]) -> Reply:
        return await http.request(
            method,
            url,
            headers={**(headers or {}), **more},
            content=content,
            within=HELD if more else _FIRST,
            limit=limit,
        )

    talk = conversation(Price.parse, payer.pay, cap=cap, payment=payment, patience=patience, pause=pause)
    return await driven(talk, ask)
