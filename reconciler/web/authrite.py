"""The server's side of Authrite (BRC-31, superseded by BRC-103): an ASGI app in front of another one (WIRE §4.7).

A leaf: whoever puts the gateway together may leave it out. It answers handshakes, verifies what claims an identity by its headers,
lets everything else pass as it is, and signs the answers. Beyond the reference it takes each request once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.model.errors import RefusedError, TransientError, VerificationError
from reconciler.web.auth import identified
from reconciler.web.bodies import read_body, read_json
from reconciler.web.failures import failure, refusal
from reconciler.web.handshakes import Signer
from reconciler.web.sessions import Session, Sessions
from reconciler.web.whole import LIMIT, Answer, TooLongError, replayed, target
from reconciler.wire.auth import PREFIX as OTHER_PREFIX
from reconciler.wire.auth import encoded, header_texts
from reconciler.wire.authrite import (
    NONCE_BYTES,
    PATH,
    PREFIX,
    AuthriteError,
    InitialRequest,
    InitialResponse,
    MessageError,
    Stamp,
    handshake_preimage,
    request_preimage,
    signature_key,
)
from reconciler.wire.handshake import MAX_BYTES

_UNAUTHORIZED: Final = frozenset({AuthriteError.NONCE, AuthriteError.SIGNATURE})
"""What the reference answers 401; the rest it answers 400."""


class Authrite:
    """See the module. `keys` and `sessions` are those of `web.auth.Authenticated`; a session of one is none of the other's."""

    def __init__(self, app: ASGIApp, *, keys: Signer, sessions: Sessions, randomness: Callable[[int], bytes]) -> None:
        self._app = app
        self._keys = keys
        self._sessions = sessions
        self._randomness = randomness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == PATH:
            answer = await self._welcome(Request(scope, receive))
            await answer(scope, receive, send)
        elif any(name.startswith(PREFIX.encode()) for name, _ in scope["headers"]):
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _welcome(self, request: Request) -> Response:
        """The answer to a handshake."""
        if request.method != "POST":
            return failure(405, "ERR_BAD_METHOD", "initial requests are posted", headers={"allow": "POST"})
        try:
            asked = InitialRequest.parse(await read_json(request, MAX_BYTES))
            session = await self._sessions.start(asked.identity, asked.nonce)
        except MessageError as error:
            return _refused(error)
        except VerificationError as error:
            return failure(400, "ERR_BAD_REQUEST_BODY", str(error))
        except (RefusedError, TransientError) as error:
            return refusal(error)
        key = signature_key(asked.nonce, session.nonce, asked.identity)
        signature = self._keys.sign(key, handshake_preimage(asked.nonce, session.nonce))
        return JSONResponse(InitialResponse(self._keys.identity, session.nonce, signature).to_json())

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Verify, let the app answer, sign."""
        try:
            session, body = await self._verified(Request(scope, receive))
        except MessageError as error:
            await _refused(error)(scope, receive, send)
            return
        except (RefusedError, TransientError) as error:
            await refusal(error)(scope, receive, send)
            return
        answer = Answer(LIMIT)
        try:
            await self._app(identified(scope, session.identity), replayed(body, receive), answer.take)
        except TooLongError:
            answer = Answer.of(failure(500, "ERR_ANSWER_TOO_LONG", f"the answer is longer than {LIMIT} bytes"))
        finally:
            if answer.complete:
                await self._send_signed(scope["method"], session, answer, send)

    async def _verified(self, request: Request) -> tuple[Session, bytes]:
        """Raises MessageError, RefusedError for a body that is too long, and TransientError."""
        headers = _single(header_texts(request.scope["headers"]))
        stamp = Stamp.of_request(headers)
        try:
            session = await self._sessions.find(stamp.identity, stamp.your_nonce)
        except VerificationError as error:
            raise MessageError(AuthriteError.NONCE, error.message) from error
        body = await read_body(request, LIMIT)
        if stamp.initial_nonce != session.client_nonce or not self._signed(request, stamp, body):
            raise MessageError(AuthriteError.SIGNATURE, "the signature is not that of this request")
        try:
            await self._sessions.use(session, stamp.nonce)
        except VerificationError as error:
            raise MessageError(AuthriteError.SIGNATURE, error.message) from error
        return session, body

    def _signed(self, request: Request, stamp: Stamp, body: bytes) -> bool:
        """Whether the client signed this; whether it came by TLS is not known here, so either URL will do."""
        key = signature_key(stamp.nonce, stamp.your_nonce, stamp.identity)
        place = f"://{request.headers.get('host', '')}{target(request.scope)}"
        said = {request_preimage(request.method, scheme + place, body) for scheme in ("https", "http")}
        return any(self._keys.verify(key, each, stamp.signature) for each in said)

    async def _send_signed(self, method: str, session: Session, answer: Answer, send: Send) -> None:
        status, headers, body = answer.finished(method, PREFIX)
        nonce = encoded(self._randomness(NONCE_BYTES))
        key = signature_key(session.client_nonce, nonce, session.identity)
        stamp = Stamp(
            identity=self._keys.identity,
            nonce=nonce,
            your_nonce=session.client_nonce,
            signature=self._keys.sign(key, b"" if method == "HEAD" else body),
        )
        headers = [*headers, *((name.encode(), value.encode()) for name, value in stamp.headers().items())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _single(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The headers by name. Raises MessageError where one of ours comes twice, or those of BRC-104 come too: one of both signs."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name.startswith(OTHER_PREFIX) or (name.startswith(PREFIX) and name in found):
            raise MessageError(AuthriteError.NO_HEADERS, f"the header {name} is one too many")
        found[name] = value
    return found


def _refused(error: MessageError) -> Response:
    return failure(401 if error.code in _UNAUTHORIZED else 400, error.code.value, error.message)
