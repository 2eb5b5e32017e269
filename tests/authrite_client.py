"""As much of a client of Authrite as tests need: it shakes hands once, signs each request, and checks each answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.wallet.keys import Keys
from reconciler.wire.auth import encoded
from reconciler.wire.authrite import (
    NONCE_BYTES,
    PATH,
    InitialRequest,
    InitialResponse,
    Stamp,
    handshake_preimage,
    request_preimage,
    signature_key,
)
from reconciler.wire.canonical import canonical_json
from reconciler.wire.http import Http, Reply
from tests.authenticating import Dice


@dataclass
class AuthriteClient:
    """One client of one server."""

    http: Http
    keys: Keys
    origin: str
    dice: Dice = field(default_factory=lambda: Dice("authrite client"))
    nonce: str = ""
    server: InitialResponse | None = None

    async def shake_hands(self) -> InitialResponse:
        self.nonce = encoded(self.dice(NONCE_BYTES))
        asked = InitialRequest(self.keys.identity, self.nonce)
        as_json = {"content-type": "application/json"}
        reply = await self.http.request(
            "POST", self.origin + PATH, headers=as_json, content=canonical_json(asked.to_json())
        )
        assert reply.status == 200, reply.body
        server = InitialResponse.parse(reply.json())
        key = signature_key(self.nonce, server.nonce, server.identity)
        assert self.keys.verify(key, handshake_preimage(self.nonce, server.nonce), server.signature)
        self.server = server
        return server

    async def signed(self, method: str, path: str, body: bytes = b"", **changed) -> dict[str, str]:
        """The headers of a request; `changed` are fields of its stamp after it was signed."""
        server = self.server or await self.shake_hands()
        nonce = encoded(self.dice(NONCE_BYTES))
        signature = self.keys.sign(
            signature_key(nonce, server.nonce, server.identity), request_preimage(method, self.origin + path, body)
        )
        stamp = {
            "identity": self.keys.identity,
            "nonce": nonce,
            "your_nonce": server.nonce,
            "initial_nonce": self.nonce,
            "signature": signature,
            **changed,
        }
        return Stamp(**stamp).headers()

    async def request(self, method: str, path: str, body: bytes = b"", headers=None) -> Reply:
        """An answer that the server has signed."""
        reply = await self.send(method, path, body, {**(headers or {}), **await self.signed(method, path, body)})
        self.check(reply, method)
        return reply

    async def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        typed = {"content-type": "application/json", **headers} if body else headers
        return await self.http.request(method, self.origin + path, headers=typed, content=body or None)

    def check(self, reply: Reply, method: str = "GET") -> None:
        stamp = Stamp.of_answer(reply.headers)
        assert (stamp.identity, stamp.your_nonce) == (self.server.identity, self.nonce)
        key = signature_key(self.nonce, stamp.nonce, stamp.identity)
        assert self.keys.verify(key, b"" if method == "HEAD" else reply.body, stamp.signature)
