"""The HTTP surface in the reference's shape (WIRE §4.3), and what it does not let through."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Digest
from reconciler.storage.app import build_app
from reconciler.storage.terms import Prices
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.uhrp import digest_of, url_of


async def test_bytes_that_are_put_are_kept_advertised_and_given_back(world, content):
    reply = await world.ask("POST", "/upload", {"fileSize": len(content), "retentionPeriod": 60})
    leave = reply.json()
    assert leave["status"] == "success"
    assert leave["requiredHeaders"] == {}
    assert leave["amount"] == 0

    stored = await world.ask("PUT", leave["uploadURL"], content=content, content_type="text/csv")

    digest, expires = sha256_hex(content), int(world.clock()) + 3600
    assert stored.json() == {
        "status": "success",
        "uhrpUrl": url_of(digest),
        "url": f"http://storage-eu.embedded/cdn/{digest}",
        "size": 5000,
        "expiryTime": expires,
    }
    (token,) = await world.adverts(digest)
    assert (token.host, token.sha256, token.size, token.expires) == (world.keys.identity, digest, 5000, expires)
    download = await world.ask("GET", token.url)
    assert download.body == content
    assert download.headers["content-type"] == "text/csv"
    assert download.headers["content-length"] == "5000"
    assert download.headers["etag"] == f'"{digest}"'
    assert download.headers["content-security-policy"].endswith("; sandbox")
    assert download.headers["cache-control"] == "public, max-age=3598, immutable"


async def test_what_is_kept_is_found_and_listed(world, content):
    await world.store(content)
    digest, expires = sha256_hex(content), int(world.clock()) + 3600

    for url in (url_of(digest), f"uhrp://{url_of(digest)}"):
        found = await world.ask("GET", f"/find?{urlencode({'uhrpUrl': url})}")
        assert found.json() == {
            "status": "success",
            "data": {"name": f"cdn/{digest}", "size": "5000", "mimeType": "text/csv", "expiryTime": expires},
        }
    listed = await world.ask("GET", "/list")
    assert listed.json() == {"status": "success", "uploads": [{"uhrpUrl": url_of(digest), "expiryTime": expires}]}


async def test_one_sees_and_renews_only_ones_own_uploads(world, content):
    await world.store(content)
    stranger, url = world.client_of("stranger"), url_of(sha256_hex(content))

    assert (await world.ask("GET", "/list", by=stranger)).json()["uploads"] == []
    assert (await world.ask("GET", f"/find?uhrpUrl={url}", by=stranger)).status == 404
    renewal = {"uhrpUrl": url, "additionalMinutes": 10}
    assert (await world.ask("POST", "/renew", renewal, by=stranger)).status == 404
    assert len((await world.ask("GET", "/list")).json()["uploads"]) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/upload"), ("GET", "/find"), ("GET", "/list"), ("POST", "/renew"), ("HEAD", "/list")],
)
async def test_who_does_not_say_who_they_are_brings_finds_lists_and_renews_nothing(world, method, path):
    body = json.dumps({"fileSize": 100, "retentionPeriod": 60, "uhrpUrl": "x", "additionalMinutes": 1}).encode()

    reply = await world.http.request(method, f"http://storage-eu.embedded{path}", content=body)

    assert reply.status == 401
    if method != "HEAD":
        assert reply.json()["code"] == "ERR_MISSING_IDENTITY_KEY"


async def test_quotes_and_content_are_anybodys(world, content):
    await world.store(content)

    quote = await world.http.request(
        "POST", "http://storage-eu.embedded/quote", content=b'{"fileSize":100,"retentionPeriod":60}'
    )
    assert quote.json() == {"quote": 0}
    assert (await world.ask("GET", f"/cdn/{sha256_hex(content)}")).status == 200


async def test_a_part_can_be_had_by_range_and_who_has_the_content_need_not_fetch_it(world, content):
    await world.store(content)
    url, etag = f"/cdn/{sha256_hex(content)}", f'"{sha256_hex(content)}"'

    part = await world.ask("GET", url, range="bytes=4990-", if_range=etag)
    assert (part.status, part.body) == (206, content[4990:])
    assert part.headers["content-range"] == "bytes 4990-4999/5000"
    assert (await world.ask("GET", url, range="bytes=5000-")).status == 416
    assert (await world.ask("GET", url, if_none_match=etag)).status == 304
    head = await world.ask("HEAD", url)
    assert (head.status, head.headers["content-length"], head.body) == (200, "5000", b"")


async def test_a_listing_comes_in_pages(world, content):
    kept = sorted([sha256_hex(content[start:]) for start in range(3) if await world.store(content[start:])])

    async def page(query):
        uploads = (await world.ask("GET", f"/list{query}")).json()["uploads"]
        return [kept.index(digest_of(upload["uhrpUrl"])) for upload in uploads]

    assert await page("") == [0, 1, 2]
    assert await page("?limit=2") == [0, 1]
    assert await page("?limit=2&offset=2") == [2]
    assert (await world.ask("GET", "/list?limit=-1")).json()["code"] == "ERR_INVALID_PAGE"


@pytest.mark.parametrize("size", [0, 16, -1, 11_000_000_001, True, "5000", 1.5])
@pytest.mark.parametrize("path", ["/quote", "/upload"])
async def test_a_size_that_cannot_be_kept_or_advertised_is_refused(world, path, size):
    reply = await world.ask("POST", path, {"fileSize": size, "retentionPeriod": 60})

    assert reply.status == 400
    assert reply.json()["code"] == "ERR_INVALID_SIZE"


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/quote", {"retentionPeriod": 60}, "ERR_NO_SIZE"),
        ("/upload", {"retentionPeriod": 60}, "ERR_INVALID_SIZE"),
        ("/quote", {"fileSize": 100}, "ERR_NO_RETENTION_PERIOD"),
        ("/upload", {"fileSize": 100, "retentionPeriod": None}, "ERR_NO_RETENTION_PERIOD"),
    ],
)
async def test_what_is_missing_has_the_references_codes(world, path, body, code):
    assert (await world.ask("POST", path, body)).json()["code"] == code


@pytest.mark.parametrize("minutes", [0, -1, 69_000_001, "60"])
async def test_a_retention_that_cannot_be_promised_is_refused(world, minutes):
    reply = await world.ask("POST", "/quote", {"fileSize": 100, "retentionPeriod": minutes})

    assert reply.status == 400
    assert reply.json()["code"] == "ERR_INVALID_RETENTION_PERIOD"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"[" * 9000])
@pytest.mark.parametrize("path", ["/quote", "/upload", "/renew"])
async def test_a_malformed_body_is_refused_in_json(world, path, body):
    reply = await world.ask("POST", path, content=body)

    assert reply.status == 400
    assert reply.json()["status"] == "error"


async def test_a_quote_follows_the_price_of_a_gigabyte_and_month(world):
    world.serve(prices=Prices(per_gigabyte_month=3000))

    async def quote(size, minutes):
        return (await world.ask("POST", "/quote", {"fileSize": size, "retentionPeriod": minutes})).json()["quote"]

    assert await quote(1_000_000_000, 43_200) == 3000
    assert await quote(1_000_000_001, 43_200) == 3001
    assert await quote(500_000_000, 21_600) == 750
    assert await quote(1, 1) == 10


@pytest.mark.parametrize(
    "change",
    [
        {"hmac": "00" * 32},
        {"hmac": "xyz"},
        {"hmac": ""},
        {"fileSize": "4999"},
        {"fileSize": "many"},
        {"objectID": "other"},
        {"expiry": "9999999999"},
        {"uploader": "someone"},
    ],
)
async def test_an_upload_url_that_was_changed_is_refused(world, content, change):
    parts = urlsplit(await world.upload_url(len(content)))
    changed = {**dict(parse_qsl(parts.query)), **change}

    reply = await world.ask("PUT", f"/put?{urlencode(changed)}", content=content)

    assert reply.status == 400
    assert await world.client.listing() == {}


async def test_a_bare_put_is_refused(world, content):
    assert (await world.ask("PUT", "/put", content=content)).status == 400


async def test_an_upload_url_ends_with_the_retention_it_was_given_for(world, content):
    url = await world.upload_url(len(content), minutes=1)
    world.clock.now += 60

    reply = await world.ask("PUT", url, content=content)

    assert (reply.status, reply.json()["code"]) == (400, "ERR_EXPIRED")


@pytest.mark.parametrize("length", [4999, 5001, 0])
@pytest.mark.parametrize("announced", [True, False])
async def test_truncated_and_oversized_uploads_are_refused_and_leave_nothing(world, content, length, announced):
    url = await world.upload_url(5000)
    data = (content + b"more")[:length]

    async def chunks():
        for start in range(0, length, 700):
            yield data[start : start + 700]

    reply = await world.http.request("PUT", url, content=data if announced else chunks())

    assert (reply.status, reply.json()["code"]) == (400, "ERR_INVALID_SIZE")
    assert world.lying() == []
    again = await world.ask("PUT", url, content=content)
    assert again.status == 200


async def test_an_upload_url_serves_one_content_only(world, content):
    url = await world.upload_url(len(content))
    assert (await world.ask("PUT", url, content=content)).status == 200
    assert (await world.ask("PUT", url, content=content)).status == 200

    other = await world.ask("PUT", url, content=content[::-1])

    assert (other.status, other.json()["code"]) == (400, "ERR_USED")
    assert list(await world.client.listing()) == [sha256_hex(content)]


@pytest.mark.parametrize("stated", ["text/html\r\nx-evil: 1", "nonsense", "", "text/plain; charset=utf-8; x=1"])
async def test_a_strange_media_type_becomes_plain_bytes(world, content, stated):
    import httpx

    url = await world.upload_url(len(content))
    scope_headers = [(b"host", b"storage-eu.embedded"), (b"content-type", stated.encode())]
    await put_raw(world, httpx.URL(url), scope_headers, content)

    reply = await world.ask("GET", f"/cdn/{sha256_hex(content)}")

    assert reply.headers["content-type"] == "application/octet-stream"


async def test_a_put_above_what_is_taken_at_once_is_told_to_come_again(world, content):
    world.serve(uploads_at_once=1)
    urls = [await world.upload_url(5000) for _ in range(2)]
    begun, more = asyncio.Event(), asyncio.Event()

    async def slowly():
        yield content[:100]
        begun.set()
        await more.wait()
        yield content[100:]

    first = asyncio.create_task(world.http.request("PUT", urls[0], content=slowly()))
    await begun.wait()
    second = await world.ask("PUT", urls[1], content=content)
    more.set()

    assert (second.status, second.headers["retry-after"]) == (503, "1")
    assert (await first).status == 200
    assert (await world.ask("PUT", urls[1], content=content)).status == 200


async def test_a_sender_who_goes_away_leaves_nothing(world, content):
    import httpx

    url = httpx.URL(await world.upload_url(len(content)))
    said = await put_raw(world, url, [(b"host", b"storage-eu.embedded")], content[:100], complete=False)

    assert said[0]["status"] == 503
    assert world.lying() == []


@pytest.mark.parametrize("name", ["00" * 32, "..%2F..%2Fetc%2Fpasswd", "xyz"])
async def test_what_is_not_kept_is_not_found(world, name):
    assert (await world.ask("GET", f"/cdn/{name}")).status == 404


@pytest.mark.parametrize("query", ["", "?uhrpUrl=", "?uhrpUrl=xyz"])
async def test_find_wants_a_url(world, query):
    assert (await world.ask("GET", f"/find{query}")).json()["code"] == "ERR_NO_UHRP_URL"


async def test_a_renewal_moves_the_expiry_and_the_advertisement(world, content):
    before = await world.store(content)

    reply = await world.ask("POST", "/renew", {"uhrpUrl": url_of(sha256_hex(content)), "additionalMinutes": 10})

    after = before + 600
    assert reply.json() == {"status": "success", "prevExpiryTime": before, "newExpiryTime": after, "amount": 0}
    assert [token.expires for token in await world.adverts(sha256_hex(content))] == [after]


async def test_only_what_is_kept_can_be_renewed(world):
    body = {"uhrpUrl": url_of(Digest("00" * 32)), "additionalMinutes": 10}
    assert (await world.ask("POST", "/renew", body)).json()["code"] == "ERR_NOT_FOUND"
    assert (await world.ask("POST", "/renew", {"uhrpUrl": "x", "additionalMinutes": True})).status == 400


@pytest.mark.parametrize("minutes", [0, -1, 69_000_000])
async def test_a_renewal_has_a_time_that_can_be_promised(world, content, minutes):
    await world.store(content)

    reply = await world.ask("POST", "/renew", {"uhrpUrl": url_of(sha256_hex(content)), "additionalMinutes": minutes})

    assert (reply.status, reply.json()["code"]) == (400, "ERR_INVALID_TIME")


async def test_unknown_routes_and_health_are_as_everywhere(world):
    assert (await world.ask("GET", "/nowhere")).json()["code"] == "ERR_ROUTE_NOT_FOUND"
    assert (await world.ask("GET", "/put")).status == 404
    assert (await world.ask("GET", "/health")).json() == {"status": "ok", "ready": True}


async def test_a_server_sweeps_for_as_long_as_it_lives_whatever_is_away_for_a_while(world):
    swept, settled = asyncio.Event(), asyncio.Event()

    class Till:
        @staticmethod
        async def settling():
            settled.set()
            await asyncio.Event().wait()

    class Keeper:
        calls = 0

        async def sweep(self):
            Keeper.calls += 1
            if Keeper.calls == 1:
                raise UnreachableError("the database is busy")

        async def tidy(self):
            swept.set()

    app = build_app(
        keeper=Keeper(),
        keys=world.keys,
        replays=None,
        till=Till,
        clock=world.clock,
        randomness=world.randomness,
        sweep_every=0,
    )
    coming = iter(["lifespan.startup", "lifespan.shutdown"])
    said = []

    async def receive():
        if said:
            await swept.wait()
            await settled.wait()
        return {"type": next(coming)}

    async def send(message):
        said.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def put_raw(world, url, headers, body, *, complete=True):
    """A PUT as no client of ours would send it."""
    app = world.http._worlds.mounted[b"storage-eu.embedded"].app
    messages = [{"type": "http.request", "body": body, "more_body": not complete}, {"type": "http.disconnect"}]
    said = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        said.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "PUT",
        "scheme": "http",
        "path": url.path,
        "raw_path": url.raw_path,
        "query_string": url.query,
        "headers": headers,
        "root_path": "",
        "server": ("storage-eu.embedded", 80),
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    return said
