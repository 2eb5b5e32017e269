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
from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey, digest
from reconciler.model.keys import KeyRef, delivery_key
from reconciler.wire.brc121 import RECEIPT_HEADER, Price, SimplePayment
from reconciler.wire.http import ANSWER, Http, Reply

_FIRST: Final = 10.0
"""Seconds for the request that is not paid for."""


class Opener(Protocol):
    """The payer's keys."""

    def decrypt(self, key: KeyRef, ciphertext: bytes) -> bytes:
        """BRC-2 decryption of what the counterparty of `key` encrypted for us. Raises VerificationError."""
        ...


def content_of(reply: Reply, keys: Opener, server: IdentityKey) -> bytes:
    """What an answer of a gateway of ours gives to the sender alone. Raises VerificationError where it is not for `keys`."""
    try:
        receipt = digest(reply.headers.get(RECEIPT_HEADER, ""))
    except ValueError as error:
        raise VerificationError(
            "the answer names no receipt under which it could be opened", where=reply.url
        ) from error
    return keys.decrypt(delivery_key(receipt, server), reply.body)


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
