from __future__ import annotations

import json

import pytest

from reconciler.chain.arc import Arc, unproven
from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.wire.arc import Callback, Standing
from reconciler.wire.beef import Beef, BeefTx, subset
from reconciler.wire.extended import parse_extended
from reconciler.wire.http import Reply


class Miner:
    """Answers what it was told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], object]] = []
        self.status = 200
        self.body: object = {}

    async def request(self, method, url, *, headers=None, content=None, within=10.0, limit=0):
        body = None if content is None else json.loads(content)
        self.asked.append((method, url, headers, body))
        answer = self.body(body) if callable(self.body) else self.body
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return Reply(url, self.status, {}, data)


@pytest.fixture
def miner() -> Miner:
    return Miner()


@pytest.fixture
def arc(miner: Miner) -> Arc:
    return Arc(miner, "https://arc.example/", token="key", callback=Callback(url="https://me.example/arc", token="t"))


@pytest.fixture
async def chain(ledger, payer, fund):
    """Two unmined transactions, one on the other, in a BEEF."""
    parent = payer.pay([await fund()], [99_000])
    child = payer.pay([(parent, 0)], [98_000])
    await ledger.submit(parent)
    await ledger.submit(child)
    return await ledger.beef(child.txid), parent, child


def seen(txid: str, **more: object) -> dict[str, object]:
    return {"txid": txid, "txStatus": "SEEN_ON_NETWORK", "status": 200, **more}


async def test_one_transaction_goes_alone_in_extended_format(arc, miner, chain):
    beef, parent, _ = chain
    miner.body = seen(parent.txid)
    report = await arc.submit(subset(beef, [parent.txid]), parent.txid)
    assert report.standing is Standing.SEEN
    ((method, url, headers, body),) = miner.asked
    assert (method, url) == ("POST", "https://arc.example/v1/tx")
    extended = parse_extended(bytes.fromhex(body["rawTx"]))
    assert extended.transaction == parent
    assert extended.spent[0].satoshis == 100_000
    assert headers["Authorization"] == "Bearer key"
    assert headers["XDeployment-ID"]
    assert headers["X-CallbackUrl"] == "https://me.example/arc"
    assert headers["X-CallbackToken"] == "t"
    assert headers["X-WaitFor"] == "SEEN_ON_NETWORK"


async def test_unproven_ancestry_goes_first_and_the_answer_is_found_by_txid(arc, miner, chain):
    beef, parent, child = chain
    miner.body = [seen(child.txid, txStatus="STORED"), seen(parent.txid)]
    report = await arc.submit(beef.to_atomic(child.txid))
    assert (report.txid, report.standing) == (child.txid, Standing.ACCEPTED)
    ((_, url, _, body),) = miner.asked
    assert url == "https://arc.example/v1/txs"
    sent = [parse_extended(bytes.fromhex(each["rawTx"])).transaction for each in body]
    assert sent == [parent, child]


async def test_a_failure_inside_http_200_is_a_status(arc, miner, chain):
    beef, _, child = chain
    rival = "ab" * 32
    miner.body = [seen(child.txid, txStatus="DOUBLE_SPEND_ATTEMPTED", competingTxs=[rival])]
    report = await arc.submit(beef, child.txid)
    assert (report.standing, report.competing) == (Standing.CONTESTED, (rival,))


async def test_an_error_among_several_is_refused_with_its_code(arc, miner, chain):
    beef, parent, child = chain
    miner.body = [seen(parent.txid), {"txid": child.txid, "status": 465, "detail": "Fees are insufficient"}]
    with pytest.raises(RefusedError, match="Fees are insufficient") as caught:
        await arc.submit(beef, child.txid)
    assert caught.value.code == "465"


@pytest.mark.parametrize("status", [400, 401, 409, 460, 461, 465, 466, 475])
async def test_a_no_is_refused_with_its_code(arc, miner, chain, status):
    beef, parent, _ = chain
    miner.status, miner.body = status, {"status": status, "title": "No", "detail": "because"}
    with pytest.raises(RefusedError, match="because") as caught:
        await arc.submit(beef, parent.txid)
    assert caught.value.code == str(status)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_what_says_nothing_about_the_transaction_may_be_tried_again(arc, miner, chain, status):
    beef, parent, _ = chain
    miner.status, miner.body = status, b"<html>"
    with pytest.raises(UnreachableError):
        await arc.submit(beef, parent.txid)


@pytest.mark.parametrize("body", [b"<html>", {}, [], {"txid": "ab" * 32, "txStatus": "MINED"}, {"txStatus": "FINE"}])
async def test_nonsense_decides_nothing(arc, miner, chain, body):
    beef, parent, child = chain
    miner.body = body
    with pytest.raises(UnreachableError):
        await arc.submit(beef, parent.txid)
    with pytest.raises(UnreachableError):
        await arc.submit(beef, child.txid)
    with pytest.raises(UnreachableError):
        await arc.status(parent.txid)


async def test_what_arc_does_not_know_has_no_status(arc, miner):
    miner.status, miner.body = 404, {"status": 404, "title": "Not found"}
    assert await arc.status("ab" * 32) is None


async def test_the_policy_is_a_fee_rate(arc, miner):
    miner.body = {"policy": {"miningFee": {"satoshis": 1, "bytes": 1000}}, "timestamp": ""}
    assert await arc.policy() == FeeRate(Satoshis(1), 1000)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"policy": {}},
        {"policy": {"miningFee": {"satoshis": 0.5, "bytes": 1}}},
        {"policy": {"miningFee": {"satoshis": 1, "bytes": 0}}},
    ],
)
async def test_a_policy_without_a_fee_is_none(arc, miner, body):
    miner.body = body
    with pytest.raises(UnreachableError):
        await arc.policy()


@pytest.mark.parametrize(
    ("body", "well"), [({"healthy": True}, True), ({"healthy": False, "reason": "no peers"}, False), ([], False)]
)
async def test_health_is_what_it_says(arc, miner, body, well):
    miner.body = body
    assert await arc.health() is well


async def test_an_output_that_the_beef_lacks_is_noticed_before_anything_is_sent(arc, miner, chain):
    _, parent, _ = chain
    with pytest.raises(VerificationError, match="lacks the output"):
        await arc.submit(Beef.of([], [BeefTx(parent)]), parent.txid)
    assert miner.asked == []


async def test_a_proven_transaction_is_not_sent(ledger, chain):
    _, parent, _ = chain
    await ledger.mine()
    with pytest.raises(VerificationError, match="mined already"):
        unproven(await ledger.beef(parent.txid), parent.txid)
