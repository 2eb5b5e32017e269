from __future__ import annotations

import json

import pytest

from reconciler.chain.headers import Headers
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.ids import Outpoint, Txid
from reconciler.model.networks import DEEP
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.http import Reply
from reconciler.wire.merkle import Leaf, MerklePath
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

ROOT = "ab" * 32
HASH = "cd" * 32


class Source:
    """A source of headers that counts its questions."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, object]] = {}
        self.asked: list[str] = []

    async def request(self, method, url, *, headers=None, content=None, within=10.0, limit=0):
        path = url.removeprefix("http://woc.example/v1/bsv/main")
        self.asked.append(path)
        status, body = self.answers.get(path, (404, "not found"))
        return Reply(url, status, {}, json.dumps(body).encode())


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def headers(source: Source) -> Headers:
    return Headers(source, "http://woc.example/v1/bsv/main/")


def header(height: int, confirmations: int, root: str = ROOT) -> tuple[int, object]:
    return 200, {"height": height, "confirmations": confirmations, "merkleroot": root, "hash": HASH}


async def test_the_root_of_a_block_is_asked_for_by_height(headers, source):
    source.answers["/block/7/header"] = header(7, 1)
    assert await headers.root(7) == ROOT


async def test_no_is_never_remembered(headers, source):
    assert await headers.root(7) is None
    source.answers["/block/7/header"] = header(7, 1)
    assert await headers.root(7) == ROOT


async def test_a_young_block_is_asked_for_again_because_it_may_go(headers, source):
    source.answers["/block/7/header"] = header(7, DEEP)
    assert await headers.root(7) == ROOT
    source.answers["/block/7/header"] = header(7, 1, "ef" * 32)
    assert await headers.root(7) == "ef" * 32


async def test_a_deep_block_is_asked_for_once(headers, source):
    source.answers["/block/7/header"] = header(7, DEEP + 1)
    assert [await headers.root(7), await headers.root(7)] == [ROOT, ROOT]
    assert source.asked == ["/block/7/header"]


@pytest.mark.parametrize(("fresh_for", "questions"), [(3600, 1), (1e-9, 2)])
async def test_who_asks_often_may_take_a_young_block_for_the_same_for_a_moment(source, fresh_for, questions):
    headers = Headers(source, "http://woc.example/v1/bsv/main", fresh_for=fresh_for)
    source.answers["/block/7/header"] = header(7, 1)
    assert [await headers.root(7), await headers.root(7)] == [ROOT, ROOT]
    assert source.asked == ["/block/7/header"] * questions


async def test_a_source_that_does_not_count_confirmations_is_asked_again(headers, source):
    source.answers["/block/7/header"] = (200, {"merkleroot": ROOT})
    await headers.root(7)
    await headers.root(7)
    assert len(source.asked) == 2


async def test_the_height_is_that_of_the_first_header_listed(headers, source):
    source.answers["/block/headers"] = (200, [{"height": 12}, {"height": 11}])
    assert await headers.height() == 12


async def test_block_1_names_the_network(headers, source):
    source.answers["/block/1/header"] = header(1, 900_000)
    assert await headers.network_id() == HASH


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, {}, UnreachableError),
        (429, {}, UnreachableError),
        (401, {}, RefusedError),
        (200, [], UnreachableError),
        (200, {}, UnreachableError),
        (200, {"merkleroot": "ab"}, UnreachableError),
        (200, {"merkleroot": ROOT, "height": 8}, UnreachableError),
    ],
)
async def test_nonsense_is_no_answer(headers, source, status, body, error):
    source.answers["/block/7/header"] = (status, body)
    with pytest.raises(error):
        await headers.root(7)


@pytest.mark.parametrize("body", [[], {}, [{}], [{"height": "12"}]])
async def test_a_height_is_a_number(headers, source, body):
    source.answers["/block/headers"] = (200, body)
    with pytest.raises(UnreachableError):
        await headers.height()


def made(number: int, *, lock_time: int = 0) -> Transaction:
    spent = TxInput(Outpoint(Txid(f"{number:064x}"), 0), sequence=0)
    return Transaction((spent,), (TxOutput(Satoshis(1), b"\x51"),), lock_time=lock_time)


def alone(transaction: Transaction, height: int) -> MerklePath:
    """A proof by a block of one transaction."""
    return MerklePath(height, ((Leaf(0, bytes.fromhex(transaction.txid)[::-1], txid=True),),))


async def test_nothing_is_asked_about_what_a_stranger_adds_to_a_beef(headers, source):
    mined, others = made(0), [made(number) for number in range(1, 4)]
    source.answers["/block/7/header"] = header(7, 1, mined.txid)
    proofs = [alone(mined, 7), *(alone(other, 100 + place) for place, other in enumerate(others))]
    entries = [BeefTx(transaction, place) for place, transaction in enumerate([mined, *others])]
    beef = Beef.of(proofs, [*entries, BeefTx(made(9, lock_time=1000))])

    assert (await headers.verified(beef, mined.txid, now=0)).proven
    assert source.asked == ["/block/7/header"]
