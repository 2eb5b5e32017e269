"""The server's side of BRC-103/104: an ASGI app in front of another one (WIRE §4.4).

It answers handshakes, lets requests that claim nothing pass as they are, verifies those that claim an identity, and signs
their answers. A request that claims and does not prove is refused here and never reaches the app.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.model.errors import RefusedError, TransientError, VerificationError
from reconciler.model.ids import IdentityKey
from reconciler.web.bodies import read_body
from reconciler.web.failures import UnauthorizedError, failure, refusal
from reconciler.web.handshakes import Handshakes, Policy, Signer
from reconciler.web.sessions import Session, Sessions
from reconciler.web.whole import LIMIT, Answer, TooLongError, replayed, target
from reconciler.wire.auth import (
    NONCE_BYTES,
    PATH,
    PREFIX,
    Header,
    Stamp,
    encoded,
    header_texts,
    request_preimage,
    response_preimage,
)

_IDENTITY: Final = "overlay.identity"
"""The key of the ASGI scope under which the app behind finds who asks."""


def identity_of(request: Request) -> IdentityKey | None:
    """Who has signed this request; None where nobody did."""
    identity: IdentityKey | None = request.scope.get(_IDENTITY)
    return identity


def identified(scope: Scope, identity: IdentityKey) -> Scope:
    """The scope of a request that this identity has signed, for the app behind whoever verified that.

    It is the very scope that was given: whoever stands in front, and counts, sees there which route the request took.
    """
    scope[_IDENTITY] = identity
    return scope


def required_identity(request: Request) -> IdentityKey:
    """Who has signed this request. Raises UnauthorizedError where nobody did."""
    identity = identity_of(request)
    if identity is None:
        raise UnauthorizedError("Mutual-authentication failed!", code="UNAUTHORIZED")
    return identity


class Authenticated:
    """See the module. `keys` sign for the server, and are the same in all its processes, as is what `sessions` share."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Signer,
        sessions: Sessions,
        randomness: Callable[[int], bytes],
        policy: Policy | None = None,
        body_bytes: int = LIMIT,
    ) -> None:
        self._app = app
        self._keys = keys
        self._sessions = sessions
        self._randomness = randomness
        self._handshakes = Handshakes(keys=keys, sessions=sessions, randomness=randomness, policy=policy or Policy())
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == PATH:
            answer = await self._handshakes.answer(Request(scope, receive))
            await answer(scope, receive, send)
        elif any(name.startswith(PREFIX.encode()) for name, _ in scope["headers"]):
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Verify, let the app answer, sign."""
        try:
            stamp, session, body = await self._verified(Request(scope, receive))
        except (RefusedError, TransientError) as error:
            await refusal(error)(scope, receive, send)
            return
        answer = Answer(self._body_bytes)
        if not await self._handshakes.admitted(session):
            late = failure(408, "CERTIFICATE_TIMEOUT", "Certificate request timed out")
            await self._send_signed(scope["method"], stamp, session, Answer.of(late), send)
            return
        try:
            await self._app(identified(scope, session.identity), replayed(body, receive), answer.take)
        except TooLongError:
            answer = Answer.of(
                failure(500, "ERR_ANSWER_TOO_LONG", f"the answer is longer than {self._body_bytes} bytes")
            )
        finally:
            if answer.complete:
                await self._send_signed(scope["method"], stamp, session, answer, send)

    async def _verified(self, request: Request) -> tuple[Stamp, Session, bytes]:
        """Raises UnauthorizedError, RefusedError for a body that is too long, and TransientError."""
        headers = header_texts(request.scope["headers"])
        if not any(name == Header.REQUEST_ID for name, _ in headers):
            raise UnauthorizedError("Mutual-authentication failed!", code="UNAUTHORIZED")
        try:
            stamp = Stamp.parse(headers)
            session = await self._sessions.find(stamp.identity, stamp.your_nonce)
            body = await read_body(request, self._body_bytes)
            self._check(stamp, request_preimage(stamp, request.method, target(request.scope), headers, body))
            await self._sessions.use(session, stamp.nonce)
        except VerificationError as error:
            raise UnauthorizedError(str(error), code="ERR_AUTH_FAILED") from error
        return stamp, session, body

    def _check(self, stamp: Stamp, signed: bytes) -> None:
        if not self._keys.verify(stamp.key(stamp.identity), signed, stamp.signature):
            raise VerificationError("the signature is not that of this request")

    async def _send_signed(self, method: str, asked: Stamp, session: Session, answer: Answer, send: Send) -> None:
        status, headers, body = answer.finished(method, PREFIX)
        stamp = Stamp(
            identity=self._keys.identity,
            nonce=encoded(self._randomness(NONCE_BYTES)),
            your_nonce=session.client_nonce,
            request_id=asked.request_id,
            signature=b"",
        )
        shown = b"" if method == "HEAD" else body
        signature = self._keys.sign(
            stamp.key(session.identity), response_preimage(stamp, status, header_texts(headers), shown)
        )
        stamped = {**stamp.headers(), Header.SIGNATURE.value: signature.hex()}
        headers = [*headers, *((name.encode(), value.encode()) for name, value in stamped.items())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
