"""What the host client makes of a host's answers: good ones, refusals, silence, lies."""

from __future__ import annotations

import json

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.clients.host import HostClient
from reconciler.clients.http import HttpClient
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.wire.answer import AggregatedAnswer, OutputAnswer, answer_text
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.merkle import path_of
from reconciler.wire.submission import Admittance, Submission
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

URL = "http://host.embedded"
BINARY = "application/octet-stream"


def proven(number: int) -> Beef:
    """A transaction with two outputs, in a block of its own."""
    spent = TxInput(Outpoint(Txid(f"{number:064x}"), 0))
    transaction = Transaction((spent,), (TxOutput(Satoshis(1), b"\x51"), TxOutput(Satoshis(2), b"\x51")))
    return Beef((path_of([transaction.txid], [0], number),), {transaction.txid: BeefTx(transaction, 0)})


class Host:
    """Answers every route with what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Response] = {}
        self.outputs: list[tuple[Outpoint, bytes | None]] = []
        self.beef = Beef()
        self.pages = True
        self.begins_again_after: int | None = None
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        everything = Route("/{path:path}", self.answer, methods=["GET", "POST"])
        self.app = Starlette(routes=[everything])

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        self.asked.append((request.url.path, dict(request.headers), body))
        if request.url.path in self.answers:
            return self.answers[request.url.path]
        assert request.url.path == "/lookup"
        query = json.loads(body)["query"]
        is_lost = "x-after" in request.headers and query["skip"] == self.begins_again_after
        start = query["skip"] if self.pages and not is_lost else 0
        page = self.outputs[start : start + query["limit"]]
        return Response(AggregatedAnswer(tuple(page), self.beef.to_bytes()).to_bytes(), media_type=BINARY)


def wide_page(host: Host, outputs: int) -> Transaction:
    """One transaction that the host shows that many outputs of."""
    beef = proven(1)
    (txid,) = beef.transactions
    wide = Transaction((TxInput(Outpoint(txid, 0)),), (TxOutput(Satoshis(0), b"\x51"),) * outputs)
    host.beef = Beef.of(beef.bumps, [*beef.transactions.values(), BeefTx(wide)])
    host.outputs = [(wide.outpoint(vout), None) for vout in range(outputs)]
    return wide


@pytest.fixture
def host():
    return Host()


@pytest.fixture
async def client(host):
    async with HttpClient(apps={URL: host.app}) as http:
        yield HostClient(http, f"{URL}/")


async def test_a_submission_goes_out_as_brc_22_says_and_the_steak_comes_back(host, client):
    host.answers["/submit"] = JSONResponse({"tm_a": {"outputsToAdmit": [0, 2], "coinsToRetain": [1]}})

    steak = await client.submit(Submission(b"beef", ("tm_a",), b"off-chain"))

    assert steak == {"tm_a": Admittance(outputs=(0, 2), retained=(1,))}
    (_, headers, body), *_ = host.asked
    assert headers["x-topics"] == '["tm_a"]'
    assert headers["x-includes-off-chain-values"] == "true"
    assert body == b"\x04beefoff-chain"


@pytest.mark.parametrize(
    "steak",
    [[], "x", {"tm_a": []}, {"tm_a": {"outputsToAdmit": ["0"], "coinsToRetain": []}}, {"tm_b": {"outputsToAdmit": []}}],
)
async def test_a_steak_that_is_none_is_not_believed(host, client, steak):
    host.answers["/submit"] = JSONResponse(steak)

    with pytest.raises(UnreachableError):
        await client.submit(Submission(b"beef", ("tm_a",)))


async def test_a_steak_for_other_topics_than_asked_is_not_believed(host, client):
    host.answers["/submit"] = JSONResponse({"tm_b": {"outputsToAdmit": [], "coinsToRetain": []}})

    with pytest.raises(UnreachableError, match="tm_b"):
        await client.submit(Submission(b"beef", ("tm_a",)))


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (JSONResponse({"status": "error", "message": "no such topic"}, 400), RefusedError, "400: no such topic"),
        (JSONResponse({"code": "ERR_ROUTE_NOT_FOUND"}, 404), RefusedError, "404: ERR_ROUTE_NOT_FOUND"),
        (Response("<html>\x1b[31m", 400, media_type="text/html"), RefusedError, "400: no reason given"),
        (JSONResponse({"message": "a\nb\x1b[31m"}, 400), RefusedError, r"a b \[31m"),
        (Response(b"[" * 5000, 400), RefusedError, "no reason"),
        (JSONResponse({"message": "slow down"}, 429), UnreachableError, "slow down"),
        (JSONResponse({"message": "broken"}, 500), UnreachableError, "broken"),
        (Response(status_code=302, headers={"location": "http://elsewhere.embedded"}), UnreachableError, "302"),
        (Response(b"OK"), UnreachableError, "did not answer JSON"),
        (Response(b"\xff\xfe", media_type="application/json"), UnreachableError, "did not answer JSON"),
    ],
)
async def test_refusals_are_final_and_everything_else_may_be_tried_again(host, client, answer, error, says):
    host.answers["/submit"] = answer

    with pytest.raises(error, match=says):
        await client.submit(Submission(b"beef", ("tm_a",)))


async def test_found_outputs_come_with_their_transaction_and_context(host, client):
    host.beef = proven(1)
    (txid,) = host.beef.transactions
    host.outputs = [(Outpoint(txid, 1), b"context"), (Outpoint(txid, 0), None)]

    first, second = await client.lookup("ls_a", {"name": "x"})

    assert (first.outpoint, first.context) == (Outpoint(txid, 1), b"context")
    assert (second.outpoint, second.context) == (Outpoint(txid, 0), None)
    assert first.transaction.outputs[1].satoshis == 2
    assert json.loads(host.asked[0][2]) == {"service": "ls_a", "query": {"name": "x", "limit": 50, "skip": 0}}
    assert host.asked[0][1]["x-aggregation"] == "yes"


@pytest.mark.parametrize(("last", "asked"), [(10, 1), (70, 2), (None, 3)])
async def test_outputs_are_looked_for_until_all_are_found(host, client, last, asked):
    elsewhere = Outpoint(Txid("ab" * 32), 0)
    host.beef = proven(1)
    (txid,) = host.beef.transactions
    host.outputs = [(Outpoint(txid, vout), b"{}") for vout in range(120)]
    wanted = {Outpoint(txid, 3), elsewhere if last is None else Outpoint(txid, last)}

    found = await client.finds("ls_a", {}, wanted)

    assert found == wanted - {elsewhere}
    assert len(host.asked) == asked


@pytest.mark.parametrize(("pages", "asked"), [(True, 3), (False, 3)])
async def test_all_pages_are_read_and_a_host_without_pages_ends_it(host, client, pages, asked):
    host.pages = pages
    wide_page(host, 120)

    found = await client.lookup("ls_a", {})

    assert len(host.asked) == asked
    assert [each.outpoint.vout for each in found] == list(range(120 if pages else 50))


async def test_each_page_but_the_first_is_asked_for_by_the_last_output_of_the_one_before(host, client):
    wide = wide_page(host, 120)

    await client.lookup("ls_a", {})

    assert [headers.get("x-after") for _, headers, _ in host.asked] == [None, f"{wide.txid}.49", f"{wide.txid}.99"]


async def test_a_host_that_has_the_last_output_at_another_place_by_now_is_asked_for_the_page_by_its_number(
    host, client
):
    wide_page(host, 120)
    host.begins_again_after = 50

    found = await client.lookup("ls_a", {})

    assert [each.outpoint.vout for each in found] == list(range(120))
    assert [(json.loads(body)["query"]["skip"], "x-after" in headers) for _, headers, body in host.asked] == [
        (0, False),
        (50, True),
        (50, False),
        (100, True),
    ]


async def test_a_host_that_never_ends_is_given_up(host, client, monkeypatch):
    monkeypatch.setattr("reconciler.clients.host._PAGES", 3)
    wide_page(host, 200)

    with pytest.raises(UnreachableError, match="without end"):
        await client.lookup("ls_a", {})


async def test_the_plain_form_is_understood_as_well(host, client):
    beef = proven(1)
    (txid,) = beef.transactions
    host.answers["/lookup"] = Response(answer_text([OutputAnswer(beef.to_atomic(txid), 1, b"context")]))

    (found,) = await client.lookup("ls_a", {})

    assert (found.outpoint, found.context) == (Outpoint(txid, 1), b"context")


async def test_outputs_that_the_answer_does_not_bring_along_are_not_believed(host, client):
    host.beef = proven(1)
    (txid,) = host.beef.transactions
    for stranger in (Outpoint(Txid("ab" * 32), 0), Outpoint(txid, 2)):
        host.outputs = [(stranger, None)]
        with pytest.raises(UnreachableError, match="does not bring it along"):
            await client.lookup("ls_a", {})


@pytest.mark.parametrize(
    "answer",
    [
        Response(b"", media_type=BINARY),
        Response(b"\xff" * 9, media_type=BINARY),
        Response(bytes.fromhex("000200beef00"), media_type=BINARY),
        JSONResponse({"type": "freeform", "result": 1}),
        JSONResponse([]),
        JSONResponse({"type": "output-list", "outputs": [{"beef": [1, 2], "outputIndex": 0}]}),
    ],
)
async def test_an_answer_in_no_known_form_is_not_believed(host, client, answer):
    host.answers["/lookup"] = answer

    with pytest.raises(UnreachableError):
        await client.lookup("ls_a", {})


async def test_topics_and_services_are_their_names(host, client):
    host.answers["/listTopicManagers"] = JSONResponse({"tm_a": {"name": "A"}, "tm_b": {}})
    host.answers["/listLookupServiceProviders"] = JSONResponse([])

    assert await client.topics() == {"tm_a", "tm_b"}
    with pytest.raises(UnreachableError):
        await client.services()


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        (JSONResponse({"status": "ok", "ready": True}), True),
        (JSONResponse({"status": "ok"}), False),
        (JSONResponse({"ready": True}, 503), False),
        (Response(b"<html>"), False),
        (JSONResponse([]), False),
    ],
)
async def test_a_host_is_healthy_when_it_says_so(host, client, answer, healthy):
    host.answers["/health"] = answer

    assert await client.healthy() is healthy


async def test_a_document_is_the_one_asked_for_or_none(host, client):
    digest = Digest(sha256_hex(b"document"))
    host.answers[f"/v1/documents/{digest}"] = Response(b"document")
    assert await client.document(digest) == b"document"

    host.answers[f"/v1/documents/{digest}"] = Response(b"another")
    with pytest.raises(UnreachableError, match="another document"):
        await client.document(digest)
