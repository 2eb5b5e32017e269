"""Queries: what they find, and what they refuse."""

from __future__ import annotations

import json

import pytest

from reconciler.model.errors import RefusedError
from reconciler.model.ids import Digest, Outpoint
from reconciler.wire.answer import parse_answer
from reconciler.wire.beef import parse_beef
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.uhrp import url_of

PER_MB = {"model": "per-mb", "satoshis": 20}
REQUEST = {"model": "per-request", "satoshis": 2500}
CONTENT = Digest(sha256_hex(b"content"))


@pytest.fixture
async def market(world, make_dataset, make_root):
    """Two producers with a few records."""
    keys, sealed = world.keys(), b"sealed"
    mine = [
        make_root(keys, sealed, displayName="Acme 100% Data", regions=["EU", "Straße"]),
        make_dataset(keys, "crypto/btc", title="Bitcoin", tags=["crypto", "btc"], license="CC-BY-4.0", pricing=PER_MB),
        make_dataset(keys, "crypto/eth", title="Ether", description="Straße_1", tags=["crypto"], pricing=REQUEST),
    ]
    await world.submit(await world.publish(*mine, unlisted=[sealed]))
    other = world.keys("other")
    await world.submit(await world.publish(make_dataset(other, "weather", tags=["air"]), keys=other))
    return world


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["acme", "crypto/btc", "crypto/eth", "weather"]),
        ({"kind": "dataset"}, ["crypto/btc", "crypto/eth", "weather"]),
        ({"kind": "stream"}, []),
        ({"name": "crypto/btc"}, ["crypto/btc"]),
        ({"tag": "crypto"}, ["crypto/btc", "crypto/eth"]),
        ({"tag": "crypto", "text": "BITCOIN"}, ["crypto/btc"]),
        ({"text": "STRASSE_"}, ["crypto/eth"]),
        ({"text": "100%"}, ["acme"]),
        ({"text": "%"}, ["acme"]),
        ({"text": "c_y"}, []),
        ({"text": "\\"}, []),
        ({"region": "EU"}, ["acme"]),
        ({"region": "strasse"}, ["acme"]),
        ({"region": "US"}, []),
        ({"license": "cc-by-4.0"}, ["crypto/btc"]),
        ({"price": {}}, ["crypto/btc", "crypto/eth", "weather"]),
        ({"price": {"max": 0}}, ["weather"]),
        ({"price": {"min": 1}}, ["crypto/btc", "crypto/eth"]),
        ({"price": {"min": 20, "max": 20}}, ["crypto/btc"]),
        ({"price": {"min": 21, "max": 20}}, []),
        ({"price": {"model": "per-request"}}, ["crypto/eth"]),
        ({"price": {"max": 100, "model": "per-mb"}, "tag": "crypto", "region": "EU"}, []),
        ({"text": "'; DROP TABLE host_records; --"}, []),
    ],
)
async def test_all_fields_of_a_catalog_query_hold(market, query, names):
    assert sorted(await market.names(**query)) == names


async def test_a_producers_records_are_found_by_its_key(market):
    assert await market.names(producer=market.keys("other").identity) == ["weather"]


async def test_a_record_is_found_by_its_outpoint(market):
    (found,) = await market.found(name="weather")

    assert [each.outpoint for each in await market.found(outpoint=str(found.outpoint))] == [found.outpoint]


async def test_answers_are_sorted_as_asked(market):
    assert await market.names(sort="oldest", kind="dataset") == ["crypto/btc", "crypto/eth", "weather"]
    assert await market.names(sort="newest", kind="dataset") == ["weather", "crypto/eth", "crypto/btc"]
    assert await market.names(sort="name", tag="crypto") == ["crypto/btc", "crypto/eth"]
    assert await market.names(sort="price") == ["weather", "crypto/btc", "crypto/eth", "acme"]


async def test_pages_follow_one_another_to_the_end(world, make_dataset):
    names = [f"d{number:03}" for number in range(120)]
    await world.submit(await world.publish(*(make_dataset(world.keys(), name) for name in names)))

    assert sorted(await world.names()) == names
    assert len(await ask(world, {"limit": 7})) == 7
    assert len(await ask(world, {})) == 50
    assert len(await ask(world, {"skip": 115})) == 5


async def test_a_page_after_an_output_is_the_one_that_would_be_counted_to(world, make_dataset):
    await world.submit(await world.publish(*(make_dataset(world.keys(), f"d{number:03}") for number in range(30))))
    for sort in ("newest", "oldest", "name", "price"):
        whole = [each.outpoint for each in await world.found(sort=sort)]
        counted = [named(each) for each in await ask(world, {"sort": sort, "limit": 7, "skip": 11})]

        assert counted == whole[11:18]
        assert [
            named(each) for each in await ask(world, {"sort": sort, "limit": 7, "skip": 11}, after=whole[10])
        ] == counted


async def test_what_comes_and_goes_between_two_pages_neither_hides_nor_repeats_what_follows(world, make_dataset):
    keys = world.keys()
    first = await world.publish(*(make_dataset(keys, f"d{number}") for number in range(10)))
    await world.submit(first)
    whole = [each.outpoint for each in await world.found()]
    replaced = first.tokens.index(next(token for token in first.tokens if token.outpoint == whole[3]))

    await world.submit(await world.publish(make_dataset(keys, "new"), make_dataset(keys, "newer")))
    await world.submit(await world.publish(make_dataset(keys, "d0", title="again"), replacing=[(first, replaced)]))

    assert whole[3] not in {each.outpoint for each in await world.found()}
    for shown in (2, 3, 4):
        rest = await ask(world, {"skip": shown + 1}, after=whole[shown])
        assert [named(each) for each in rest] == [each for each in whole[shown + 1 :] if each != whole[3]]


async def test_pages_are_counted_after_an_output_that_is_not_here_or_that_is_none(market):
    counted = await ask(market, {"skip": 1})

    for strange in (f"{'ab' * 32}.0", "nothing", ""):
        assert await ask(market, {"skip": 1}, after=strange) == counted


async def test_the_plain_form_says_the_same_as_the_aggregated_one(market):
    found = await market.found()
    plain = await ask(market, {})

    assert [(each.outpoint.vout, each.context) for each in found] == [(each.vout, each.context) for each in plain]
    for one, other in zip(found, plain, strict=True):
        beef, subject = parse_beef(other.beef)
        assert beef.subject_or_last(subject) == one.outpoint.txid


@pytest.mark.parametrize(
    "query",
    [
        "findAll",
        [],
        7,
        {"colour": "red"},
        {"producer": "02"},
        {"producer": {"$ne": None}},
        {"kind": "gateway"},
        {"name": 7},
        {"tag": ["a"]},
        {"text": "x" * 2000},
        {"outpoint": "00.1"},
        {"outpoint": f"{'ab' * 32}.{2**40}"},
        {"history": "yes"},
        {"sort": "colour"},
        {"region": 7},
        {"license": ["a"]},
        {"price": 7},
        {"price": {"max": "7"}},
        {"price": {"max": -1}},
        {"price": {"min": 10**30}},
        {"price": {"most": 1}},
        {"price": {"model": 1}},
        {"text": "x" * 257},
        {"limit": 0},
        {"limit": 51},
        {"limit": True},
        {"limit": 1.5},
        {"skip": -1},
        {"skip": 10**30},
    ],
)
async def test_a_catalog_query_that_is_not_understood_to_the_last_field_is_refused(world, query):
    assert (await reply(world, "ls_data_catalog", query)).status == 400


async def test_an_advertisement_is_found_by_hash_host_and_expiry(world):
    expires = int(world.clock()) + 1000
    advert = await world.advert(CONTENT, expires=expires)
    assert (await world.submit(advert, "tm_uhrp")).outputs == (0,)
    queries = [
        {},
        {"uhrpUrl": url_of(CONTENT)},
        {"uhrpUrl": f"uhrp://{url_of(CONTENT)}"},
        {"hostIdentityKey": world.keys("storage").identity},
        {"expiryTime": expires},
        {"outpoint": str(advert.tokens[0].outpoint)},
        {"uhrpUrl": url_of(CONTENT), "expiryTime": expires},
    ]

    for query in queries:
        assert await world.host.outpoints("ls_uhrp", query) == {advert.tokens[0].outpoint}
    assert await world.host.outpoints("ls_uhrp", {"expiryTime": expires + 1}) == frozenset()
    assert await world.host.outpoints("ls_uhrp", {"uhrpUrl": url_of(Digest("00" * 32))}) == frozenset()


async def test_an_advertisement_is_not_shown_after_its_expiry(world):
    advert = await world.advert(CONTENT, expires=int(world.clock()) + 1000)
    await world.submit(advert, "tm_uhrp")

    world.clock.now += 1000

    assert await world.host.outpoints("ls_uhrp", {}) == frozenset()


@pytest.mark.parametrize(
    "query",
    [
        {"uhrpUrl": {"$gt": ""}},
        {"uhrpUrl": "1UHRP"},
        {"expiryTime": "1"},
        {"expiryTime": {"$lt": 1}},
        {"hostIdentityKey": "x"},
        {"where": "1"},
    ],
)
async def test_an_advertisement_query_is_strictly_typed(world, query):
    assert (await reply(world, "ls_uhrp", query)).status == 400


async def test_an_unknown_service_is_refused(world):
    with pytest.raises(RefusedError, match="does not support this lookup service: ls_other"):
        await world.host.lookup("ls_other", {})


def named(output):
    beef, subject = parse_beef(output.beef)
    return Outpoint(beef.subject_or_last(subject), output.vout)


async def ask(world, query, after=None):
    return parse_answer((await reply(world, "ls_data_catalog", query, after)).json())


async def reply(world, service, query, after=None):
    body = json.dumps({"service": service, "query": query}).encode()
    headers = {} if after is None else {"x-after": str(after)}
    return await world.http.request("POST", "http://public.embedded/lookup", content=body, headers=headers)
