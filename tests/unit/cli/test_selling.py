"""Whom a gateway gives payments to, by the rules of the live root."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from reconciler.cli.selling import RuledArcs
from reconciler.gateway.rules import Rules
from reconciler.model.errors import StateError
from reconciler.model.ids import Network
from reconciler.model.networks import ENDPOINTS
from reconciler.wire.http import Reply
from tests.paying import keys_of

OWN = {"name": "mine", "url": "https://arc.example", "key": {"env": "ARC_KEY"}}


class Desk:
    """A site whose network answers nothing but a fee, and remembers who was asked with what."""

    def __init__(self, network: Network) -> None:
        self.site = SimpleNamespace(network=network, endpoints=ENDPOINTS[network], http=self)
        self.asked: list[tuple[str, str | None]] = []
        self.told: list[str] = []
        self.named: dict[str, list] = {}
        self.environment = {"ARC_KEY": "secret"}
        self.arcs = RuledArcs(self.site, self.rules, self.secret, self.told.append)

    async def rules(self):
        settings = {
            f"paymentrule/{name}": {"native": {"arc": arcs} if arcs else {}} for name, arcs in self.named.items()
        }
        return Rules.of(settings, {"defaults": {"paymentRule": "standard"}}, keys_of("gateway").identity)

    def secret(self, *, env, file):
        if env not in self.environment:
            raise StateError(f"the API key of an ARC is to be in the variable {env}, which is not set")
        return self.environment[env]

    async def request(self, method, url, *, headers=None, content=None, within=10.0, limit=0):
        self.asked.append((url.partition("/v1")[0], (headers or {}).get("Authorization")))
        body = {"policy": {"miningFee": {"satoshis": 1, "bytes": 1000}}}
        return Reply(url, 503 if url.startswith("https://arc.gorillapool") else 200, {}, json.dumps(body).encode())

    async def who(self):
        """The first who says a fee, after those who do not."""
        self.asked.clear()
        await self.arcs.policy()
        return self.asked


@pytest.fixture
def desk():
    return Desk(Network.MAIN)


async def test_presets_are_those_of_the_network_in_the_order_of_the_rule(desk):
    desk.named = {"standard": ["taal", "gorillapool"]}
    assert await desk.who() == [("https://arc.taal.com", None)]
    desk.named = {"standard": ["gorillapool", "taal"]}
    assert await desk.who() == [("https://arc.gorillapool.io", None), ("https://arc.taal.com", None)]


async def test_the_default_rule_comes_first_and_nobody_comes_twice(desk):
    desk.named = {"another": ["taal"], "standard": ["gorillapool", OWN, "taal"]}
    assert [url for url, _ in await desk.who()] == ["https://arc.gorillapool.io", "https://arc.example"]


async def test_ones_own_is_shown_its_key_and_nobody_else_is(desk):
    desk.named = {"standard": [OWN]}
    assert await desk.who() == [("https://arc.example", "Bearer secret")]


async def test_a_key_that_is_not_there_is_told_and_the_next_one_is_asked(desk):
    desk.environment.clear()
    desk.named = {"standard": [OWN, "taal"]}
    assert await desk.who() == [("https://arc.taal.com", None)]
    assert desk.told == [
        "Payments are not given to mine: the API key of an ARC is to be in the variable ARC_KEY, which is not set."
    ]


@pytest.mark.parametrize("named", [{}, {"standard": []}])
async def test_where_no_rule_names_one_it_is_the_networks(desk, named):
    desk.named = named
    assert [url for url, _ in await desk.who()] == list(ENDPOINTS[Network.MAIN].arcs)


async def test_on_a_toy_network_presets_are_its_own():
    desk = Desk(Network.EMBEDDED)
    desk.named = {"standard": ["taal", "gorillapool"]}
    assert await desk.who() == [("http://arc.embedded", None)]
