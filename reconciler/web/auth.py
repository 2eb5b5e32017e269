"""The server's side of BRC-103/104: an ASGI app in front of another one (WIRE §4.4).

It answers handshakes, lets requests that claim nothing pass as they are, verifies those that claim an identity, and signs
their answers. A request that claims and does not prove is refused here and never reaches the app.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.model.errors import RefusedError, TransientError, VerificationError
from reconciler.model.ids import IdentityKey
from reconciler.web.bodies import read_body
from reconciler.web.failures import UnauthorizedError, failure, refusal
from reconciler.web.handshakes import Handshakes, Policy, Signer
from reconciler.web.sessions import Session, Sessions
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

BODY_BYTES: Final = 16 * 1024 * 1024
"""Of a signed request, and of a signed answer: either is held in memory. What is larger goes by signed URLs."""

_IDENTITY: Final = "overlay.identity"
"""The key of the ASGI scope under which the app behind finds who asks."""
_NOTHING: Final = b"{}"


def identity_of(request: Request) -> IdentityKey | None:
    """Who has signed this request; None where nobody did."""
    identity: IdentityKey | None = request.scope.get(_IDENTITY)
    return identity


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
        body_bytes: int = BODY_BYTES,
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
        answer = _Answer(self._body_bytes)
        if not await self._handshakes.admitted(session):
            late = failure(408, "CERTIFICATE_TIMEOUT", "Certificate request timed out")
            await self._send_signed(scope["method"], stamp, session, _Answer.of(late), send)
            return
        try:
            await self._app({**scope, _IDENTITY: session.identity}, _replayed(body, receive), answer.take)
        except _TooLongError:
            answer = _Answer.of(
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
            self._check(stamp, request_preimage(stamp, request.method, _target(request.scope), headers, body))
            await self._sessions.use(session, stamp.nonce)
        except VerificationError as error:
            raise UnauthorizedError(str(error), code="ERR_AUTH_FAILED") from error
        return stamp, session, body

    def _check(self, stamp: Stamp, signed: bytes) -> None:
        if not self._keys.verify(stamp.key(stamp.identity), signed, stamp.signature):
            raise VerificationError("the signature is not that of this request")

    async def _send_signed(self, method: str, asked: Stamp, session: Session, answer: _Answer, send: Send) -> None:
        status, headers, body = answer.finished(method)
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


class _TooLongError(Exception):
    """The app answers more than is held in memory."""


class _Answer:
    """What the app answers, kept until it is whole."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self.complete = False

    @classmethod
    def of(cls, response: Response) -> _Answer:
        """One that is whole."""
        answer = cls(len(response.body))
        answer._status, answer._headers, answer._body = (
            response.status_code,
            response.raw_headers,
            bytearray(response.body),
        )
        answer.complete = True
        return answer

    async def take(self, message: Message) -> None:
        """ASGI's send."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message.get("headers", ()))
            return
        self._body += message.get("body", b"")
        if len(self._body) > self._limit:
            raise _TooLongError
        self.complete = not message.get("more_body", False)

    def finished(self, method: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and body to sign: nothing that passes for ours, and always a body, where HTTP allows one.

        The reference's client waits for ever for an answer without.
        """
        headers = [
            (name.lower(), value) for name, value in self._headers if not name.lower().startswith(PREFIX.encode())
        ]
        status, body = int(self._status), bytes(self._body)
        if not body and method != "HEAD" and status != HTTPStatus.NOT_MODIFIED:
            status = 200 if status in {204, 205} else status
            body = _NOTHING
            headers = [
                *(each for each in headers if each[0] not in _ABOUT_BODY),
                (b"content-type", b"application/json"),
            ]
            headers.append((b"content-length", b"%d" % len(body)))
        return status, headers, body


_ABOUT_BODY: Final = frozenset({b"content-length", b"content-type"})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """ASGI's receive for a body that has been read."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _target(scope: Scope) -> str:
    """Path and query of the request line."""
    query = scope["query_string"].decode("latin-1")
    path = scope["raw_path"].decode("latin-1")
    return f"{path}?{query}" if query else path
