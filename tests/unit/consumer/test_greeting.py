"""Whether a gateway is open: against a server that authenticates."""

from __future__ import annotations

import pytest

from reconciler.clients.http import HttpClient
from reconciler.consumer.discovery import Standing
from reconciler.consumer.greeting import Greeter
from tests.authenticating import ORIGIN, Clock, House, keys_of


@pytest.fixture
async def greeter(database):
    """Speaks to a server that has a /v1/whoami; the key of that server."""
    house = House(database)
    app = house.app()

    async def below(scope, receive, send):
        if scope["type"] == "http":
            scope = {**scope, "path": scope["path"].removeprefix("/v1"), "raw_path": scope["raw_path"]}
        await app(scope, receive, send)

    async with HttpClient(apps={ORIGIN: below}) as http:
        yield Greeter(http, keys_of("somebody who looks around"), clock=Clock()), house.server.identity


async def test_a_gateway_is_open_as_the_key_that_the_root_names(greeter):
    greet, key = greeter
    assert (await greet(ORIGIN, key)).standing is Standing.OPEN


async def test_whoever_authenticates_as_another_key_is_an_impostor(greeter):
    greet, _ = greeter
    state = await greet(ORIGIN, keys_of("whom the root names").identity)
    assert (state.standing, state.is_open) == (Standing.IMPOSTOR, False)
    assert state.detail


async def test_where_nobody_answers_the_gateway_is_closed(greeter):
    greet, key = greeter
    assert (await greet("http://localhost:1", key)).standing is Standing.CLOSED
