"""The reference's AuthFetch against our server, and our client against the reference's middleware on express."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.responses import PlainTextResponse

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
