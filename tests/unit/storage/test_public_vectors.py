"""The public vectors of the storage API against our host: each passed, or *invalid* for the reason given (WIRE §5).

They were written from a description, and the reference passes two of them. Those are invalid that ask for fields, units or
authentication that no running host and no client of the SDK knows; a name that merely stands for an object is put in.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from reconciler.wire.canonical import sha256_hex
from reconciler.wire.uhrp import digest_of, url_of

FOLDER = Path(os.environ.get("OVERLAY_VECTORS") or Path(__file__).parents[3].parent / "shared" / "vectors")
FILE = FOLDER / "storage" / "uhrp-http.json"
SIGNED = "<brc103-token>"

INVALID = {
    "1": "wants uhrpUrl before there are bytes to hash; the reference answers uploadURL, requiredHeaders, amount",
    "4": "wants URLs, MIMEType and a text for expiryTime; the reference answers data with name, size, mimeType, expiryTime",
    "5": "XYZ123abc... is no UHRP URL",
    "6": "unknownhashvaluenotadvertised is no UHRP URL, which is another mistake than one that is not known: 400",
    "8": "wants files and total; the reference answers uploads",
    "10": "states numbers, and makes no request",
    "11": "says additionalPeriod, in seconds; the reference reads additionalMinutes, and answers a number for newExpiryTime",
    "13": "has no additionalMinutes, and unknownhash is no UHRP URL: 400",
}


def vectors():
    """Every vector as a test parameter; one that is skipped stands for an absent file or an invalid vector."""
    if not FILE.is_file():
        absent = pytest.mark.skip(reason=f"the public vectors are not here: {FILE} (set OVERLAY_VECTORS)")
        yield pytest.param(None, marks=absent, id="absent")
        return
    for vector in json.loads(FILE.read_text())["vectors"]:
        number = vector["id"].rpartition(".")[2]
        marks = [pytest.mark.skip(reason=f"vector invalid: {INVALID[number]}")] if number in INVALID else []
        yield pytest.param(vector, marks=marks, id=vector["id"])


@pytest.mark.parametrize("vector", list(vectors()))
async def test_the_vector_holds(world, content, vector):
    asked, expected = vector["input"], vector["expected"]
    if "examples" in asked:
        for example in asked["examples"]:
            assert url_of(digest_of(example)) == example.removeprefix("uhrp://")
        return
    path, method, body = asked["path"], asked["method"], asked.get("body")
    if path.startswith("<uploadURL"):
        path = await world.upload_url(len(content))
        reply = await world.ask(method, path, content=content, content_type=asked["headers"]["content-type"])
        assert await world.client.kept_until(sha256_hex(content)) is not None
    elif SIGNED in asked.get("headers", {}).get("authorization", "") or path == "/find":
        reply = await world.ask(method, path, body)
    else:
        data = b"" if body is None else json.dumps(body).encode()
        reply = await world.http.request(method, f"http://storage-eu.embedded{path}", content=data)

    assert reply.status == expected["status"]
