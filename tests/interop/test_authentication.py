"""The reference's AuthFetch against our server, and our client against the reference's middleware on express."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from starlette.responses import PlainTextResponse

from reconciler.clients.auth import AuthenticatedHttp, BrcAuth
from reconciler.clients.http import HttpClient
from reconciler.web.server import Door, serving
from tests.authenticating import House, keys_of


class Server:
    """Our server on TCP. Unauthenticated routes let a test's other side play with it between two requests."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._behind = house.app()
        self.started = 1

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/-/"):
            await self._play(scope["path"].removeprefix("/-/"))
            await PlainTextResponse("done")(scope, receive, send)
            return
        await self._behind(scope, receive, send)

    async def _play(self, what: str) -> None:
        match what:
            case "an-hour-later":
                self._house.clock.now += 3601
            case "restart":
                self._behind = self._house.app()
                self.started += 1
            case "another-key":
                self._house.server = keys_of("the server's next key")
                self._behind = self._house.app()


@pytest.fixture
def ask(run_peer, database):
    """AuthFetch takes the steps against a new server of ours."""

    async def ask(*steps):
        async with serving([Door(app=Server(House(database)), host="127.0.0.1", port=0)]) as (url,):
            question = {"origin": url, "key": keys_of("AuthFetch").secret().hex(), "steps": steps}
            return await asyncio.to_thread(run_peer, "authfetch.mjs", question)

    return ask


def bodies(answers):
    """What every answer of a step says, all of them alike."""
    assert isinstance(answers, list), answers
    (body,) = {(answer["status"], answer["body"]) for answer in answers}
    assert body[0] == 200, body
    return json.loads(body[1])


WHO = {"identityKey": keys_of("AuthFetch").identity}


async def test_authfetch_authenticates(ask):
    (answers,) = await ask({"path": "/whoami"})

    assert bodies(answers) == WHO
    assert answers[0]["headers"]["x-bsv-auth-identity-key"] == keys_of("server").identity


async def test_twenty_at_once_are_twenty_answers(ask):
    first, second = await ask({"path": "/whoami", "times": 20}, {"path": "/whoami", "times": 20})

    assert (bodies(first), bodies(second), len(first), len(second)) == (WHO, WHO, 20, 20)


@pytest.mark.parametrize("what", ["an-hour-later", "restart"])
async def test_authfetch_goes_on_after(ask, what):
    before, _, after, at_once = await ask(
        {"path": "/whoami"},
        {"path": f"/-/{what}", "plain": True},
        {"path": "/whoami"},
        {"path": "/whoami", "times": 20},
    )

    assert (bodies(before), bodies(after), bodies(at_once)) == (WHO, WHO, WHO)


async def test_authfetch_goes_on_after_the_hour_with_twenty_at_once(ask):
    _, _, after = await ask(
        {"path": "/whoami", "times": 20},
        {"path": "/-/an-hour-later", "plain": True},
        {"path": "/whoami", "times": 20},
    )

    assert bodies(after) == WHO


async def test_what_authfetch_signs_is_what_we_read(ask):
    json_type = {"content-type": "application/json"}
    steps = [
        {"path": "/a%20b/%C3%BC?x=1&y=%26%20z"},
        {"path": "/ü ö?q=ä&'quoted'"},
        {"path": "/?"},
        {"path": "/json", "method": "POST", "headers": json_type, "body": json.dumps({"ü": [1, 2.5, None, "é\n"]})},
        {"path": "/nothing", "method": "POST", "headers": json_type},
        {"path": "/none", "method": "DELETE"},
        {"path": "/text", "method": "PUT", "headers": {"content-type": "text/plain; charset=utf-8"}, "body": "żółw"},
        {"path": "/headers", "headers": {"x-bsv-b": "2", "X-BSV-a-1": "1", "Authorization": "Bearer ä"}},
    ]
    answers = [bodies(each) for each in await ask(*steps)]

    assert {each.pop("identity") for each in answers} == {WHO["identityKey"]}
    assert answers == [
        {"method": "GET", "path": "/a b/ü", "query": "x=1&y=%26%20z", "body": ""},
        {"method": "GET", "path": "/ü ö", "query": "q=%C3%A4&%27quoted%27", "body": ""},
        {"method": "GET", "path": "/", "query": "", "body": ""},
        {"method": "POST", "path": "/json", "query": "", "body": steps[3]["body"]},
        {"method": "POST", "path": "/nothing", "query": "", "body": "{}"},
        {"method": "DELETE", "path": "/none", "query": "", "body": ""},
        {"method": "PUT", "path": "/text", "query": "", "body": "żółw"},
        {"method": "GET", "path": "/headers", "query": "", "body": ""},
    ]


async def test_authfetch_gets_every_answer_signed_with_a_body(ask):
    nothing, missing, reset = await ask(*({"path": f"/empty/{status}"} for status in (204, 404, 200)))

    assert [(each["status"], each["body"]) for (each,) in (nothing, missing, reset)] == [
        (200, "{}"),
        (404, "{}"),
        (200, "{}"),
    ]


@pytest.fixture
def reference(started_peer):
    """A server of the reference, and who it is."""
    return started_peer("express.mjs", {"key": keys_of("express").secret().hex()})


async def test_our_client_authenticates_to_the_reference(reference):
    async with reference as server, HttpClient() as http:
        client = AuthenticatedHttp(http, keys_of("client"), servers={server["url"]: keys_of("express").identity})
        replies = await asyncio.gather(*(client.request("GET", f"{server['url']}/who?n={n}") for n in range(20)))

    assert [reply.json() for reply in replies] == [
        {"identityKey": keys_of("client").identity, "method": "GET", "url": f"/who?n={n}"} for n in range(20)
    ]


async def test_what_our_client_signs_is_what_the_reference_reads(reference):
    as_json = {"content-type": "application/json"}
    told = [
        ("GET", "/a%20b/ü?x=ä&y=%26'", {}, b"", None),
        (
            "POST",
            "/json",
            as_json,
            '{ "b": 1.0, "ü": "\\u00e9", "10": 1e21, "2": [] }'.encode(),
            {"2": [], "10": 1e21, "b": 1, "ü": "é"},
        ),
        ("POST", "/json", {"content-type": "application/json; charset=utf-8"}, b'{"a":"b"}', {"a": "b"}),
        ("POST", "/nothing", as_json, b"", {}),
        ("DELETE", "/none", {}, b"", None),
        ("PUT", "/text", {"content-type": "text/plain"}, "żółw".encode(), "żółw"),
        ("POST", "/bytes", {"content-type": "application/octet-stream"}, bytes(range(256)), bytes(range(256)).hex()),
        ("POST", "/form", {"content-type": "application/x-www-form-urlencoded"}, b"a=1&b=x+y", {"a": "1", "b": "x y"}),
        ("GET", "/headers", {"x-bsv-b": "2", "X-BSV-A-1": "1", "Authorization": "Bearer x"}, b"", None),
    ]
    async with reference as server, HttpClient() as http:
        client = AuthenticatedHttp(http, keys_of("client"))
        for method, path, headers, body, read in told:
            reply = await client.request(method, server["url"] + path, headers=headers, content=body)
            assert (reply.status, reply.json().get("body")) == (200, read), path


async def test_our_client_takes_answers_without_a_body_from_the_reference(reference):
    async with reference as server, HttpClient() as http:
        client = AuthenticatedHttp(http, keys_of("client"))
        for path, status in (("/empty", 200), ("/nothing", 204), ("/missing", 404)):
            reply = await client.request("GET", server["url"] + path)
            assert reply.status == status


async def test_our_client_goes_on_after_the_reference_has_forgotten_it(reference):
    async with reference as server, HttpClient() as http:
        client = AuthenticatedHttp(http, keys_of("client"))
        await client.request("GET", server["url"])
        await http.request("GET", f"{server['url']}/-/forget")
        replies = await asyncio.gather(*(client.request("POST", server["url"]) for _ in range(20)))

    assert {reply.status for reply in replies} == {200}


async def test_plain_httpx_authenticates_to_the_reference(reference):
    async with reference as server:
        auth = BrcAuth(keys_of("httpx"))

        def ask() -> list[httpx.Response]:
            with httpx.Client(auth=auth, base_url=server["url"]) as client:
                return [client.get("/a", params={"x": "ü"}), client.post("/b", json={"a": 1.0, "ü": "é"})]

        got, posted = await asyncio.to_thread(ask)
        async with httpx.AsyncClient(auth=auth, base_url=server["url"]) as client:
            at_once = await asyncio.gather(*(client.get("/c") for _ in range(5)))

    who = {"identityKey": keys_of("httpx").identity}
    assert got.json() == {**who, "method": "GET", "url": "/a?x=%C3%BC"}
    assert posted.json() == {**who, "method": "POST", "url": "/b", "body": {"a": 1, "ü": "é"}}
    assert {each.status_code for each in at_once} == {200}
