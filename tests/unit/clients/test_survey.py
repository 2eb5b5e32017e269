from __future__ import annotations

import asyncio

import pytest

from reconciler.clients.host import FoundOutput
from reconciler.clients.survey import Verdict, survey
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.transaction import Transaction, TxInput, TxOutput


def transaction(number: int, spent: Outpoint | None = None) -> Transaction:
    spending = TxInput(spent or Outpoint(Txid(f"{number:064x}"), 0))
    return Transaction((spending,), (TxOutput(Satoshis(1), b"\x51"),))


def found(*transactions: Transaction) -> tuple[FoundOutput, ...]:
    beef = Beef.of((), [BeefTx(each) for each in transactions])
    return tuple(FoundOutput(outpoint=each.outpoint(0), beef=beef, context=None) for each in transactions)


A, B = transaction(1), transaction(2)
NEWER = transaction(3, A.outpoint(0))


class Host:
    """Answers what it is given, once it may."""

    def __init__(self, *shown: Transaction, fails: Exception | None = None, gate: asyncio.Event | None = None) -> None:
        self.shown = found(*shown)
        self.fails = fails
        self.gate = gate
        self.ended = False

    async def lookup(self, service, query):
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.fails is not None:
                raise self.fails
            return self.shown
        finally:
            self.ended = True


class Verifier:
    """Holds some transactions to be wrong."""

    def __init__(self, *wrong: Transaction, headers: bool = True) -> None:
        self.wrong = {each.txid for each in wrong}
        self.headers = headers

    async def verified(self, beef, subject, *, now):
        if not self.headers:
            raise UnreachableError("no headers")
        if subject in self.wrong:
            raise VerificationError("a script fails")


async def ask(hosts, **options):
    return await survey(hosts, "ls_a", {}, now=7, **options)


def verdicts(answers) -> dict[str, Verdict]:
    return {name: answer.verdict for name, answer in answers.by_host.items()}


async def test_what_all_show_is_put_together_and_each_output_counts_once():
    answers = await ask({"x": Host(A, B), "y": Host(B, A)})

    assert [output.outpoint for output in answers.outputs] == [A.outpoint(0), B.outpoint(0)]
    assert verdicts(answers) == {"x": "answered", "y": "answered"}


async def test_who_lacks_what_others_show_lags():
    answers = await ask({"x": Host(A, B), "y": Host(A)})

    assert verdicts(answers) == {"x": "answered", "y": "lagging"}
    assert answers.by_host["y"].detail == "it lacks 1 that others show"
    assert len(answers.live) == 2


async def test_who_shows_what_is_spent_lags_and_what_is_spent_is_not_live():
    answers = await ask({"new": Host(NEWER), "old": Host(A)})

    assert verdicts(answers) == {"new": "answered", "old": "lagging"}
    assert "is spent" in answers.by_host["old"].detail
    assert [output.outpoint for output in answers.live] == [NEWER.outpoint(0)]
    assert len(answers.outputs) == 2


async def test_who_shows_what_does_not_hold_lies_and_only_that_is_left_out():
    answers = await ask({"x": Host(A), "liar": Host(A, B)}, verifier=Verifier(B))

    assert verdicts(answers) == {"x": "answered", "liar": "lying"}
    assert "does not hold: a script fails" in answers.by_host["liar"].detail
    assert [output.outpoint for output in answers.outputs] == [A.outpoint(0)]


async def test_those_that_fail_are_named_and_the_others_count():
    answers = await ask(
        {"no": Host(fails=RefusedError("no")), "gone": Host(fails=UnreachableError("gone")), "x": Host(A)}
    )

    assert verdicts(answers) == {"no": "refused", "gone": "silent", "x": "answered"}
    assert answers.is_known


@pytest.mark.parametrize(
    ("hosts", "known"),
    [
        ({}, False),
        ({"x": Host(fails=UnreachableError("gone"))}, False),
        ({"x": Host(fails=RefusedError("no"))}, False),
        ({"x": Host(B)}, False),
        ({"x": Host()}, True),
        ({"x": Host(A, B)}, True),
    ],
)
async def test_none_is_believed_only_of_somebody_who_answered_truly(hosts, known):
    assert (await ask(hosts, verifier=Verifier(B))).is_known is known


async def test_nobody_is_waited_for_long_once_one_has_given_something():
    slow = Host(B, gate=asyncio.Event())

    answers = await ask({"x": Host(A), "slow": slow}, grace=0.0)

    assert verdicts(answers) == {"x": "answered", "slow": "late"}
    assert slow.ended


async def test_an_empty_answer_is_no_reason_to_stop_waiting():
    gate = asyncio.Event()
    asking = asyncio.ensure_future(ask({"empty": Host(), "slow": Host(A, gate=gate)}, grace=0.0))
    await asyncio.sleep(0)
    gate.set()

    assert verdicts(await asking) == {"empty": "lagging", "slow": "answered"}


async def test_a_host_without_end_is_silent():
    answers = await ask({"x": Host(A), "slow": Host(gate=asyncio.Event())}, within=0.01)

    assert verdicts(answers) == {"x": "answered", "slow": "silent"}


async def test_without_headers_nothing_can_be_said_of_anybody():
    with pytest.raises(UnreachableError, match="no headers"):
        await ask({"x": Host(A), "slow": Host(gate=asyncio.Event())}, verifier=Verifier(headers=False), grace=0.0)
