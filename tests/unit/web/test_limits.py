"""How often one client may ask."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from reconciler.web.auth import identified
from reconciler.web.limits import Buckets, LimitedAddresses, LimitedIdentities, Limits, Rate


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def app():
    async def answer(_: Request):
        return JSONResponse({})

    return Starlette(routes=[Route("/{path:path}", answer)])


async def ask(limited, address="203.0.113.9", path="/v1/catalog", **headers):
    transport = httpx.ASGITransport(app=limited, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.example") as client:
        return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


TWICE = Rate(1, 2)


def by_address(clock, rate=TWICE):
    return LimitedAddresses(app(), Buckets(rate, clock), paths=("/v1/",))


def test_a_client_has_so_many_at_once_and_then_as_many_as_time_gives(clock):
    buckets = Buckets(Rate(2, 3), clock)
    assert [buckets.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now = 0.5
    assert [buckets.wait("a") for _ in range(2)] == [0, 0.5]
    clock.now = 1000
    assert [buckets.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing(clock):
    buckets = Buckets(Rate(1, 1), clock)
    clock.now = 100
    assert buckets.wait("a") == 0
    clock.now = 0
    assert buckets.wait("a") == 1
    clock.now = 1
    assert buckets.wait("a") == 0


def test_memory_is_bounded_and_who_was_seen_last_is_remembered(clock):
    buckets = Buckets(Rate(1, 1), clock, most=100)
    for number in range(10_000):
        buckets.wait(str(number))
    assert len(buckets._buckets) == 100
    assert buckets.wait("9999") == 1
    assert buckets.wait("0") == 0


async def test_beyond_its_rate_a_client_is_told_when_to_come_again(clock):
    limited = by_address(clock)
    assert [(await ask(limited)).status_code for _ in range(3)] == [200, 200, 429]
    refused = await ask(limited)
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "ERR_TOO_MANY_REQUESTS"
    clock.now = 1
    assert (await ask(limited)).status_code == 200


async def test_clients_are_limited_one_by_one(clock):
    limited = by_address(clock, Rate(1, 1))
    assert [(await ask(limited, address)).status_code for address in ("203.0.113.1", "203.0.113.2")] == [200, 200]


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", 429),
        ("2001:db8::1", "2001:db8:0:1::1", 200),
        ("::ffff:203.0.113.1", "203.0.113.1", 429),
        ("127.0.0.1", "127.0.0.1", 200),
        ("::1", "::1", 200),
        ("::ffff:127.0.0.1", "127.0.0.1", 200),
        ("testclient", "testclient", 200),
    ],
)
async def test_an_address_is_a_client_a_network_of_ipv6_is_one_and_this_machine_is_none(clock, first, second, status):
    limited = by_address(clock, Rate(1, 1))
    assert (await ask(limited, first)).status_code == 200
    assert (await ask(limited, second)).status_code == status


async def test_other_paths_are_not_limited_unless_something_is_to_be_verified(clock):
    limited = by_address(clock, Rate(1, 1))
    assert [(await ask(limited, path="/lookup")).status_code for _ in range(3)] == [200] * 3
    assert [(await ask(limited, path="/lookup", x_bsv_auth_version="0.1")).status_code for _ in range(2)] == [200, 429]
    assert (await ask(limited, path="/lookup", x_authrite="0.2")).status_code == 429


async def test_who_has_proven_who_they_are_is_limited_by_that_wherever_they_come_from(clock):
    limited = LimitedIdentities(app(), Buckets(Rate(1, 1), clock))

    def signed_by(identity):
        async def verified(scope, receive, send):
            await limited(identified(scope, identity), receive, send)

        return verified

    alice, bob = ("02" + letter * 64 for letter in "ab")
    asked = [(alice, "203.0.113.1"), (alice, "203.0.113.2"), (bob, "203.0.113.1")]
    assert [(await ask(signed_by(who), address)).status_code for who, address in asked] == [200, 429, 200]
    assert [(await ask(limited)).status_code for _ in range(2)] == [200, 200]


def test_no_rate_is_no_limit():
    assert Limits.of(0) == Limits()
    assert Limits.of(50).identity == Rate(50, 500)
