"""Paying for requests (BRC-105): a 402 is answered with one payment, which is then the only one of that call (PROTOCOL §7).

The conversation is a generator that knows no network. Two drive it: `PayingHttp`, over any `wire.http.Http` that
authenticates, and `PaymentAuth`, a flow for users of plain httpx.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, TypeVar

import httpx

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import identity_key
from reconciler.wire.http import ANSWER, Http, Reply, Streamed
from reconciler.wire.payment import Charge, PaymentHeader

IDENTITY_HEADER: Final = "x-bsv-auth-identity-key"
"""Whom an answer is signed by, and so who is to be paid (BRC-104)."""

PATIENCE: Final = 120.0
"""Seconds for which a paid request is repeated in all."""

_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
HELD: Final = 45.0
"""Seconds: a server may hold a paid request for 30, and then some."""

Pausing: TypeAlias = Callable[[float], Awaitable[None]]
"""Waits so many seconds."""

_Yielded = TypeVar("_Yielded")
_Sent = TypeVar("_Sent")


class Payer(Protocol):
    """Whoever makes payments. One that must not lose money writes a payment down before it gives it away."""

    async def pay(self, charge: Charge) -> PaymentHeader:
        """Pay what is asked: output 0 of a signed transaction to `PaymentHeader.key` of the recipient, with its ancestry.

        Called at most once a conversation, with a charge within its cap. Raises whatever means that nothing was paid.
        """
        ...


class Asked(Protocol):
    """What a 402 asks for, whatever the standard."""

    @property
    def satoshis(self) -> Satoshis:
        """The price."""
        ...


class Sent(Protocol):
    """A payment as it travels, whatever the standard."""

    def headers(self) -> Mapping[str, str]:
        """Those of the request that it pays for."""
        ...


_Asked = TypeVar("_Asked", bound=Asked)


class PriceError(RefusedError):
    """More is asked than the caller allows. Nothing was signed."""

    def __init__(self, charge: Asked, cap: Satoshis) -> None:
        super().__init__(
            f"{charge.satoshis} satoshis are asked for, and {cap} are allowed",
            code="402",
            hint="allow more, or leave it",
        )
        self.charge = charge
        self.cap = cap


class NoPayer:
    """Satisfies Payer, for requests that were paid before: whoever asks again is paid nothing."""

    async def pay(self, charge: Charge) -> PaymentHeader:
        """Raises PriceError."""
        raise PriceError(charge, Satoshis(0))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status and headers (lower-case names)."""

    status: int
    headers: Mapping[str, str]


Talk: TypeAlias = AsyncGenerator[Mapping[str, str], Answer | None]
"""See `conversation`."""


async def conversation(
    read: Callable[[Mapping[str, str]], _Asked],
    pay: Callable[[_Asked], Awaitable[Sent]],
    *,
    cap: Satoshis,
    payment: Sent | None = None,
    patience: float = PATIENCE,
    pause: Pausing = asyncio.sleep,
) -> Talk:
    """One request: yields headers to send it with, takes the answer, or a thrown UnreachableError; the last answer counts.

    `read` finds in a 402's headers what is asked, `pay` pays it. With `payment` (one that was made earlier for this very
    request) nothing else is ever paid. Raises PriceError above `cap`, RefusedError where a second payment is asked for,
    VerificationError where what is asked cannot be paid.
    """
    if payment is None:
        answer = _given((yield {}))
        if answer.status != 402:
            return
        asked = read(answer.headers)
        if asked.satoshis > cap:
            raise PriceError(asked, cap)
        payment = await pay(asked)
    headers = payment.headers()
    waited = 0.0
    while True:  # a payment that is on its way is sent again, never made again
        seconds = _PAUSE
        try:
            answer = _given((yield headers))
        except UnreachableError:
            if waited >= patience:
                raise
        else:
            if answer.status == 402:
                raise RefusedError("the server asks for a second payment of what was paid", code="402")
            if answer.status != 503 or waited >= patience:
                return
            seconds = _retry_after(answer)
        waited += seconds
        await pause(seconds)


async def driven(talk: Talk, ask: Callable[[Mapping[str, str]], Awaitable[Reply]]) -> Reply:
    """The answer that counts, where `ask` sends the request with some more headers. Raises as `conversation` and `ask` do."""
    more = await anext(talk)
    while True:
        try:
            reply = await ask(more)
        except UnreachableError as error:
            more = await talk.athrow(error)
            continue
        following = await _next(talk, Answer(reply.status, reply.headers))
        if following is None:
            return reply
        more = following


async def _next(talk: AsyncGenerator[_Yielded, _Sent], sent: _Sent) -> _Yielded | None:
    """What a conversation yields next; None when it is over."""
    try:
        return await talk.asend(sent)
    except StopAsyncIteration:
        return None


def _given(answer: Answer | None) -> Answer:
    if answer is None:
        raise TypeError("a request is answered by an answer")
    return answer


def charge_of(headers: Mapping[str, str]) -> Charge:
    """What an authenticated 402 asks (lower-case names). Raises VerificationError."""
    try:
        recipient = identity_key(headers.get(IDENTITY_HEADER, ""))
    except ValueError as error:
        raise VerificationError("the server asks for a payment without saying who it is") from error
    return Charge.parse(headers, recipient)


def _retry_after(answer: Answer) -> float:
    text = answer.headers.get("retry-after", "")
    asked = float(text) if text.isascii() and text.isdigit() and len(text) < 6 else _PAUSE
    return min(max(asked, _PAUSE), _LONGEST_PAUSE)


class PayingHttp:
    """Satisfies wire.http.Http; `http` authenticates (clients.auth.AuthenticatedHttp), `payer` pays up to `cap` a request."""

    def __init__(
        self,
        http: Http,
        payer: Payer,
        *,
        cap: Satoshis,
        patience: float = PATIENCE,
        pause: Pausing = asyncio.sleep,
    ) -> None:
        self._http = http
        self._payer = payer
        self._cap = cap
        self._patience = patience
        self._pause = pause

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        within: float = 10.0,
        limit: int = ANSWER,
        payment: PaymentHeader | None = None,
    ) -> Reply:
        """See wire.http.Http.request, and `conversation` for `payment` and what else is raised.

        A body that can be sent only once is sent once: its 402 is the answer. A paid request waits for at least half a minute
        (a server holds it that long while it asks the network).
        """
        if content is not None and not isinstance(content, bytes):
            return await self._http.request(method, url, headers=headers, content=content, within=within, limit=limit)

        async def ask(more: Mapping[str, str]) -> Reply:
            return await self._http.request(
                method,
                url,
                headers={**(headers or {}), **more},
                content=content,
                within=max(within, HELD) if more else within,
                limit=limit,
            )

        pay, pause = self._payer.pay, self._pause
        talk = conversation(charge_of, pay, cap=self._cap, payment=payment, patience=self._patience, pause=pause)
        return await driven(talk, ask)

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, within: float = 10.0
    ) -> AbstractAsyncContextManager[Streamed]:
        """See wire.http.Http.stream; nothing is paid for."""
        return self._http.stream(url, headers=headers, within=within)


class PaymentAuth(httpx.Auth):
    """For `httpx.AsyncClient(auth=...)`: pays up to `cap` for a request that `inner`, such as clients.auth.BrcAuth, authenticates.

    It is `inner` that knows who is to be paid: one that does not check signatures would have anybody paid. Where the network fails, httpx raises, and the payment is to be brought again as `payment`. Redirects of such requests are
    refused: use a client that does not follow them.
    """

    def __init__(
        self,
        payer: Payer,
        *,
        cap: Satoshis,
        inner: httpx.Auth,
        payment: PaymentHeader | None = None,
        patience: float = PATIENCE,
        pause: Pausing = asyncio.sleep,
    ) -> None:
        self._payer = payer
        self._cap = cap
        self._inner = inner
        self._payment = payment
        self._patience = patience
        self._pause = pause

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Raises RuntimeError: paying takes an async client."""
        raise RuntimeError(f"{request.url} may have to be paid for, which takes an httpx.AsyncClient")

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See httpx.Auth; raises as `conversation` does."""
        body = await request.aread()
        talk = conversation(
            charge_of,
            self._payer.pay,
            cap=self._cap,
            payment=self._payment,
            patience=self._patience,
            pause=self._pause,
        )
        more: Mapping[str, str] | None = await anext(talk)
        while more is not None:
            flow = self._inner.async_auth_flow(_copy(request, body, more))
            step: httpx.Request | None = await anext(flow)
            answer: Answer | None = None
            while step is not None:
                response = yield step
                _check_direct(response)
                answer = Answer(response.status_code, {name.lower(): text for name, text in response.headers.items()})
                step = await _next(flow, response)
            more = await _next(talk, answer)


def _copy(request: httpx.Request, body: bytes, more: Mapping[str, str]) -> httpx.Request:
    """The request as it was before anybody signed it."""
    headers = httpx.Headers({**request.headers, **more})
    return httpx.Request(
        request.method, request.url, headers=headers, content=body or None, extensions=request.extensions
    )


def _check_direct(response: httpx.Response) -> None:
    if any(earlier.is_redirect for earlier in response.history) or response.is_redirect:
        raise RefusedError(f"{response.url} redirects a request that may have to be paid for", code="redirect")
