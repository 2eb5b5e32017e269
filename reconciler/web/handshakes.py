"""The messages of BRC-103 that are posted to `/.well-known/auth`, from the server's side: handshakes, and certificates either way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reconciler.model.errors import RefusedError, TransientError, VerificationError
from reconciler.model.ids import IdentityKey
from reconciler.model.json import JsonObject
from reconciler.model.keys import KeyRef
from reconciler.web.bodies import read_json
from reconciler.web.failures import UnauthorizedError, failure, refusal
from reconciler.web.sessions import Sealer, Session, Sessions
from reconciler.wire.auth import NONCE_BYTES, VERSION, Header, encoded, handshake_key, handshake_preimage
from reconciler.wire.certificate import Shown, checked
from reconciler.wire.handshake import (
    MAX_BYTES,
    AboutCertificates,
    InitialRequest,
    InitialResponse,
    Message,
    Wanted,
    parse_message,
)
from reconciler.wire.javascript import javascript_json

_LOOK_SECONDS: Final = 0.2
"""How often it is looked whether certificates have come, by whichever process."""


class Signer(Sealer, Protocol):
    """The server's identity."""

    @property
    def identity(self) -> IdentityKey:
        """Its name."""
        ...

    def sign(self, key: KeyRef, data: bytes) -> bytes:
        """A signature towards the counterparty of `key`."""
        ...

    def verify(self, key: KeyRef, data: bytes, signature_der: bytes) -> bool:
        """Whether the counterparty of `key` signed `data` for us."""
        ...

    def decrypt(self, key: KeyRef, ciphertext: bytes) -> bytes:
        """BRC-2 decryption of what the counterparty of `key` encrypted for us. Raises VerificationError."""
        ...


class Holder(Protocol):
    """Certificates of ours."""

    def shown(self, wanted: Wanted, verifier: IdentityKey) -> Sequence[JsonObject]:
        """Those that are wanted, with what is asked for revealed to `verifier`."""
        ...


def _accept(_: IdentityKey, __: Sequence[Shown]) -> None:
    """Whoever has what was asked for is let in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What certificates a server asks for, and has."""

    wanted: Wanted = field(default_factory=Wanted)
    """One of each type is required of every client before its first request is served."""
    seconds: float = 30.0
    """How long a request waits for them."""
    accept: Callable[[IdentityKey, Sequence[Shown]], None] = _accept
    """Is told what a client has shown, after it was checked; raises VerificationError to refuse it."""
    holder: Holder | None = None
    """The server's own."""


class Handshakes:
    """Answers messages."""

    def __init__(self, *, keys: Signer, sessions: Sessions, randomness: Callable[[int], bytes], policy: Policy) -> None:
        self._keys = keys
        self._sessions = sessions
        self._randomness = randomness
        self._policy = policy

    async def answer(self, request: Request) -> Response:
        """The answer to what is posted."""
        if request.method != "POST":
            return failure(405, "ERR_METHOD_NOT_ALLOWED", "messages are posted", headers={"allow": "POST"})
        try:
            return await self._answer(parse_message(await read_json(request, MAX_BYTES)))
        except VerificationError as error:
            return failure(401, "UNAUTHORIZED", str(error))
        except (RefusedError, TransientError) as error:
            return refusal(error)

    async def admitted(self, session: Session) -> bool:
        """Whether a client has shown what is asked for; waits for it as long as the policy says."""
        if not self._policy.wanted or await self._sessions.has_shown(session):
            return True
        for _ in range(round(self._policy.seconds / _LOOK_SECONDS)):
            await asyncio.sleep(_LOOK_SECONDS)
            if await self._sessions.has_shown(session):
                return True
        return False

    async def _answer(self, message: Message) -> Response:
        match message:
            case InitialRequest():
                return await self._welcome(message)
            case AboutCertificates(content=Wanted() as wanted):
                session = await self._verified(message)
                return _posted(self._give(wanted, session))
            case AboutCertificates(content=given) if not isinstance(given, Wanted):
                session = await self._verified(message)
                await self._take(session, given)
                return JSONResponse({"status": "success"})
            case _:
                raise VerificationError("this message is not for a server")

    async def _welcome(self, asked: InitialRequest) -> Response:
        session = await self._sessions.start(asked.identity, asked.nonce)
        try:
            signature = self._keys.sign(
                handshake_key(asked.nonce, session.nonce, asked.identity),
                handshake_preimage(asked.nonce, session.nonce),
            )
        except ValueError as error:
            raise VerificationError("the identity key is no point of the curve") from error
        return _posted(
            InitialResponse(
                identity=self._keys.identity,
                nonce=session.nonce,
                your_nonce=asked.nonce,
                signature=signature,
                wanted=self._policy.wanted,
                certificates=self._shown(asked.wanted, asked.identity),
            )
        )

    async def _verified(self, message: AboutCertificates) -> Session:
        """The session of a signed message. Raises UnauthorizedError."""
        try:
            session = await self._sessions.find(message.identity, message.your_nonce)
            if not self._keys.verify(message.key(message.identity), message.signed, message.signature):
                raise UnauthorizedError("the signature is not that of this message", code="ERR_AUTH_FAILED")
            await self._sessions.use(session, message.nonce)
        except VerificationError as error:
            raise UnauthorizedError(str(error), code="ERR_AUTH_FAILED") from error
        return session

    async def _take(self, session: Session, values: Sequence[JsonObject]) -> None:
        """Certificates of a client. Raises UnauthorizedError."""
        try:
            shown = checked(values, self._policy.wanted, session.identity, self._keys)
            self._policy.accept(session.identity, shown)
        except VerificationError as error:
            raise UnauthorizedError(str(error), code="ERR_AUTH_FAILED") from error
        await self._sessions.note_shown(session)

    def _give(self, wanted: Wanted, session: Session) -> AboutCertificates:
        content = self._shown(wanted, session.identity)
        answer = AboutCertificates(
            identity=self._keys.identity,
            nonce=encoded(self._randomness(NONCE_BYTES)),
            session_nonce=session.nonce,
            your_nonce=session.client_nonce,
            content=content,
        )
        signed = javascript_json(content)
        return replace(answer, signature=self._keys.sign(answer.key(session.identity), signed))

    def _shown(self, wanted: Wanted, verifier: IdentityKey) -> Sequence[JsonObject]:
        return self._policy.holder.shown(wanted, verifier) if wanted and self._policy.holder is not None else ()


def _posted(answer: InitialResponse | AboutCertificates) -> Response:
    """As JSON, and, as the reference does, once more in headers."""
    body = answer.to_json()
    headers: Mapping[str, str] = {
        Header.VERSION.value: VERSION,
        Header.MESSAGE_TYPE.value: str(body["messageType"]),
        Header.IDENTITY.value: answer.identity,
        Header.NONCE.value: answer.nonce,
        Header.YOUR_NONCE.value: answer.your_nonce,
        Header.SIGNATURE.value: answer.signature.hex(),
    }
    wanted = answer.wanted if isinstance(answer, InitialResponse) else Wanted()
    if wanted:
        text = javascript_json(wanted.to_json()).decode("ascii")
        headers = {**headers, Header.REQUESTED_CERTIFICATES.value: text}
    return JSONResponse(body, headers=headers)
