"""The host on TCP, asked as programs of other people ask (WIRE §4.1), and by those who mean it no good."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from reconciler.wallet.signing import signed
from reconciler.web.server import Door, serving
from reconciler.wire.answer import parse_aggregated, parse_answer
from reconciler.wire.beef import Beef, BeefTx, merge, parse_beef
from reconciler.wire.reading import varint
from reconciler.wire.spv import verify_all
from reconciler.wire.submission import pack_documents
from reconciler.wire.transaction import TxOutput

BINARY = "application/octet-stream"


@pytest.fixture
async def client(world) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving([Door(app=world.app, host="127.0.0.1", port=0)]) as (url,),
        httpx.AsyncClient(base_url=url) as client,
    ):
        yield client


def headers(*topics, **more):
    return {"content-type": BINARY, "x-topics": json.dumps(topics), **more}


def v1(beef: Beef) -> bytes:
    """BEEF V1 (BRC-62)."""
    parts = [bytes.fromhex("0100beef"), varint(len(beef.bumps)), *(bump.to_bytes() for bump in beef.bumps)]
    parts.append(varint(len(beef.transactions)))
    for entry in beef.transactions.values():
        parts += [entry.transaction.raw, b"\0" if entry.bump is None else b"\1" + varint(entry.bump)]
    return b"".join(parts)


async def test_all_forms_of_a_beef_are_taken_with_and_without_what_is_off_the_chain(world, client, make_dataset):
    for form, write in (
        ("V1", v1),
        ("V2", lambda beef: beef.to_bytes()),
        ("Atomic", lambda beef: beef.to_atomic(beef.subject_or_last())),
    ):
        document = make_dataset(world.keys(), form.lower())
        body = write((await world.publish(document)).beef)

        bare = await client.post("/submit", content=body, headers=headers("tm_data_catalog"))
        framed = varint(len(body)) + body + pack_documents([document])
        whole = await client.post(
            "/submit", content=framed, headers=headers("tm_data_catalog", **{"x-includes-off-chain-values": "true"})
        )

        steak = {"tm_data_catalog": {"outputsToAdmit": [0], "coinsToRetain": [], "coinsRemoved": []}}
        assert (bare.status_code, bare.json()) == (200, steak), form
        assert (whole.status_code, whole.json()) == (200, steak), form
        assert await world.names(name=form.lower()) == [form.lower()]


async def test_a_revocation_says_what_it_removed_the_second_time_as_well(world, client, make_dataset):
    record = await world.publish(make_dataset(world.keys(), "gone"))
    await world.submit(record)
    spent = signed([record.change, record.tokens[0]], [TxOutput(98_000, b"\x51")], world.keys())
    parents = [BeefTx(entry.transaction) for entry in record.beef.transactions.values()]
    beef = merge([record.beef, Beef.of((), [*parents, BeefTx(spent)])]).to_bytes()

    for _ in range(2):
        reply = await client.post("/submit", content=beef, headers=headers("tm_data_catalog", "tm_ship"))

        removed = {"outputsToAdmit": [], "coinsToRetain": [], "coinsRemoved": [1]}
        assert reply.json() == {"tm_data_catalog": removed, "tm_ship": {**removed, "coinsRemoved": []}}
    assert await world.names() == []


async def test_a_browser_may_ask_from_anywhere_and_from_public_networks(client):
    preflight = {
        "origin": "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-topics,content-type,x-aggregation",
        "access-control-request-private-network": "true",
    }
    for path in ("/submit", "/lookup", "/nowhere"):
        reply = await client.options(path, headers=preflight)

        assert reply.status_code == 200
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["access-control-allow-headers"] == "*"
        assert reply.headers["access-control-allow-methods"] == "*"
        assert reply.headers["access-control-allow-private-network"] == "true"
    for reply in (await client.post("/submit"), await client.get("/nowhere"), await client.get("/health")):
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["access-control-expose-headers"] == "*"


async def test_find_all_is_asked_in_both_ways_and_aggregated_answers_say_exactly_what_they_are(world, client):
    for query in ("findAll", {"findAll": True}, {}):
        for service in ("ls_ship", "ls_slap"):
            body = json.dumps({"service": service, "query": query})
            plain = await client.post("/lookup", content=body)
            merged = await client.post("/lookup", content=body, headers={"x-aggregation": "yes"})

            assert plain.json() == {"type": "output-list", "outputs": []}
            assert merged.headers["content-type"] == BINARY
            assert merged.content.hex() == "000200beef0000"
            other = await client.post("/lookup", content=body, headers={"x-aggregation": "Yes"})
            assert other.headers["content-type"] == "application/json"


async def test_both_forms_of_an_answer_name_the_same_outputs(world, client, make_dataset):
    await world.submit(await world.publish(*(make_dataset(world.keys(), f"d{number}") for number in range(60))))
    body = json.dumps({"service": "ls_data_catalog", "query": {"sort": "oldest"}})

    plain = parse_answer((await client.post("/lookup", content=body)).json())
    merged = parse_aggregated((await client.post("/lookup", content=body, headers={"x-aggregation": "yes"})).content)

    beef, _ = parse_beef(merged.beef)
    assert len(plain) == len(merged.outputs) == 50
    for one, (outpoint, context) in zip(plain, merged.outputs, strict=True):
        assert (one.vout, one.context) == (outpoint.vout, context)
        assert parse_beef(one.beef)[0].subject_or_last() == outpoint.txid
        assert outpoint.txid in beef.transactions


async def test_headers_without_end_are_refused_and_the_host_goes_on(client):
    names = json.dumps([f"tm_{number}" for number in range(1_000_000)])
    url = httpx.URL(client.base_url)
    for header in (f"x-topics: {names}", "\r\n".join(f"x-{number}: 1" for number in range(100_000))):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        request = f"POST /submit HTTP/1.1\r\nhost: x\r\n{header}\r\ncontent-length: 0\r\n\r\n".encode()
        answer = asyncio.create_task(reader.read())
        try:
            writer.write(request)
            await writer.drain()
        except ConnectionError:
            pass  # it does not even read them to their end
        answered = await asyncio.gather(answer, return_exceptions=True)
        assert answered[0] == b"" or isinstance(answered[0], ConnectionError) or answered[0].startswith(b"HTTP/1.1 4")
        writer.close()
    assert (await client.get("/health")).status_code == 200


async def test_a_long_url_is_only_a_long_url(client):
    reply = await client.get("/getDocumentationForTopicManager", params={"manager": "x" * 20_000})

    assert reply.text == "No documentation found!"


async def test_bodies_that_are_too_long_together_wait_for_their_turn(world, make_dataset, monkeypatch):
    monkeypatch.setattr("reconciler.host.app._ROOM", 3000)
    world.serve()
    publication = await world.publish(make_dataset(world.keys(), "btc"))
    async with (
        serving([Door(app=world.app, host="127.0.0.1", port=0)]) as (url,),
        httpx.AsyncClient(base_url=url) as client,
    ):
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slowly():
            yield bytes(2500)
            begun.set()
            await go_on.wait()
            yield b"\0"

        first = asyncio.create_task(client.post("/submit", content=slowly(), headers=headers("tm_data_catalog")))
        await begun.wait()
        submission = publication.submission()
        full = await client.post("/submit", content=submission.body(), headers=submission.headers())
        while full.status_code == 200:  # what the first has sent is not read yet
            full = await client.post("/submit", content=submission.body(), headers=submission.headers())
        go_on.set()

        assert (full.status_code, full.headers["retry-after"]) == (503, "1")
        assert full.json() == {"status": "error", "message": "too much is sent at the same time"}
        assert (await first).status_code == 400
        again = await client.post("/submit", content=submission.body(), headers=submission.headers())
        assert again.status_code == 200


async def test_an_answer_that_is_too_long_for_json_is_to_be_asked_for_otherwise(
    world, client, make_dataset, monkeypatch
):
    monkeypatch.setattr("reconciler.host.answers._LIMIT", 5000)
    await world.submit(await world.publish(*(make_dataset(world.keys(), f"d{number}") for number in range(10))))
    body = {"service": "ls_data_catalog", "query": {}}

    refused = await client.post("/lookup", json=body)
    merged = await client.post("/lookup", json=body, headers={"x-aggregation": "yes"})
    fewer = await client.post("/lookup", json={**body, "query": {"limit": 1}})

    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "the answer is too long for JSON; ask with x-aggregation: yes, or for fewer at once",
    )
    assert len(parse_aggregated(merged.content).outputs) == 10
    assert len(fewer.json()["outputs"]) == 1


async def test_many_scripts_are_checked_beside_the_loop_that_answers(world, client, monkeypatch):
    threads = []

    def noted(beef, subjects, **more):
        threads.append(threading.current_thread())
        return verify_all(beef, subjects, **more)

    monkeypatch.setattr("reconciler.chain.headers.verify_all", noted)
    keys = world.keys()
    money = await world.coin(keys)
    coins = [TxOutput(1, money.coin.output.locking)] * 600
    fan = world.signed(keys, [money.coin], coins, [money.beef])
    inputs = [
        replace(money.coin, outpoint=fan.transaction.outpoint(vout), output=coin) for vout, coin in enumerate(coins)
    ]
    many = signed([*inputs, fan.change], [TxOutput(1, b"\x51")], keys)
    parents = [BeefTx(entry.transaction) for entry in fan.beef.transactions.values()]

    small = await world.coin(keys)
    one = world.signed(keys, [small.coin], [], [small.beef])
    for beef in (one.beef, merge([fan.beef, Beef.of((), [*parents, BeefTx(many)])])):
        reply = await client.post("/submit", content=beef.to_bytes(), headers=headers("tm_ship"))
        assert reply.status_code == 200

    assert [thread is threading.main_thread() for thread in threads] == [True, False]
