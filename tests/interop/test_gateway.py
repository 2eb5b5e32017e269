"""`overlay serve` and a client of the reference: whoever asks is told who they are, before and after a restart."""

from __future__ import annotations

import json

import httpx
import pytest

from reconciler.clients.auth import BrcAuth
from tests.authenticating import keys_of

pytestmark = pytest.mark.long


def test_authfetch_and_httpx_are_known_to_the_gateway_before_and_after_a_restart(run_peer, overlay, producer):
    overlay.folder, overlay.home = producer.folder, producer.home
    overlay.run("apply", "--yes")
    auth = BrcAuth(keys_of("httpx"))
    nonces = []
    port = "0"
    for _ in range(2):
        with overlay.started("serve", "--port", port) as server:
            url = server.ready["url"]
            port = url.rpartition(":")[2]
            question = {
                "origin": url,
                "key": keys_of("AuthFetch").secret().hex(),
                "steps": [{"path": "/v1/whoami", "times": 20}, {"path": "/v1/catalog?kind=dataset"}],
            }
            who, catalog = run_peer("authfetch.mjs", question)
            gateway = httpx.get(f"{url}/v1/producer").json()["gateway"]["identityKey"]
            known = {"identityKey": keys_of("AuthFetch").identity, "tier": "none", "quota": None, "state": "active"}
            assert [json.loads(each["body"]) for each in who] == [known] * 20
            assert {each["headers"]["x-bsv-auth-identity-key"] for each in (*who, *catalog)} == {gateway}
            assert len(json.loads(catalog[0]["body"])["records"]) == 2
            reply = httpx.get(f"{url}/v1/whoami", auth=auth)
            assert reply.json()["identityKey"] == keys_of("httpx").identity
            nonces.append(reply.headers["x-bsv-auth-your-nonce"])
    assert nonces[0] == nonces[1]
