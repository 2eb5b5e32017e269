"""Who a gateway takes its clients for."""

from __future__ import annotations

import hashlib

from reconciler.clients.auth import BrcAuth
from reconciler.wallet.keys import Keys


def client_of(name: str) -> Keys:
    return Keys(hashlib.sha256(name.encode()).digest())


async def test_a_client_that_proves_who_it_is_is_told_so_by_the_gateway_s_own_key(gateway, keys):
    client = client_of("who asks")
    reply = await gateway.get("/v1/whoami", auth=BrcAuth(client, servers={"http://gateway.example": keys.identity}))
    assert reply.json() == {"identityKey": client.identity, "tier": "none", "quota": None, "state": "active"}
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-bsv-auth-identity-key"] == keys.identity
    assert reply.headers["access-control-expose-headers"] == "*"


async def test_nobody_is_nobody(gateway):
    reply = await gateway.get("/v1/whoami")
    assert reply.status_code == 401
    assert reply.json()["code"] == "UNAUTHORIZED"


async def test_public_routes_and_the_host_answer_an_authenticated_client_signed(gateway, keys):
    auth = BrcAuth(client_of("a client"), servers={"http://gateway.example": keys.identity})
    for path in ("/health", "/v1/catalog", "/from-the-host"):
        reply = await gateway.get(path, auth=auth)
        assert reply.headers["x-bsv-auth-identity-key"] == keys.identity
