"""The production clients of ARC and of headers, against the embedded chain's HTTP face."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from bsv.keys import PrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.chain.index import AddressIndex
from reconciler.chain.ledger import Ledger
from reconciler.clients.http import HttpClient
from reconciler.devnet.arc import build_app, deliver_callbacks
from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.errors import RefusedError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.wire.arc import Callback, Standing, TxStatus
from reconciler.wire.beef import Beef, BeefTx, merge, parse_beef
from reconciler.wire.extended import Extended
from reconciler.wire.merkle import parse_path
from reconciler.wire.script import address, p2pkh, unlock_p2pkh
from reconciler.wire.sighash import preimage
from reconciler.wire.spv import SpvError
from reconciler.wire.transaction import Transaction, TxInput, TxOutput, double_sha256
from tests.patience import PATIENCE

URL = "http://arc.embedded"
NOW = 1_800_000_000


class Receiver:
    """Somebody's callback route."""

    def __init__(self) -> None:
        self.status = 200
        self.heard: list[tuple[str | None, dict[str, object]]] = []
        self.app = Starlette(routes=[Route("/arc", self.hear, methods=["POST"])])

    async def hear(self, request: Request) -> Response:
        self.heard.append((request.headers.get("authorization"), await request.json()))
        return Response(status_code=self.status)


@pytest.fixture
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[SimpleNamespace]:
    numbers = count()
    clock = SimpleNamespace(now=float(NOW))

    def randomness(size: int) -> bytes:
        return hashlib.shake_256(f"{request.node.nodeid} {next(numbers)}".encode()).digest(size)

    key = PrivateKey(hashlib.sha256(request.node.nodeid.encode()).digest())
    owner = IdentityKey(key.public_key().hex())
    receiver = Receiver()
    async with AsyncExitStack() as stack:
        ledger = Ledger(tmp_path / "chain.db", clock=lambda: clock.now, randomness=randomness, block_time=1.0)
        await stack.enter_async_context(ledger)
        app = build_app(ledger=ledger, clock=lambda: clock.now)
        http = await stack.enter_async_context(HttpClient(apps={URL: app, "http://me.embedded": receiver.app}))
        callback = Callback(url="http://me.embedded/arc", token="secret")
        yield SimpleNamespace(
            ledger=ledger,
            clock=clock,
            http=http,
            key=key,
            owner=owner,
            receiver=receiver,
            arc=Arc(http, URL, callback=callback),
            headers=Headers(http, f"{URL}/v1/bsv/embedded"),
        )


async def post(world, path, **body):
    reply = await world.http.request("POST", f"{URL}{path}", content=json.dumps(body).encode())
    return reply.status, json.loads(reply.body)


async def get(world, path):
    reply = await world.http.request("GET", f"{URL}{path}")
    return reply.status, json.loads(reply.body)


async def faucet(world, satoshis=100_000) -> tuple[Beef, Txid]:
    status, answer = await post(world, "/faucet", address=address(world.owner, mainnet=False), satoshis=satoshis)
    assert status == 200
    beef, subject = parse_beef(bytes.fromhex(answer["beef"]))
    assert (subject, answer["vout"]) == (answer["txid"], 0)
    return beef, subject


def spend(world, beef: Beef, txid: Txid, *amounts: int) -> Beef:
    """A BEEF that goes on from output 0 of a transaction."""
    parent = beef.transactions[txid].transaction
    outputs = tuple(TxOutput(Satoshis(each), p2pkh(world.owner)) for each in amounts)
    draft = Transaction((TxInput(parent.outpoint(0)),), outputs)
    signature = world.key.sign(double_sha256(preimage(draft, 0, parent.outputs[0])), hasher=None)
    payment = Transaction((TxInput(parent.outpoint(0), unlock_p2pkh(signature, world.owner)),), outputs)
    return Beef.of(beef.bumps, (*beef.transactions.values(), BeefTx(payment)))


async def test_a_transaction_goes_from_the_faucet_through_arc_into_a_block_that_headers_prove(world):
    beef, funding = await faucet(world)
    assert (await world.headers.verified(beef, funding, now=NOW)).proven
    beef = spend(world, beef, funding, 99_000)
    txid = beef.subject_or_last()
    assert not (await world.headers.verified(beef, txid, now=NOW)).proven
    report = await world.arc.submit(beef, txid)
    assert report.standing is Standing.SEEN
    assert await world.arc.submit(beef, txid) == report
    world.clock.now += 1
    report = await world.arc.status(txid)
    assert report.standing is Standing.MINED
    path = parse_path(report.merkle_path)
    assert await world.headers.proven(path, txid)
    proven = Beef.of([path], [BeefTx(beef.transactions[txid].transaction, 0)])
    assert (await world.headers.verified(proven, txid, now=NOW)).proven


async def test_a_chain_of_unproven_transactions_goes_in_one_call(world):
    beef, txid = await faucet(world)
    for left in (99_000, 98_000, 97_000):
        beef = spend(world, beef, txid, left)
        txid = beef.subject_or_last()
    assert (await world.arc.submit(beef.to_atomic(txid))).standing is Standing.SEEN
    assert (await get(world, "/status"))[1]["mempool"] == 3


async def test_the_second_spend_of_a_coin_is_contested_and_both_know(world):
    beef, funding = await faucet(world)
    first, second = spend(world, beef, funding, 99_000), spend(world, beef, funding, 98_000)
    winner, loser = first.subject_or_last(), second.subject_or_last()
    await world.arc.submit(first, winner)
    report = await world.arc.submit(second, loser)
    assert (report.standing, report.competing) == (Standing.CONTESTED, (winner,))
    assert (await world.arc.status(winner)).standing is Standing.CONTESTED
    world.clock.now += 1
    assert (await world.arc.status(winner)).standing is Standing.MINED
    assert (await world.arc.status(loser)).status is TxStatus.REJECTED


async def test_a_fee_below_policy_is_refused_with_arcs_code(world):
    assert await world.arc.policy() == FeeRate(Satoshis(100), 1000)
    beef, funding = await faucet(world)
    beef = spend(world, beef, funding, 100_000)
    with pytest.raises(RefusedError) as caught:
        await world.arc.submit(beef)
    assert caught.value.code == "465"
    beef = spend(world, beef, beef.subject_or_last(), 99_000)
    with pytest.raises(RefusedError) as caught:
        await world.arc.submit(Beef.of(beef.bumps, [*beef.transactions.values()][:2]))
    assert caught.value.code == "465"


async def test_an_orphan_is_a_status(world):
    beef, funding = await faucet(world)
    beef = spend(world, beef, funding, 99_000)
    parent = beef.transactions[beef.subject_or_last()].transaction
    beef = spend(world, beef, parent.txid, 98_000)
    child = beef.transactions[beef.subject_or_last()].transaction
    report = await world.arc.send([Extended(child, parent.outputs)])
    assert (report.status, report.standing) == (TxStatus.SEEN_IN_ORPHAN_MEMPOOL, Standing.CONTESTED)


async def test_arc_is_well_and_knows_what_it_does_not_know(world):
    assert await world.arc.health()
    assert await world.arc.status(Txid("ab" * 32)) is None


async def test_after_a_reorg_the_old_proof_convinces_nobody_and_a_new_one_is_to_be_had(world):
    beef, funding = await faucet(world)
    beef = spend(world, beef, funding, 99_000)
    txid = beef.subject_or_last()
    await world.arc.submit(beef, txid)
    status, _ = await post(world, "/mine")
    before = await world.arc.status(txid)
    proven = Beef.of([parse_path(before.merkle_path)], [BeefTx(beef.transactions[txid].transaction, 0)])
    assert (await world.headers.verified(proven, txid, now=NOW)).proven
    status, _ = await post(world, "/reorg", depth=1)
    assert status == 200
    assert (await world.arc.status(txid)).standing is Standing.SEEN
    with pytest.raises(SpvError):
        await world.headers.verified(proven, txid, now=NOW)
    await post(world, "/mine")
    after = await world.arc.status(txid)
    assert after.block_height > before.block_height
    assert await world.headers.proven(parse_path(after.merkle_path), txid)


async def test_a_conflict_can_be_mined_in_place(world):
    beef, funding = await faucet(world)
    first, second = spend(world, beef, funding, 99_000), spend(world, beef, funding, 98_000)
    await world.arc.submit(first)
    loser, winner = first.subject_or_last(), second.transactions[second.subject_or_last()].transaction
    status, _ = await post(world, "/replace", txid=loser, rawTx=winner.raw.hex())
    assert status == 200
    assert (await world.arc.status(winner.txid)).standing is Standing.MINED
    assert (await world.arc.status(loser)).status is TxStatus.REJECTED


async def test_an_index_says_what_spends_an_output(world):
    index = AddressIndex(world.http, f"{URL}/v1/bsv/embedded")
    beef, funding = await faucet(world)
    coin = beef.transactions[funding].transaction.outpoint(0)
    assert await index.spender(coin) is None
    beef = spend(world, beef, funding, 99_000)
    await world.arc.submit(beef)
    assert await index.spender(coin) == beef.subject_or_last()


async def test_a_transaction_that_the_network_drops_is_unknown_until_it_is_handed_over_again(world):
    beef, funding = await faucet(world)
    parent = spend(world, beef, funding, 99_000)
    child = spend(world, parent, parent.subject_or_last(), 98_000)
    for each in (parent, child):
        await world.arc.submit(each)
    status, _ = await post(world, "/forget", txid=parent.subject_or_last())
    assert status == 200
    assert await world.arc.status(parent.subject_or_last()) is None
    assert (await world.arc.status(child.subject_or_last())).standing is Standing.CONTESTED
    await world.arc.submit(child)
    for each in (parent, child):
        assert (await world.arc.status(each.subject_or_last())).standing is Standing.SEEN
    status, _ = await post(world, "/forget", txid="ab" * 32)
    assert status == 404


async def test_callbacks_carry_the_token_and_are_tried_until_they_arrive(world):
    beef, funding = await faucet(world)
    beef = spend(world, beef, funding, 99_000)
    await world.arc.submit(beef)
    world.receiver.status = 500
    assert await deliver_callbacks(world.ledger, world.http) == 0
    assert await deliver_callbacks(world.ledger, world.http) == 0, "not at once again"
    world.receiver.status = 204
    world.clock.now += 2
    assert await deliver_callbacks(world.ledger, world.http) == 2
    tokens, bodies = zip(*world.receiver.heard, strict=True)
    assert set(tokens) == {"Bearer secret"}
    assert [body["txStatus"] for body in bodies] == ["SEEN_ON_NETWORK", "SEEN_ON_NETWORK", "MINED"]
    assert {body["txid"] for body in bodies} == {beef.subject_or_last()}


async def test_while_the_app_lives_it_mines_and_calls_back_by_itself(world):
    beef, funding = await faucet(world)
    heard = asyncio.Event()

    async def hear(request: Request) -> Response:
        heard.set()
        return Response()

    receiver = Starlette(routes=[Route("/arc", hear, methods=["POST"])])
    async with HttpClient(apps={"http://me.embedded": receiver}) as http:
        app = build_app(ledger=world.ledger, clock=lambda: world.clock.now, http=http)
        async with app.router.lifespan_context(app):
            await world.arc.submit(spend(world, beef, funding, 99_000))
            await asyncio.wait_for(heard.wait(), PATIENCE)


@pytest.mark.parametrize("form", ["raw", "extended", "v2", "atomic"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/octet-stream"])
async def test_arc_takes_every_form_in_every_dress(world, form, content_type):
    beef, funding = await faucet(world)
    beef = spend(world, beef, funding, 99_000)
    txid = beef.subject_or_last()
    payment = beef.transactions[txid].transaction
    data = {
        "raw": payment.raw,
        "extended": Extended(payment, beef.transactions[funding].transaction.outputs[:1]).to_bytes(),
        "v2": beef.to_bytes(),
        "atomic": beef.to_atomic(txid),
    }[form]
    content = {
        "application/json": json.dumps({"rawTx": data.hex()}).encode(),
        "text/plain": data.hex().encode(),
        "application/octet-stream": data,
    }[content_type]
    headers = {"content-type": content_type}
    reply = await world.http.request("POST", f"{URL}/v1/tx", headers=headers, content=content)
    answer = reply.json()
    assert (reply.status, answer["txid"], answer["txStatus"]) == (200, txid, "SEEN_ON_NETWORK")


@pytest.mark.parametrize("wrap", [lambda each: each, lambda each: {"transactions": each}])
async def test_several_come_as_an_array_or_as_the_documentation_says(world, wrap):
    one, two = await faucet(world), await faucet(world)
    beefs = [spend(world, *one, 99_000), spend(world, *two, 100_000)]
    merged = merge(beefs)
    txids = [beef.subject_or_last() for beef in beefs]
    bodies = [{"rawTx": merged.transactions[txid].transaction.raw.hex()} for txid in txids]
    headers = {"content-type": "application/json"}
    content = json.dumps(wrap(bodies)).encode()
    reply = await world.http.request("POST", f"{URL}/v1/txs", headers=headers, content=content)
    good, bad = reply.json()
    assert reply.status == 200
    assert (good["txid"], good["txStatus"], good["status"]) == (txids[0], "SEEN_ON_NETWORK", 200)
    assert (bad["txid"], bad["status"]) == (txids[1], 465)


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", b"{}"),
        ("application/json", b"not json"),
        ("application/json", b'{"rawTx": "not-valid-hex-zzzz"}'),
        ("application/json", b'{"rawTx": ""}'),
        ("text/plain", b"zz"),
        ("application/octet-stream", b""),
        ("application/octet-stream", b"\x01\x00\x00\x00"),
        ("application/octet-stream", b"\x01\x00\xbe\xef"),
        ("image/png", b"\x01"),
    ],
)
async def test_what_cannot_be_read_is_a_problem_document(world, content_type, content):
    headers = {"content-type": content_type}
    reply = await world.http.request("POST", f"{URL}/v1/tx", headers=headers, content=content)
    assert reply.status == 400
    assert reply.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= reply.json().keys()


async def test_a_beef_on_a_foreign_header_is_refused(world):
    beef, funding = await faucet(world)
    beef = spend(world, beef, funding, 99_000)
    await post(world, "/reorg", depth=1)
    headers = {"content-type": "application/octet-stream"}
    reply = await world.http.request("POST", f"{URL}/v1/tx", headers=headers, content=beef.to_bytes())
    assert reply.status == 469


async def test_headers_are_served_as_whatsonchain_does(world):
    await post(world, "/mine", blocks=12)
    _, latest = await get(world, "/block/headers")
    assert [header["height"] for header in latest] == list(range(13, 3, -1))
    assert [header["confirmations"] for header in latest] == list(range(1, 11))
    for child, parent in pairwise(latest):
        assert child["previousblockhash"] == parent["hash"]
    assert (await get(world, f"/block/{latest[0]['hash']}/header"))[1] == latest[0]
    assert (await get(world, "/v1/bsv/test/block/13/header"))[1] == latest[0]
    assert (await get(world, "/block/14/header"))[0] == 404
    assert await world.headers.height() == 13
    assert await world.headers.root(14) is None
    assert await world.headers.network_id() == (await get(world, "/status"))[1]["networkId"]


async def test_coins_of_an_address_are_listed(world):
    owner = address(world.owner, mainnet=False)
    beef, funding = await faucet(world)
    beef = spend(world, beef, funding, 40_000, 59_000)
    await world.arc.submit(beef)
    status, coins = await get(world, f"/address/{owner}/unspent")
    txid = beef.subject_or_last()
    assert (status, coins) == (
        200,
        [
            {"height": 0, "tx_pos": 0, "tx_hash": txid, "value": 40_000},
            {"height": 0, "tx_pos": 1, "tx_hash": txid, "value": 59_000},
        ],
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/faucet", {"address": "nonsense", "satoshis": 1}),
        ("/faucet", {"lockingScript": "51", "satoshis": 0}),
        ("/faucet", {"lockingScript": "51"}),
        ("/mine", {"blocks": "many"}),
        ("/reorg", {"depth": 99}),
        ("/reorg", {"depth": 1, "drop": "everything"}),
        ("/replace", {"txid": "ab", "rawTx": ""}),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused(world, path, body):
    status, problem = await post(world, path, **body)
    assert (status, problem["status"]) == (400, 400)


async def test_a_callback_goes_to_a_url(world):
    headers = {"content-type": "text/plain", "x-callbackurl": "file:///etc/passwd"}
    beef, funding = await faucet(world)
    beef = spend(world, beef, funding, 99_000)
    reply = await world.http.request("POST", f"{URL}/v1/tx", headers=headers, content=beef.to_bytes().hex().encode())
    assert reply.status == 400
