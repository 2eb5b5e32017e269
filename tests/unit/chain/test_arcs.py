"""Several ARCs as one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.chain.arc import Arc
from reconciler.chain.arcs import Arcs
from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.wire.arc import TxStatus
from reconciler.wire.http import Reply

ONE, OTHER = "https://one.example", "https://other.example"


class Miners:
    """Two of them; each answers a status, a code, or not at all."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []

    async def request(self, method, url, *, headers=None, content=None, within=10.0, limit=0):
        origin = url.partition("/v1")[0]
        self.asked.append(origin)
        match self.answers[origin]:
            case None:
                raise UnreachableError("it does not answer", where=origin)
            case int(code):
                return Reply(url, code, {}, json.dumps({"status": code, "detail": "no"}).encode())
            case TxStatus() as status:
                return Reply(url, 200, {}, json.dumps({"txid": self.txid, "txStatus": status.value}).encode())
            case body:
                return Reply(url, 200, {}, json.dumps({"txid": self.txid, **body}).encode())


class Notes:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def giving(self, txid, arc):
        self.told.append(("giving", arc))

    async def answered(self, txid, arc, refusal):
        self.told.append((refusal or "taken", arc))


@pytest.fixture
def miners() -> Miners:
    return Miners()


@pytest.fixture
async def submit(ledger, payer, fund, miners):
    transaction = payer.pay([await fund()], [99_000])
    await ledger.submit(transaction)
    beef = await ledger.beef(transaction.txid)
    miners.txid = transaction.txid

    async def submit(one: object, other: object) -> tuple[Any, Notes]:
        miners.answers = {ONE: one, OTHER: other}
        notes = Notes()
        try:
            said = await Arcs([Arc(miners, ONE), Arc(miners, OTHER)]).submit(beef, transaction.txid, notes)
        except (UnreachableError, RefusedError) as error:
            said = error
        return said, notes

    return submit


async def test_the_first_that_takes_it_is_the_last_that_is_given_it(submit, miners):
    said, notes = await submit(TxStatus.SEEN_ON_NETWORK, None)
    assert said.status is TxStatus.SEEN_ON_NETWORK
    assert notes.told == [("giving", ONE), ("taken", ONE)]
    assert miners.asked == [ONE]


@pytest.mark.parametrize("failure", [None, 503, 429, 401, 465, TxStatus.INVALID])
async def test_the_next_is_given_what_the_first_did_not_take(submit, failure):
    said, notes = await submit(failure, TxStatus.SEEN_ON_NETWORK)
    assert said.status is TxStatus.SEEN_ON_NETWORK
    assert notes.told[0] == ("giving", ONE)
    assert notes.told[-2:] == [("giving", OTHER), ("taken", OTHER)]


async def test_a_verdict_stands_only_when_nobody_is_silent(submit):
    said, notes = await submit(None, 465)
    assert isinstance(said, UnreachableError)
    assert notes.told == [("giving", ONE), ("giving", OTHER), ("465", OTHER)]
    said, notes = await submit(461, 465)
    assert said.status is TxStatus.INVALID
    assert "461" in said.extra_info
    said, notes = await submit(401, 465)
    assert said.status is TxStatus.INVALID


async def test_a_conflict_is_no_judgement_and_a_refusal_of_us_is_raised(submit):
    said, _ = await submit(466, 465)
    assert said.status is TxStatus.DOUBLE_SPEND_ATTEMPTED
    said, _ = await submit(401, 403)
    assert isinstance(said, RefusedError)


@pytest.mark.parametrize(
    ("one", "other", "believed"),
    [
        (TxStatus.SEEN_ON_NETWORK, TxStatus.MINED, TxStatus.MINED),
        (TxStatus.SEEN_ON_NETWORK, TxStatus.DOUBLE_SPEND_ATTEMPTED, TxStatus.DOUBLE_SPEND_ATTEMPTED),
        (TxStatus.DOUBLE_SPEND_ATTEMPTED, TxStatus.MINED, TxStatus.MINED),
        (TxStatus.REJECTED, TxStatus.SEEN_ON_NETWORK, TxStatus.SEEN_ON_NETWORK),
        (TxStatus.INVALID, TxStatus.STORED, TxStatus.STORED),
        (TxStatus.SEEN_IN_ORPHAN_MEMPOOL, TxStatus.STORED, TxStatus.SEEN_IN_ORPHAN_MEMPOOL),
        (404, TxStatus.STORED, TxStatus.STORED),
        (None, TxStatus.SEEN_ON_NETWORK, TxStatus.SEEN_ON_NETWORK),
    ],
)
async def test_all_are_asked_and_the_best_that_any_knows_is_believed(miners, one, other, believed):
    miners.txid = "ab" * 32
    for answers in ((one, other), (other, one)):
        miners.answers = dict(zip((ONE, OTHER), answers, strict=True))
        report = await Arcs([Arc(miners, ONE), Arc(miners, OTHER)]).status(miners.txid)
        assert report.status is believed


async def test_of_two_blocks_the_higher_one_is_believed(miners):
    miners.txid = "ab" * 32
    for heights in ((5, 6), (6, 5)):
        blocks = ({"txStatus": "MINED", "blockHash": "cd" * 32, "blockHeight": height} for height in heights)
        miners.answers = dict(zip((ONE, OTHER), blocks, strict=True))
        report = await Arcs([Arc(miners, ONE), Arc(miners, OTHER)]).status(miners.txid)
        assert report.block_height == 6


async def test_unknown_is_what_all_of_them_do_not_know(miners):
    miners.txid = "ab" * 32
    arcs = Arcs([Arc(miners, ONE), Arc(miners, OTHER)])
    miners.answers = {ONE: 404, OTHER: 404}
    assert await arcs.status(miners.txid) is None
    miners.answers = {ONE: 401, OTHER: 404}
    assert await arcs.status(miners.txid) is None
    miners.answers = {ONE: None, OTHER: 404}
    with pytest.raises(UnreachableError):
        await arcs.status(miners.txid)
    miners.answers = {ONE: 401, OTHER: 403}
    with pytest.raises(RefusedError):
        await arcs.status(miners.txid)
