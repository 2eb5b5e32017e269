"""What the storage client makes of a storage host's answers: ours in unit/storage, here the reference's, refusals, lies."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.clients.http import HttpClient
from reconciler.clients.storage import KeptFile, StorageClient
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Digest, identity_key
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.payment import Charge
from reconciler.wire.uhrp import url_of
from tests.contract.hostile import listening

URL = "http://storage.embedded"
HOST = identity_key("02" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
DATA = b"some content of some length" * 100
DIGEST = Digest(sha256_hex(DATA))
LEAVE = {
    "status": "success",
    "uploadURL": f"{URL}/put?hmac=1",
    "requiredHeaders": {"x-goog-custom-time": "t"},
    "amount": 0,
}
FOUND = {"status": "success", "data": {"name": "cdn/x", "size": "2700", "mimeType": "text/csv", "expiryTime": 99}}


class Storage:
    """Answers every route with what it is told to, and remembers what it was sent."""

    def __init__(self) -> None:
        self.answers: dict[str, Response] = {"/upload": JSONResponse(LEAVE), "/find": JSONResponse(FOUND)}
        self.stored: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST", "PUT"])])

    async def answer(self, request: Request) -> Response:
        if request.method == "PUT":
            self.stored[request.url.path] = await request.body()
            self.headers = dict(request.headers)
        return self.answers[request.url.path]


@pytest.fixture
def storage():
    return Storage()


@pytest.fixture
async def client(storage):
    async with HttpClient(apps={URL: storage.app, "http://other.embedded": storage.app}) as http:
        yield StorageClient(http, f"{URL}/")


async def chunks(data=DATA, size=1000):
    for start in range(0, len(data), size):
        yield data[start : start + size]


def upload(client, data=DATA):
    return client.upload(chunks(data), size=len(DATA), sha256=DIGEST, minutes=10, media_type="text/csv")


async def test_an_upload_streams_to_the_url_it_is_given_and_believes_an_answer_that_names_the_hash(storage, client):
    storage.answers["/put"] = JSONResponse({"uhrpUrl": url_of(DIGEST), "expiryTime": 77})

    assert await upload(client) == 77

    assert storage.stored == {"/put": DATA}
    assert storage.headers["content-length"] == str(len(DATA))
    assert storage.headers["content-type"] == "text/csv"
    assert storage.headers["x-goog-custom-time"] == "t"


@pytest.mark.parametrize("answer", [Response(b""), JSONResponse({"status": "success"})])
async def test_a_host_that_does_not_name_the_hash_is_asked_what_it_keeps(storage, client, answer):
    storage.answers["/put"] = answer

    assert await upload(client) == 99

    storage.answers["/find"] = JSONResponse({"code": "ERR_NOT_FOUND"}, 404)
    with pytest.raises(UnreachableError, match="keeps nothing"):
        await upload(client)


async def test_a_host_that_names_another_hash_is_not_believed(storage, client):
    storage.answers["/put"] = JSONResponse({"uhrpUrl": url_of(Digest("00" * 32)), "expiryTime": 77})

    with pytest.raises(UnreachableError, match="not what was sent"):
        await upload(client)


async def test_content_that_is_not_what_it_should_be_is_noticed(storage, client):
    storage.answers["/put"] = JSONResponse({"uhrpUrl": url_of(DIGEST), "expiryTime": 77})

    with pytest.raises(VerificationError, match=f"should hash to {DIGEST}"):
        await upload(client, DATA[::-1])


async def test_a_refused_upload_says_why(storage, client):
    storage.answers["/put"] = JSONResponse({"status": "error", "description": "Size mismatch"}, 400)
    with pytest.raises(RefusedError, match="Size mismatch"):
        await upload(client)

    asks = {"x-bsv-auth-identity-key": HOST, **Charge(Satoshis(7), "AA==", HOST).headers()}
    storage.answers["/upload"] = JSONResponse({"code": "ERR_PAYMENT_REQUIRED"}, 402, headers=asks)
    with pytest.raises(RefusedError, match="asks for 7 satoshis") as caught:
        await upload(client)
    assert caught.value.code == "402"

    storage.answers["/upload"] = JSONResponse({"code": "ERR_PAYMENT_REQUIRED"}, 402)
    with pytest.raises(VerificationError, match="without saying who it is"):
        await upload(client)


@pytest.mark.parametrize("url", [None, 7, "", "http://other.embedded/put", "ftp://x", f"{URL}.evil.test/put"])
async def test_an_upload_url_in_the_plain_at_a_strangers_is_not_followed(storage, client, url):
    storage.answers["/upload"] = JSONResponse({**LEAVE, "uploadURL": url})

    with pytest.raises(UnreachableError, match="no usable upload URL"):
        await upload(client)
    assert storage.stored == {}


async def test_bytes_go_where_the_host_sends_us_by_the_door_for_strangers_alone(storage):
    bucket = Storage()
    bucket.answers["/put"] = Response(b"")
    storage.answers["/upload"] = JSONResponse({**LEAVE, "uploadURL": "https://bucket.embedded/put"})
    async with (
        HttpClient(apps={URL: storage.app}) as http,
        HttpClient(apps={"https://bucket.embedded": bucket.app}) as strangers,
    ):
        assert await upload(StorageClient(http, URL, strangers=strangers)) == 99
        assert (storage.stored, bucket.stored) == ({}, {"/put": DATA})

        with pytest.raises(UnreachableError, match="not its own"):
            await upload(StorageClient(http, URL))


async def test_a_host_does_not_send_us_into_a_private_network(storage):
    sent = []

    async def listener(reader, _):
        sent.append(await reader.read())

    async with (
        listening(listener) as url,
        HttpClient(apps={URL: storage.app}) as http,
        HttpClient(public_only=True) as strangers,
    ):
        storage.answers["/upload"] = JSONResponse({**LEAVE, "uploadURL": url.replace("http:", "https:") + "/admin"})
        with pytest.raises(RefusedError, match="private network"):
            await upload(StorageClient(http, URL, strangers=strangers))
    assert not any(sent)


@pytest.mark.parametrize("quote", [0, 10])
async def test_a_quote_is_satoshis(storage, client, quote):
    storage.answers["/quote"] = JSONResponse({"quote": quote})

    assert await client.quote(1000, 60) == quote


@pytest.mark.parametrize(
    "body", [{}, {"quote": -1}, {"quote": 1.5}, {"quote": "1"}, {"quote": True}, {"quote": 10**16}]
)
async def test_a_quote_that_is_no_amount_is_not_believed(storage, client, body):
    storage.answers["/quote"] = JSONResponse(body)

    with pytest.raises(UnreachableError):
        await client.quote(1000, 60)


async def test_what_is_found_is_told_with_size_and_expiry(storage, client):
    assert await client.find(DIGEST) == KeptFile(name="cdn/x", size=2700, media_type="text/csv", expires=99)
    assert await client.kept_until(DIGEST) == 99


async def test_a_host_that_does_not_have_it_says_404_and_another_refusal_stays_one(storage, client):
    storage.answers["/find"] = JSONResponse({"code": "ERR_NOT_FOUND"}, 404)
    assert await client.kept_until(DIGEST) is None

    storage.answers["/find"] = JSONResponse({"code": "ERR_MISSING_IDENTITY_KEY"}, 400)
    with pytest.raises(RefusedError, match="ERR_MISSING_IDENTITY_KEY"):
        await client.find(DIGEST)


async def test_the_references_way_to_say_nothing_is_told_from_its_way_to_say_broken_by_its_list(storage, client):
    storage.answers["/find"] = JSONResponse({"status": "error", "code": "ERR_FIND"}, 500)
    storage.answers["/list"] = JSONResponse({"uploads": []})
    assert await client.kept_until(DIGEST) is None

    storage.answers["/list"] = JSONResponse({"uploads": [{"uhrpUrl": url_of(DIGEST), "expiryTime": 5}]})
    with pytest.raises(UnreachableError, match="ERR_FIND"):
        await client.kept_until(DIGEST)

    storage.answers["/find"] = JSONResponse({"status": "error", "code": "ERR_INTERNAL"}, 500)
    with pytest.raises(UnreachableError):
        await client.kept_until(DIGEST)


async def test_a_size_may_be_the_tag_that_the_reference_keeps_it_in(storage, client):
    data = {"name": "name_x", "size": "size_2700", "mimeType": "content_type_text/csv", "expiryTime": 99}
    storage.answers["/find"] = JSONResponse({"status": "success", "data": data})

    assert (await client.find(DIGEST)).size == 2700


async def test_a_long_listing_is_read_page_by_page_and_one_without_an_end_is_not_believed(storage, client):
    every = [{"uhrpUrl": url_of(Digest(sha256_hex(b"%d" % number))), "expiryTime": number} for number in range(2300)]

    class Pages:
        async def __call__(self, scope, receive, send):
            query = Request(scope).query_params
            limit, skip = int(query["limit"]), int(query["offset"])
            await JSONResponse({"uploads": every[skip : skip + limit]})(scope, receive, send)

    storage.answers["/list"] = Pages()
    assert len(await client.listing()) == 2300

    storage.answers["/list"] = JSONResponse({"uploads": every[:1000]})
    with pytest.raises(UnreachableError, match="without an end"):
        await client.listing()


async def test_an_error_does_not_show_the_leave_to_upload(storage, client):
    storage.answers["/put"] = JSONResponse({"description": "no"}, 400)

    with pytest.raises(RefusedError) as caught:
        await upload(client)

    assert "hmac" not in f"{caught.value} {caught.value.where}"


@pytest.mark.parametrize("data", [None, [], {}, {"size": "x", "expiryTime": 1}, {"size": 1, "expiryTime": -1}])
async def test_a_file_without_size_or_expiry_is_not_believed(storage, client, data):
    storage.answers["/find"] = JSONResponse({"status": "success", "data": data})

    with pytest.raises(UnreachableError):
        await client.find(DIGEST)


async def test_the_listing_is_by_hash_with_the_latest_expiry(storage, client):
    uploads = [{"uhrpUrl": url_of(DIGEST), "expiryTime": expires} for expires in (5, 9, 7)]
    storage.answers["/list"] = JSONResponse({"status": "success", "uploads": uploads})

    assert await client.listing() == {DIGEST: 9}


@pytest.mark.parametrize("uploads", [None, {}, [7], [{"uhrpUrl": "x", "expiryTime": 1}], [{"uhrpUrl": url_of(DIGEST)}]])
async def test_a_malformed_listing_is_not_believed(storage, client, uploads):
    storage.answers["/list"] = JSONResponse({"uploads": uploads})

    with pytest.raises(UnreachableError):
        await client.listing()


async def test_a_download_comes_from_where_the_host_says_and_is_verified(storage, client):
    storage.answers["/cdn/x"] = Response(DATA)

    assert b"".join([chunk async for chunk in client.download(DIGEST, size=len(DATA))]) == DATA
    url = "http://other.embedded/cdn/x"
    assert b"".join([chunk async for chunk in client.download(DIGEST, size=len(DATA), url=url)]) == DATA


@pytest.mark.parametrize("body", [DATA[::-1], DATA[:-1], DATA + b"x", b""])
async def test_a_download_of_anything_else_ends_in_an_error(storage, client, body):
    storage.answers["/cdn/x"] = Response(body)

    with pytest.raises(VerificationError):
        async for _ in client.download(DIGEST, size=len(DATA)):
            pass


@pytest.mark.parametrize(("status", "error"), [(404, RefusedError), (500, UnreachableError), (206, UnreachableError)])
async def test_a_download_that_is_none_is_an_error_before_the_first_byte(storage, client, status, error):
    storage.answers["/cdn/x"] = Response(DATA, status)

    with pytest.raises(error):
        await anext(client.download(DIGEST, size=len(DATA)))


async def test_nothing_kept_is_nothing_to_download(storage, client):
    storage.answers["/find"] = JSONResponse({}, 404)

    with pytest.raises(RefusedError, match="keeps nothing"):
        await anext(client.download(DIGEST, size=1))
