"""Content for a grant, for a payment that comes along, and for nothing: ranges, validators, allowances, and those who try more."""

from __future__ import annotations

import asyncio
import hashlib

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from reconciler.gateway.delivery import SMALL, ContentRoute, Delivery
from reconciler.gateway.grants import Grant
from reconciler.gateway.live import Shelf
from reconciler.gateway.ports import Bought
from reconciler.model.errors import RefusedError
from reconciler.model.ids import Digest, IdentityKey, RecordId
from reconciler.web.problems import HANDLERS
from tests.delivering import DATA, SHA256, SIZE
from tests.describing import known as signed_by

NOW = 1_800_000_000
SOLD, OTHER, FREE = (RecordId.parse(f"dataset/{name}") for name in ("prices/btc.csv", "prices/eth.csv", "free"))
BUYER = IdentityKey("02" + "ab" * 32)
RECEIPT = Digest("11" * 32)


def seal(data: bytes) -> bytes:
    return hashlib.sha256(b"key" + data).digest()


class Allowances:
    """Satisfies gateway.ports.Allowances."""

    def __init__(self) -> None:
        self.receipts: dict[Digest, Bought] = {}
        self.downloads = self.bytes = 0
        self.most = (3, 3 * SIZE)
        self.revoked = False

    async def bought(self, receipt):
        return self.receipts.get(receipt)

    async def check(self, receipt) -> None:
        if self.revoked:
            raise RefusedError("the receipt was revoked", code="403")

    async def take(self, receipt, *, downloads, size) -> None:
        await self.check(receipt)
        if self.downloads + downloads > self.most[0] or self.bytes + size > self.most[1]:
            raise RefusedError("the receipt's allowance is used up", code="403")
        self.downloads += downloads
        self.bytes += size

    async def put_back(self, receipt, size) -> None:
        self.bytes -= size


class Sale:
    """Satisfies gateway.ports.DirectSale."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def sell(self, request, record, giving):
        if "x-bsv-payment" in request.headers:
            return await giving.answer(request, RECEIPT)
        return PlainTextResponse(f"{self.name} {record}", status_code=402)


@pytest.fixture
def allowances():
    return Allowances()


@pytest.fixture
async def published(publisher, make, allowances):
    await publisher.publish(
        [
            make(str(SOLD), price=5),
            make(str(OTHER), price=5),
            make(str(FREE)),
            make("dataset/empty", has_content=False),
            make("stream/ticks", price=5),
        ]
    )
    async with publisher.database.begin() as connection:
        from reconciler.store.published import Published

        records = await Published(connection).records()
    allowances.receipts[RECEIPT] = Bought(SOLD, records[SOLD].document_hash, BUYER)
    return records


@pytest.fixture
def delivery(database, contents, allowances):
    return Delivery(shelf=Shelf(database), contents=contents, allowances=allowances)


@pytest.fixture
def app(database, delivery):
    route = ContentRoute(
        delivery,
        shelf=Shelf(database),
        seal=seal,
        clock=lambda: NOW,
        sale=Sale("BRC-105"),
        open_sale=Sale("BRC-121"),
    )
    return Starlette(routes=[Mount("/v1", routes=route.routes())], exception_handlers=HANDLERS)


@pytest.fixture
async def ask(app, published):
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.example/v1") as http:

        async def ask(record=SOLD, method="GET", *, grant: str | None = "", path=None, **headers):
            text = Grant(RECEIPT, SOLD, NOW + 60).text(seal) if grant == "" else grant
            url = path or f"/datasets/{record.name}/content"
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await http.request(method, url, params=None if text is None else {"grant": text}, headers=named)

        yield ask


def refused(reply, status, words):
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert words in reply.json()["detail"]
    assert SHA256 not in reply.text


async def test_a_grant_gives_what_was_bought(ask, allowances):
    reply = await ask()
    assert (reply.status_code, reply.content) == (200, DATA)
    assert reply.headers["etag"] == f'"{SHA256}"'
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["content-disposition"] == 'attachment; filename="btc.csv"'
    assert reply.headers["content-type"] == "text/csv"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert (allowances.downloads, allowances.bytes) == (1, SIZE)


async def test_one_range_is_answered_with_that_part_and_only_what_begins_at_the_beginning_is_a_download(
    ask, allowances
):
    for stated, part in (("bytes=0-9", slice(0, 10)), ("bytes=10-", slice(10, SIZE)), ("bytes=-5", slice(-5, None))):
        reply = await ask(range=stated)
        assert (reply.status_code, reply.content) == (206, DATA[part])
    assert (allowances.downloads, allowances.bytes) == (1, 10 + SIZE - 10 + 5)


async def test_whoever_resumes_is_told_whether_it_is_still_the_same(ask):
    reply = await ask(range="bytes=100-", if_range=f'"{SHA256}"')
    assert (reply.status_code, reply.content) == (206, DATA[100:])
    reply = await ask(range="bytes=100-", if_range='"other"')
    assert (reply.status_code, reply.content) == (200, DATA)


async def test_what_sends_no_bytes_counts_nothing(ask, allowances):
    assert (await ask(method="HEAD")).headers["content-length"] == str(SIZE)
    assert (await ask(if_none_match=f'"{SHA256}"')).status_code == 304
    reply = await ask(range=f"bytes={SIZE}-")
    assert (reply.status_code, reply.headers["content-range"]) == (416, f"bytes */{SIZE}")
    assert reply.headers["content-type"] == "application/problem+json"
    assert (allowances.downloads, allowances.bytes) == (0, 0)
    allowances.revoked = True
    for asked in ({"method": "HEAD"}, {"if_none_match": f'"{SHA256}"'}, {"range": f"bytes={SIZE}-"}):
        reply = await ask(**asked)
        assert reply.status_code == 403
        assert "etag" not in reply.headers


@pytest.mark.parametrize(
    "stated",
    [
        "bytes=0-1,5-6",
        "bytes=0-,0-,0-,0-",
        "bytes=0-1, -1",
        "bytes=-",
        "bytes=5-2",
        "bytes=--5",
        "bytes=-5-",
        "bytes=a-b",
        "bytes=0x0-0x5",
        "bytes=\u0660-\u0661".encode(),
        "bytes= 1 - 2",
        "bytes=1-99999999999999999999999",
        "bytes 0-5",
    ],
)
async def test_ranges_that_are_none_are_refused_before_anything_is_counted(ask, allowances, stated):
    refused(await ask(range=stated), 416, "one range")
    assert (allowances.downloads, allowances.bytes) == (0, 0)


async def test_other_units_are_nobody_s_business_and_long_numbers_end_at_the_end(ask):
    assert (await ask(range="rows=0-1")).status_code == 200
    reply = await ask(range="bytes=5000-9999999999999999999")
    assert (reply.status_code, reply.content) == (206, DATA[5000:])
    assert (await ask(range="bytes=9999999999999999999-")).status_code == 416


async def test_above_the_allowance_nothing_is_given(ask, allowances):
    for _ in range(3):
        assert (await ask()).status_code == 200
    refused(await ask(), 403, "used up")
    refused(await ask(range="bytes=1-1"), 403, "used up")
    assert (allowances.downloads, allowances.bytes) == (3, 3 * SIZE)


async def test_downloads_at_the_same_time_get_no_more_together_than_was_bought(ask, allowances):
    statuses = [reply.status_code for reply in await asyncio.gather(*(ask() for _ in range(8)))]
    assert sorted(statuses) == [200] * 3 + [403] * 5
    assert allowances.bytes == 3 * SIZE


async def test_who_goes_away_has_back_what_did_not_leave(app, published, contents, allowances, delivery):
    contents.how = {"gate": asyncio.Event()}
    sent, gone = [], asyncio.Event()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        if message.get("body"):
            gone.set()

    grant = Grant(RECEIPT, SOLD, NOW + 60).text(seal)
    path = f"/v1/datasets/{SOLD.name}/content"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": f"grant={grant}".encode(),
        "headers": [],
    }
    await app(scope, receive, send)
    await delivery.settled()
    assert (allowances.downloads, allowances.bytes) == (1, 1000)
    assert contents.reading[0].closed


async def test_what_fails_on_the_way_is_cut_short_and_counted_as_far_as_it_went(ask, contents, allowances, delivery):
    contents.how = {"fails_at": 2}
    with pytest.raises(RuntimeError, match="response already started"):
        await ask()
    await delivery.settled()
    assert (allowances.downloads, allowances.bytes) == (1, 2000)
    contents.how = {}
    assert (await ask(range="bytes=2000-")).content == DATA[2000:]


async def test_where_no_host_has_it_that_is_an_outage_and_nothing_is_counted(ask, contents, allowances):
    contents.away = True
    reply = await ask()
    refused(reply, 503, "no storage host")
    assert int(reply.headers["retry-after"]) > 0
    assert (allowances.downloads, allowances.bytes) == (0, 0)


async def test_a_refused_download_lets_go_of_what_it_had_begun_to_read(ask, contents, allowances):
    allowances.most = (0, 0)
    refused(await ask(), 403, "used up")
    assert contents.reading[0].closed


async def test_a_grant_is_for_one_good_until_its_time_and_not_after_it_was_revoked(ask, allowances):
    text = Grant(RECEIPT, SOLD, NOW + 60).text(seal)
    refused(await ask(OTHER, grant=text), 403, "no grant of this gateway's for this content")
    refused(await ask(FREE, grant=text), 403, "no grant")
    refused(await ask(grant=Grant(RECEIPT, SOLD, NOW).text(seal)), 403, "expired")
    refused(await ask(grant=Grant(RECEIPT, SOLD, NOW + 60).text(lambda data: bytes(32))), 403, "no grant")
    refused(await ask(grant=Grant(Digest("22" * 32), SOLD, NOW + 60).text(seal)), 403, "no such receipt")
    refused(await ask(grant=text + "A"), 403, "no grant")
    refused(await ask(grant="é" * 91), 403, "no grant")
    allowances.revoked = True
    refused(await ask(), 403, "revoked")


async def test_a_grant_that_stands_there_twice_is_refused(app, published):
    text = Grant(RECEIPT, SOLD, NOW + 60).text(seal)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway.example") as http:
        reply = await http.get(f"/v1/datasets/{SOLD.name}/content?grant={text}&grant={text}")
    refused(reply, 400, "twice")


async def test_what_was_sold_is_given_when_something_else_is_live_by_that_name_or_nothing(
    ask, publisher, make, delivery
):
    await publisher.publish([make(str(FREE), title="another")], generation=2)
    assert (await ask()).content == DATA
    assert (await ask(grant=None)).status_code == 404


async def test_free_content_needs_no_grant_and_is_given_as_it_is(ask, allowances):
    reply = await ask(FREE, grant=None)
    assert (reply.status_code, reply.content) == (200, DATA)
    assert reply.headers["cache-control"] == "no-cache"
    assert (await ask(FREE, grant=None, if_none_match=reply.headers["etag"])).status_code == 304
    assert (await ask(FREE, grant=None, range="bytes=1-2")).content == DATA[1:3]
    assert (await ask(FREE, "HEAD", grant=None)).content == b""
    assert (allowances.downloads, allowances.bytes) == (0, 0)


async def test_without_a_grant_what_is_sold_asks_for_money_and_says_nothing_of_its_content(ask, app, published):
    for record in (SOLD, OTHER):
        reply = await ask(record, grant=None, if_none_match=f'"{SHA256}"')
        assert (reply.status_code, reply.text) == (402, f"BRC-121 {record}")
        assert "etag" not in reply.headers
    transport = httpx.ASGITransport(app=signed_by(app, "02" + "11" * 32))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.example/v1") as http:
        url = f"/datasets/{SOLD.name}/content"
        assert (await http.get(url)).text == f"BRC-105 {SOLD}"
        reply = await http.get(url, headers={"x-bsv-payment": "{}", "range": "bytes=1-2"})
        assert (reply.status_code, reply.content) == (206, DATA[1:3])


async def test_what_is_large_is_given_for_a_grant_only(ask, contents, allowances, delivery):
    contents.size = SMALL + 1
    refused(await ask(grant=None), 403, "for a grant")
    refused(await ask(grant=None, if_none_match=f'"{SHA256}"'), 403, "/access")
    with pytest.raises(RefusedError) as caught:
        await delivery.whole(RECEIPT)
    assert caught.value.code == "403"
    assert allowances.bytes == 0


async def test_all_of_small_content_counts_as_one_download(published, delivery, allowances, contents):
    assert await delivery.whole(RECEIPT) == DATA
    assert (allowances.downloads, allowances.bytes) == (1, SIZE)
    allowances.revoked = True
    with pytest.raises(RefusedError, match="revoked"):
        await delivery.whole(RECEIPT)


@pytest.mark.parametrize(
    "path",
    [
        "/datasets/none/content",
        "/datasets/empty/content",
        "/datasets/..%2f..%2fetc/content",
        "/datasets/%2e%2e/%2e%2e/content",
        "/datasets/prices%2f%2fbtc.csv/content",
        "/datasets/prices//btc.csv/content",
        "/datasets/prices/btc.csv//content",
        "/datasets//prices/btc.csv/content",
        "/datasets/prices/btc.csv/content/content",
        "/datasets/prices/BTC.csv/content",
        "/datasets/prices/btc.csv%00/content",
        "/datasets/prices/btc.csv%0d%0ax:y/content",
        "/datasets/" + "a" * 300 + "/content",
        "/datasets/ticks/content",
        "/datasets//content",
        "/datasets/content",
    ],
)
async def test_paths_that_name_no_dataset_are_nothing(ask, path):
    reply = await ask(path=path, grant=None)
    assert (reply.status_code, reply.headers["content-type"]) == (404, "application/problem+json")


async def test_a_slash_may_be_written_either_way(ask):
    reply = await ask(path="/datasets/prices%2Fbtc.csv/content")
    assert reply.content == DATA


async def test_nothing_can_be_written_there(ask):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await ask(method=method)).status_code == 405
