"""The client's side of BRC-103/104 as generators: they yield what has to be asked, and are sent what was answered.

Whoever drives them speaks HTTP: `clients/auth.py`, with our own door and with plain httpx.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, TypeAlias

from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import IdentityKey
from reconciler.model.json import JsonObject
from reconciler.model.keys import KeyRef
from reconciler.wire.auth import (
    NONCE_BYTES,
    PATH,
    PREFIX,
    SESSION_NONCE_BYTES,
    Empty,
    Header,
    Headers,
    Stamp,
    encoded,
    handshake_key,
    handshake_preimage,
    request_preimage,
    response_preimage,
)
from reconciler.wire.canonical import parse_json
from reconciler.wire.certificate import Shown, checked
from reconciler.wire.handshake import AboutCertificates, InitialRequest, InitialResponse, Wanted, parse_message
from reconciler.wire.http import Reply
from reconciler.wire.javascript import javascript_json

_JSON: Final = "application/json"
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Signer(Protocol):
    """Whose name a client speaks in."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to be made. Header names are lower case."""

    method: str
    target: str
    """Path and query, as they will stand in the request line."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_told: bool = False
    """Whether nobody needs to answer: the reference's server never does. Who gives up waiting sends what came, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a handshake made."""

    server: IdentityKey
    nonce: str
    """Ours."""
    server_nonce: str


Conversation: TypeAlias = Generator[Call, Reply | None, Reply]


class Peer:
    """One origin, as a client knows it: who it is, and the session with it.

    `server` pins its identity; without, the first one that it proves is kept to. It must show certificates that are `wanted`,
    and is shown those of `holder` that it asks for.
    """

    def __init__(
        self,
        keys: Signer,
        *,
        randomness: Callable[[int], bytes],
        server: IdentityKey | None = None,
        wanted: Wanted | None = None,
        holder: Holder | None = None,
    ) -> None:
        self._keys = keys
        self._randomness = randomness
        self._wanted = wanted or Wanted()
        self._holder = holder
        self.server = server
        self.shown: Sequence[Shown] = ()
        """The server's certificates, checked."""
        self.session: Session | None = None

    def exchange(self, call: Call) -> Conversation:
        """One authenticated request; returns the answer, which the server has signed.

        Raises VerificationError for an answer that it has not, RefusedError where the server does not let us in, and
        UnreachableError where it is not able to answer now.
        """
        call = spelled(call)
        is_new = self.session is None
        session = self.session or (yield from self.shake_hands())
        stamp, signed = self._sign(call, session)
        answer = _answered((yield signed))
        if _is_lost(answer) and not is_new:
            # It was restarted, or the session is over. Nothing was done: it has refused to believe us.
            if self.session is session:
                self.session = None
            session = self.session or (yield from self.shake_hands())
            stamp, signed = self._sign(call, session)
            answer = _answered((yield signed))
        self._check(answer, stamp, session, call.method)
        return answer

    def shake_hands(self) -> Generator[Call, Reply | None, Session]:
        """Make a session. Raises as `exchange` does."""
        nonce = encoded(self._randomness(SESSION_NONCE_BYTES))
        asked = InitialRequest(identity=self._keys.identity, nonce=nonce, wanted=self._wanted)
        answer = _answered((yield _posted(asked)))
        if not answer.ok:
            raise _refused(answer)
        response = parse_message(parse_json(answer.body, "the server's answer to a handshake"))
        if not isinstance(response, InitialResponse) or response.your_nonce != nonce:
            raise VerificationError("the server did not answer this handshake", where=answer.url)
        signed = handshake_preimage(nonce, response.nonce)
        if not self._keys.verify(handshake_key(nonce, response.nonce, response.identity), signed, response.signature):
            raise VerificationError("the server's signature of the handshake is wrong", where=answer.url)
        self._recognise(response.identity, answer.url)
        if self._wanted:
            self.shown = checked(response.certificates, self._wanted, response.identity, self._keys)
        session = Session(server=response.identity, nonce=nonce, server_nonce=response.nonce)
        yield from self._show(response.wanted, session)
        self.session = session
        return session

    def _show(self, wanted: Wanted, session: Session) -> Generator[Call, Reply | None, None]:
        """Hand over the certificates that the server asks for, as far as there are any: it will say whether they do."""
        certificates = self._holder.shown(wanted, session.server) if wanted and self._holder is not None else ()
        if not certificates:
            return
        message = AboutCertificates(
            identity=self._keys.identity,
            nonce=encoded(self._randomness(NONCE_BYTES)),
            session_nonce=session.nonce,
            your_nonce=session.server_nonce,
            content=certificates,
        )
        signature = self._keys.sign(message.key(session.server), javascript_json(certificates))
        answer = yield replace(_posted(replace(message, signature=signature)), is_told=True)
        if answer is not None and not answer.ok:
            raise _refused(answer)

    def _recognise(self, identity: IdentityKey, url: str) -> None:
        if self.server is None:
            self.server = identity
        if identity != self.server:
            raise VerificationError(
                f"the server is {identity} now, not {self.server}",
                where=url,
                hint="ask whoever runs it whether its key was changed",
            )

    def _sign(self, call: Call, session: Session) -> tuple[Stamp, Call]:
        stamp = Stamp(
            identity=self._keys.identity,
            nonce=encoded(self._randomness(NONCE_BYTES)),
            your_nonce=session.server_nonce,
            request_id=encoded(self._randomness(NONCE_BYTES)),
            signature=b"",
        )
        signed = request_preimage(stamp, call.method, call.target, list(call.headers.items()), call.body)
        stamp = replace(stamp, signature=self._keys.sign(stamp.key(session.server), signed))
        return stamp, replace(call, headers={**call.headers, **stamp.headers()})

    def _check(self, answer: Reply, asked: Stamp, session: Session, method: str) -> None:
        headers: Headers = list(answer.headers.items())
        if Header.SIGNATURE not in answer.headers:
            raise _refused(answer)
        stamp = Stamp.parse([(name, value) for name, value in headers if name in _STAMP])
        said = stamp.identity, stamp.your_nonce, stamp.request_id
        if said != (session.server, session.nonce, asked.request_id):
            raise VerificationError("the answer is signed by another server, or for another request", where=answer.url)
        body = b"" if method == "HEAD" else answer.body
        forms = (Empty.ZERO, Empty.ABSENT) if not body else (Empty.ZERO,)
        for empty in forms:
            signed = response_preimage(stamp, answer.status, headers, body, empty=empty)
            if self._keys.verify(stamp.key(session.server), signed, stamp.signature):
                return
        raise VerificationError("the server's signature of its answer is wrong", where=answer.url)


_STAMP: Final = frozenset(
    {Header.VERSION, Header.IDENTITY, Header.NONCE, Header.YOUR_NONCE, Header.SIGNATURE, Header.REQUEST_ID}
)


def spelled(call: Call) -> Call:
    """A request as the reference's server will read it again to verify it: it parses JSON and spells it as JavaScript does.

    Raises VerificationError for JSON that JavaScript would not repeat, ValueError for headers that are not the caller's to set.
    """
    headers = {name.lower(): value.strip() for name, value in call.headers.items()}
    if any(name.startswith(PREFIX) for name in headers):
        raise ValueError("authentication headers are not the caller's to set")
    kind = headers.get("content-type", "").partition(";")[0].strip()
    if kind != _JSON or call.method not in _WITH_BODY:
        return replace(call, headers=headers)
    body = javascript_json(parse_json(call.body, "the request's body")) if call.body else b"{}"
    return replace(call, headers={**headers, "content-type": kind}, body=body)


def _posted(message: InitialRequest | AboutCertificates) -> Call:
    return Call(method="POST", target=PATH, headers={"content-type": _JSON}, body=javascript_json(message.to_json()))


def _answered(answer: Reply | None) -> Reply:
    """What whoever drives a conversation has to bring."""
    if answer is None:
        raise TypeError("this call needs an answer")
    return answer


def _is_lost(answer: Reply) -> bool:
    """Whether the server does not know the session: it refuses, and cannot sign that."""
    return answer.status == 401 and Header.SIGNATURE not in answer.headers


def _refused(answer: Reply) -> RefusedError | UnreachableError | VerificationError:
    """What an answer without a signature means; nothing in it is believed but that it is none."""
    if answer.status >= 500:
        return UnreachableError(f"{answer.url} answered HTTP {answer.status}", where=answer.url)
    if answer.ok:
        return VerificationError(f"{answer.url} did not sign its answer", where=answer.url)
    return RefusedError(
        f"{answer.url} answered HTTP {answer.status} without authentication", code=str(answer.status), where=answer.url
    )
