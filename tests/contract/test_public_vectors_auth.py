"""The public vectors of the BRC-103/104 handshake (filed under BRC-31), asked of our server as they are written.

Most cannot be satisfied by any server; each of these says why and is skipped.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import httpx
import pytest

from reconciler.model.ids import identity_key
from reconciler.wire.auth import NONCE_BYTES, encoded
from tests.authenticating import House

FOLDER = Path(os.environ.get("OVERLAY_VECTORS") or Path(__file__).parents[2].parent / "shared" / "vectors")
FILE = "auth/brc31-handshake.json"

INVALID = {
    "1": "it calls the server's nonce `nonce`; the running code, client and server, says initialNonce",
    "5": "its signature is made up, and nothing could verify it",
    "6": "its signature is made up, and nothing could verify it",
    "10": "its initialRequest has no initialNonce, so that there is no session that could wait for certificates",
    "11": "its initialRequest has no initialNonce, and is refused before anything is asked for",
    "12": "it describes a shape, and asks nothing",
    "14": "its initialRequest has no initialNonce, and is refused as that; only messages inside a session can be replays",
    "16": "its signature is made up, so that there is no answer whose signing could fail",
}
"""Vectors that are invalid, and why."""


def vectors():
    file = FOLDER / FILE
    if not file.is_file():
        absent = pytest.mark.skip(reason=f"the public vectors are not here: {FILE} (set OVERLAY_VECTORS)")
        return [pytest.param(None, marks=absent, id=FILE)]
    return [pytest.param(vector, id=vector["id"]) for vector in json.loads(file.read_text())["vectors"]]


@pytest.mark.parametrize("vector", vectors())
async def test_the_handshake(vector, database):
    number = vector["id"].rpartition(".")[2]
    if number in INVALID:
        pytest.skip(f"vector invalid: {INVALID[number]}")
    given, expected = vector["input"], vector["expected"]
    match expected:
        case {"pattern": pattern}:
            for key in given["valid_examples"]:
                assert re.fullmatch(pattern, identity_key(key))
            for key in given["invalid_examples"]:
                with pytest.raises(ValueError, match="compressed public key"):
                    identity_key(key)
        case {"requestId_base64_length": length}:
            assert len(encoded(bytes(NONCE_BYTES))) == length
        case {"req_auth_identity_key": "unknown"}:
            reply = await _asked(House(database).app(), given)
            assert (reply.status_code, reply.json()["identity"]) == (expected["status"], None)
        case {"status": status, **named}:
            path = given["path"].replace("/api/resource", "/whoami")
            reply = await _asked(House(database).app(), {**given, "path": path})
            assert reply.status_code == status
            assert named.get("body", {}).items() <= reply.json().items()
            assert set(named.get("response_headers_required", ())) <= set(reply.headers)
        case _:
            pytest.fail(f"a vector of a new shape: {sorted(expected)}")


async def _asked(app, given) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway.example") as client:
        return await client.request(given["method"], given["path"], headers=given["headers"], json=given.get("body"))
