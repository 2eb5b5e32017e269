"""What other hosts are told who catch up with this one."""

from __future__ import annotations

import json

import pytest

from reconciler.store.transactions import Transactions
from reconciler.wire.gasp import Node, parse_list_answer, parse_node
from reconciler.wire.merkle import merkle_root

HOST = "http://public.embedded"
TOPIC = "tm_data_catalog"


async def ask(world, path, body, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.http.request("POST", HOST + path, content=json.dumps(body).encode(), headers=named)


async def listed(world, *, since=0, topic=TOPIC, **more):
    reply = await ask(world, "/requestSyncResponse", {"version": 1, "since": since, **more}, x_bsv_topic=topic)
    assert reply.status == 200
    answer = parse_list_answer(reply.json())
    assert answer.since == since
    return answer.outputs


async def node(world, graph, outpoint=None) -> Node:
    outpoint = outpoint or graph
    body = {"graphID": str(graph), "txid": outpoint.txid, "outputIndex": outpoint.vout, "metadata": True}
    reply = await ask(world, "/requestForeignGASPNode", body)
    assert reply.status == 200, reply.body
    return parse_node(reply.json())


async def publish(world, make_dataset, *names, **options):
    publication = await world.publish(*(make_dataset(world.keys(), name) for name in names), **options)
    await world.submit(publication)
    return publication


async def test_outputs_are_listed_in_the_order_in_which_they_came_each_with_a_score_of_its_own(world, make_dataset):
    first = await publish(world, make_dataset, "a", "b")
    second = await publish(world, make_dataset, "c")  # at the same instant

    outputs = await listed(world)

    assert [each.outpoint for each in outputs] == [token.outpoint for each in (first, second) for token in each.tokens]
    now = int(world.clock.now * 1000)
    assert [each.score for each in outputs] == [now, now + 1, now + 2]


async def test_a_list_begins_with_the_score_that_was_asked_for_and_ends_with_the_limit(world, make_dataset):
    await publish(world, make_dataset, "a", "b", "c")
    scores = [each.score for each in await listed(world)]

    assert [each.score for each in await listed(world, since=scores[1])] == scores[1:]
    assert [each.score for each in await listed(world, since=scores[1], limit=1)] == scores[1:2]
    assert await listed(world, since=scores[2] + 1) == ()
    assert len(await listed(world, limit=None, since=0)) == 3


async def test_a_clock_that_goes_back_lets_no_output_be_missed(world, make_dataset):
    await publish(world, make_dataset, "a")
    (before,) = await listed(world)
    world.clock.now -= 3600

    await publish(world, make_dataset, "b")

    assert [each.score for each in await listed(world, since=before.score)] == [before.score, before.score + 1]


async def test_what_is_spent_is_not_listed_and_other_topics_are_not(world, make_dataset):
    old = await publish(world, make_dataset, "a")
    new = await publish(world, make_dataset, "a", replacing=[(old, 0)])

    assert [each.outpoint for each in await listed(world)] == [new.tokens[0].outpoint]
    assert await listed(world, topic="tm_uhrp") == ()


async def test_a_proven_node_comes_with_its_proof_and_an_unproven_one_without(world, make_dataset):
    publication = await publish(world, make_dataset, "a")
    graph = publication.tokens[0].outpoint
    parent = publication.transaction.inputs[0].outpoint

    tip, funding = await node(world, graph), await node(world, graph, parent)

    assert (tip.graph, tip.outpoint, tip.proof) == (graph, graph, None)
    assert (funding.graph, funding.outpoint) == (graph, parent)
    assert funding.proof.root(parent.txid) == await world.headers.root(funding.proof.height)


async def test_a_transaction_that_nobody_submitted_here_is_not_given(world, make_dataset):
    publication = await publish(world, make_dataset, "a")
    private = (await world.publish(make_dataset(world.keys(), "b"))).transaction
    async with world.database.begin() as connection:
        await Transactions(connection).put(private)  # journalled by the producer, not sent

    graph = publication.tokens[0].outpoint
    for tip, wanted in (
        (graph, private.outpoint(0)),
        (private.outpoint(0), private.outpoint(0)),
        (publication.change.outpoint, graph),  # no topic has admitted that
        (graph, publication.transaction.outpoint(99)),
    ):
        body = {"graphID": str(tip), "txid": wanted.txid, "outputIndex": wanted.vout}
        reply = await ask(world, "/requestForeignGASPNode", body)
        assert reply.status == 400
        assert reply.json()["message"].startswith("no graph of this host has the output")


@pytest.mark.parametrize(
    "body",
    [
        {"version": 1, "since": -1},
        {"version": 1, "since": 1.5},
        {"version": 1, "since": "0"},
        {"version": 1, "since": True},
        {"version": 1, "since": 2**53},
        {"version": 1, "since": 0, "limit": 0},
        {"version": 1, "since": 0, "limit": "all"},
        [],
        None,
    ],
)
async def test_a_list_is_not_given_to_what_is_no_request(world, body):
    reply = await ask(world, "/requestSyncResponse", body, x_bsv_topic=TOPIC)

    assert reply.status == 400
    assert reply.json()["status"] == "error"


@pytest.mark.parametrize("version", [0, 2, 99, "1", None, 1.0, True])
async def test_another_version_is_refused_with_both(world, version):
    reply = await ask(world, "/requestSyncResponse", {"version": version, "since": 0}, x_bsv_topic=TOPIC)

    assert reply.status == 400
    assert reply.json()["code"] == "ERR_GASP_VERSION_MISMATCH"
    assert (reply.json()["currentVersion"], reply.json()["foreignVersion"]) == (1, version)


@pytest.mark.parametrize("headers", [{}, {"x_bsv_topic": ""}, {"x_bsv_topic": "tm_other"}])
async def test_a_list_is_of_a_topic_that_is_kept_here(world, headers):
    assert (await ask(world, "/requestSyncResponse", {"version": 1, "since": 0}, **headers)).status == 400


@pytest.mark.parametrize(
    "change",
    [
        {"graphID": "x"},
        {"graphID": None},
        {"txid": "a" * 63},
        {"txid": 7},
        {"outputIndex": -1},
        {"outputIndex": 2**32},
        {"outputIndex": "0"},
        {"graphID": "a" * 1000},
    ],
)
async def test_a_node_is_not_given_to_what_is_no_request(world, change):
    body = {"graphID": "ab" * 32 + ".0", "txid": "ab" * 32, "outputIndex": 0, **change}

    assert (await ask(world, "/requestForeignGASPNode", body)).status == 400


async def test_a_proof_is_that_of_the_block(world, make_dataset):
    publication = await publish(world, make_dataset, "a")
    await world.send(publication)
    (block,) = await world.ledger.mine()
    await world.found()

    tip = await node(world, publication.tokens[0].outpoint)

    assert tip.proof.height == block.height
    assert tip.proof.root(publication.transaction.txid) == block.header.merkle_root
    assert merkle_root([publication.transaction.txid]) != block.header.merkle_root  # there is a coinbase
