"""The public vectors of Authrite's signatures (BRC-31): made and verified by our keys, under the key that our messages name.

They fix signatures over bytes. What the running code signs in a handshake is not what these vectors take for it (WIRE §4.7).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from reconciler.model.ids import identity_key
from reconciler.wallet.keys import Keys
from reconciler.wire.authrite import signature_key

FOLDER = Path(os.environ.get("OVERLAY_VECTORS") or Path(__file__).parents[2].parent / "shared" / "vectors")
FILE = "messaging/brc31/authrite-signature.json"


def vectors():
    file = FOLDER / FILE
    if not file.is_file():
        absent = pytest.mark.skip(reason=f"the public vectors are not here: {FILE} (set OVERLAY_VECTORS)")
        return [pytest.param(None, marks=absent, id=FILE)]
    return [pytest.param(vector, id=vector["id"]) for vector in json.loads(file.read_text())["vectors"]]


@pytest.mark.parametrize("vector", vectors())
def test_signatures(vector):
    if vector.get("skip"):
        pytest.skip(f"vector invalid: {vector['skip_reason']}")
    given, expected = vector["input"], vector["expected"]
    said = given["args"]
    keys = Keys(bytes.fromhex(given["root_key"]))
    client_nonce, _, server_nonce = said["keyID"].partition(" ")
    key = signature_key(client_nonce, server_nonce, identity_key(said["counterparty"]))
    assert said["protocolID"] == [2, key.protocol]
    data = bytes.fromhex(said["data"])
    match given["method"]:
        case "createSignature":
            assert keys.sign(key, data).hex() == expected["signature"]
        case "verifySignature":
            valid = keys.verify(key, data, bytes.fromhex(said["signature"]))
            assert expected == ({"valid": True} if valid else {"error": True})
        case other:
            pytest.fail(f"a vector of a new shape: {other}")
