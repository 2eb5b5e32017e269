"""What ARC reports by itself: who is listened to, what is believed."""

from __future__ import annotations

import json

import pytest

from reconciler.chain.arc import Arc
from reconciler.devnet.arc import deliver_callbacks
from reconciler.store.host_transactions import HostTransactions
from reconciler.store.transactions import Transactions
from reconciler.wire.arc import Callback, TxReport, TxStatus
from reconciler.wire.merkle import path_of

URL = "http://public.embedded/arc-ingest"
TOKEN = "a-token-of-this-test"
SUCCESS = "Transaction status updated"


@pytest.fixture
def world(world):
    world.serve(callback_token=TOKEN)
    return world


async def call(world, body, token=TOKEN):
    headers = {} if token is None else {"authorization": token if " " in token else f"Bearer {token}"}
    return await world.http.request("POST", URL, content=json.dumps(body).encode(), headers=headers)


async def report(world, txid, /, **change):
    """What ARC says of a transaction now, as a callback."""
    found = await world.ledger.status(txid)
    return {**found.to_json(timestamp="2027-01-15T08:00:00Z"), **change}


async def proof(world, txid):
    async with world.database.begin() as connection:
        stored = await Transactions(connection).get(txid)
        hosted = (await HostTransactions(connection).get([txid])).get(txid)
    if stored is None:
        return None
    assert (stored.proof is None) == (hosted.proof is None)
    return None if stored.proof is None else (hosted.proof.height, hosted.proof.root)


@pytest.fixture
async def mined(world, make_dataset):
    """A record that is in a block, which the host does not know yet."""
    publication = await world.publish(make_dataset(world.keys(), "a"))
    await world.submit(publication)
    await world.send(publication)
    await world.ledger.mine()
    return publication.transaction.txid


async def test_a_proof_is_kept(world, mined):
    assert await proof(world, mined) is None

    reply = await call(world, await report(world, mined))

    assert (reply.status, reply.json()["status"], reply.json()["message"]) == (200, "success", SUCCESS)
    height = await world.headers.height()
    assert await proof(world, mined) == (height, await world.headers.root(height))


async def test_the_same_again_changes_nothing(world, mined):
    first = await call(world, await report(world, mined))
    kept = await proof(world, mined)

    assert (await call(world, await report(world, mined))).body == first.body
    assert await proof(world, mined) == kept


async def test_the_form_without_a_status_is_understood_too(world, mined):
    said = await report(world, mined)

    body = {"txid": mined, "merklePath": said["merklePath"], "blockHeight": said["blockHeight"]}

    assert (await call(world, body)).status == 200
    assert await proof(world, mined) is not None


@pytest.mark.parametrize("token", [None, "", "another", TOKEN[:-1], TOKEN + "x", f"Basic {TOKEN}", "Bearer "])
async def test_nobody_else_is_listened_to(world, mined, token):
    reply = await call(world, await report(world, mined), token)

    assert reply.status == 401
    assert await proof(world, mined) is None


async def test_without_a_token_there_is_no_such_route(world, mined):
    world.serve()

    assert (await call(world, await report(world, mined))).status == 404


async def test_a_forged_proof_is_refused_and_not_kept(world, mined):
    forged = path_of([mined, "cd" * 32], [0], await world.headers.height())

    reply = await call(world, await report(world, mined, merklePath=forged.to_bytes().hex()))

    assert (reply.status, reply.json()["status"]) == (400, "error")
    assert await proof(world, mined) is None


async def test_another_transactions_proof_is_refused(world, mined, make_dataset):
    other = await world.publish(make_dataset(world.keys(), "b"))
    await world.submit(other)

    reply = await call(world, await report(world, mined, txid=other.transaction.txid))

    assert reply.status == 400
    assert await proof(world, other.transaction.txid) is None


async def test_a_proof_of_a_block_that_is_not_known_yet_is_to_come_again(world, mined):
    path = path_of([mined], [0], await world.headers.height() + 1)

    reply = await call(world, await report(world, mined, merklePath=path.to_bytes().hex()))

    assert reply.status == 503
    assert await proof(world, mined) is None


async def test_a_batch_is_taken_whole_and_what_is_wrong_in_it_spoils_nothing(world, make_dataset, mined):
    other = await world.publish(make_dataset(world.keys(), "b"))
    await world.submit(other)
    await world.send(other)
    await world.ledger.mine()
    callbacks = [
        {"txStatus": "A_STATUS_OF_NEXT_YEAR", "txid": mined},
        "rubbish",
        await report(world, mined),
        await report(world, other.transaction.txid),
    ]

    reply = await call(world, {"count": 4, "callbacks": callbacks})

    assert reply.status == 200
    assert reply.json()["reports"] == {"ignored": 2, "proven": 2}
    assert await proof(world, mined) is not None
    assert await proof(world, other.transaction.txid) is not None


async def test_a_forged_proof_in_a_batch_is_refused_and_the_others_are_kept(world, make_dataset, mined):
    forged = path_of(["cd" * 32], [0], await world.headers.height())
    bad = TxReport(txid="cd" * 32, status=TxStatus.MINED, merkle_path=forged.to_bytes()).to_json(timestamp="")

    assert (await call(world, {"count": 2, "callbacks": [bad, await report(world, mined)]})).status == 400
    assert await proof(world, mined) is not None


@pytest.mark.parametrize("status", [status for status in TxStatus if status is not TxStatus.MINED])
async def test_statuses_without_a_proof_are_taken_and_decide_nothing(world, mined, status):
    body = TxReport(txid=mined, status=status, competing=("ef" * 32,)).to_json(timestamp="now")

    assert (await call(world, body)).status == 200
    assert await proof(world, mined) is None
    assert await world.names() == ["a"]


async def test_a_block_without_its_proof_has_the_host_ask(world, mined, make_dataset):
    for number in range(25):  # more than one round asks about
        await world.submit(await world.publish(make_dataset(world.keys(), f"b{number}")))
    async with world.database.begin() as connection:
        await HostTransactions(connection).ask_about(100, int(world.clock.now))
    body = TxReport(txid=mined, status=TxStatus.MINED).to_json(timestamp="now")

    await call(world, body)

    async with world.database.begin() as connection:
        assert mined in await HostTransactions(connection).ask_about(1, int(world.clock.now))


async def test_an_unknown_transaction_is_no_mistake_of_arc(world, mined, make_dataset):
    stranger = await world.publish(make_dataset(world.keys(), "elsewhere"))
    await world.send(stranger)
    await world.ledger.mine()

    assert (await call(world, await report(world, stranger.transaction.txid))).status == 200
    async with world.database.begin() as connection:
        assert await Transactions(connection).get(stranger.transaction.txid) is None


async def test_a_transaction_of_the_producer_that_no_topic_has_seen_is_proven_too(world, make_dataset):
    own = await world.publish(make_dataset(world.keys(), "own"))
    async with world.database.begin() as connection:
        await Transactions(connection).put(own.transaction)
    await world.send(own)
    await world.ledger.mine()

    assert (await call(world, await report(world, own.transaction.txid))).status == 200
    async with world.database.begin() as connection:
        assert (await Transactions(connection).get(own.transaction.txid)).proof is not None
        assert await HostTransactions(connection).get([own.transaction.txid]) == {}


async def test_a_reorg_puts_another_proof_in_the_place_of_the_first_and_the_first_does_not_come_back(world, mined):
    before = await report(world, mined)
    await call(world, before)
    first = await proof(world, mined)

    await world.ledger.reorg(1, again=True)
    assert (await call(world, await report(world, mined))).status == 200
    second = await proof(world, mined)

    assert second != first
    assert second == (second[0], await world.headers.root(second[0]))
    assert (await call(world, before)).status == 400  # a callback that was under way for long
    assert await proof(world, mined) == second


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        None,
        {},
        {"merklePath": "fe", "blockHeight": 1},
        {"txid": 7},
        {"callbacks": {}},
        {"callbacks": "x" * 100},
        {"count": 501, "callbacks": [{}] * 501},
    ],
)
async def test_what_is_no_callback_is_refused(world, body):
    assert (await call(world, body)).status == 400


async def test_a_body_without_end_is_not_read(world):
    reply = await world.http.request(
        "POST", URL, content=b" " * (5 << 20), headers={"authorization": f"Bearer {TOKEN}"}
    )

    assert reply.status == 413


async def test_arc_calls_back_by_itself_and_once_more_after_a_reorg(world, make_dataset):
    arc = Arc(world.http, "http://arc.embedded", callback=Callback(url=URL, token=TOKEN))
    publication = await world.publish(make_dataset(world.keys(), "a"))
    txid = publication.transaction.txid
    await world.submit(publication)
    await arc.submit(publication.beef, txid)
    assert await deliver_callbacks(world.ledger, world.http) > 0  # seen: taken, and decides nothing
    assert await proof(world, txid) is None

    await world.ledger.mine()
    await deliver_callbacks(world.ledger, world.http)
    first = await proof(world, txid)
    await world.ledger.reorg(1, again=True)
    await deliver_callbacks(world.ledger, world.http)
    second = await proof(world, txid)

    assert first is not None
    assert second not in {None, first}
    assert second == (second[0], await world.headers.root(second[0]))
    assert await deliver_callbacks(world.ledger, world.http) == 0


async def test_arc_with_another_token_is_not_listened_to(world, make_dataset):
    arc = Arc(world.http, "http://arc.embedded", callback=Callback(url=URL, token="another"))
    publication = await world.publish(make_dataset(world.keys(), "a"))
    await world.submit(publication)
    await arc.submit(publication.beef, publication.transaction.txid)
    await world.ledger.mine()

    assert await deliver_callbacks(world.ledger, world.http) == 0
    assert await proof(world, publication.transaction.txid) is None


def test_a_token_is_not_shown_where_a_callback_is():
    assert TOKEN not in repr(Callback(url=URL, token=TOKEN))


async def test_a_batch_costs_one_look_at_each_block(world, mined, door):
    asked = []
    world.headers._http = door(world.http, before=lambda method, url: asked.append(url))
    body = {"count": 500, "callbacks": [await report(world, mined)] * 500}

    replies = [await call(world, body) for _ in range(3)]

    assert [reply.status for reply in replies] == [200] * 3
    assert replies[0].json()["reports"] == {"proven": 500}
    assert len(asked) == 3
    assert await proof(world, mined) is not None
