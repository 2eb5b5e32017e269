from __future__ import annotations

import base64
import contextlib
import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, txid
from reconciler.wire.answer import (
    AGGREGATION,
    AggregatedAnswer,
    OutputAnswer,
    answer_text,
    parse_aggregated,
    parse_answer,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "answer.json").read_text())
TXID = txid(sha256(__name__.encode()).hexdigest())

beefs = st.binary(max_size=30).map(lambda rest: b"\x02\x00\xbe\xef" + rest)
outpoints = st.builds(
    Outpoint, st.binary(min_size=32, max_size=32).map(lambda data: txid(data.hex())), st.integers(0, 2**32 - 1)
)
entries = st.lists(st.tuples(outpoints, st.none() | st.binary(min_size=1, max_size=300)), max_size=4).map(tuple)


def test_the_aggregated_form_is_what_the_reference_reads():
    outputs = tuple(
        (Outpoint(entry["txid"], entry["vout"]), bytes.fromhex(entry["context"]) or None)
        for entry in VECTORS["entries"]
    )
    answer = AggregatedAnswer(outputs, bytes.fromhex(VECTORS["beef"]))
    assert answer.to_bytes().hex() == VECTORS["body"]
    assert parse_aggregated(bytes.fromhex(VECTORS["body"])) == answer
    assert [(outpoint.txid, outpoint.vout, context and context.hex()) for outpoint, context in outputs] == [
        (read["txid"], read["outputIndex"], read["context"]) for read in VECTORS["read"]
    ]
    requested = {name.lower(): value for name, value in VECTORS["requestHeaders"].items()}
    assert AGGREGATION in requested.items()


def test_nothing_found_is_an_empty_list_and_an_empty_beef():
    empty = AggregatedAnswer((), bytes.fromhex("0200beef0000"))
    assert empty.to_bytes().hex() == "000200beef0000"
    assert parse_aggregated(empty.to_bytes()) == empty


@given(entries, st.binary(max_size=20))
def test_the_aggregated_form_is_read_back_as_it_was_written(outputs, beef):
    answer = AggregatedAnswer(outputs, beef)
    assert parse_aggregated(answer.to_bytes()) == answer


@given(st.binary(max_size=200))
def test_any_other_bytes_are_only_ever_a_verification_error(data):
    with contextlib.suppress(VerificationError):
        parse_aggregated(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\xff" + b"\xff" * 8,
        b"\x01" + bytes(32) + b"\xff" + b"\xff" * 8 + b"\x00",
        b"\x01" + bytes(33) + b"\x05abc",
    ],
)
def test_counts_and_indices_that_lie_are_refused(data):
    with pytest.raises(VerificationError, match="look-up's answer"):
        parse_aggregated(data)


def test_the_json_form_is_that_of_the_reference():
    output = OutputAnswer(bytes.fromhex(VECTORS["jsonBeef"]), 1, bytes([1, 2, 255]))
    assert json.loads(answer_text([output])) == VECTORS["json"]
    assert parse_answer(VECTORS["json"]) == (output,)


@given(st.lists(st.builds(OutputAnswer, beefs, st.integers(0, 2**32 - 1), st.none() | st.binary()), max_size=3))
def test_the_json_form_is_read_back_as_it_was_written(outputs):
    assert parse_answer(json.loads(answer_text(outputs))) == tuple(outputs)


@given(beefs, st.binary(), st.sampled_from(["base64", "hex"]))
def test_bytes_may_also_be_spelt_as_base64_or_hex(beef, context, spelling):
    spell = bytes.hex if spelling == "hex" else lambda data: base64.b64encode(data).decode()
    value = {"type": "output-list", "outputs": [{"beef": spell(beef), "outputIndex": 3, "context": spell(context)}]}
    assert parse_answer(value) == (OutputAnswer(beef, 3, context),)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"type": "freeform", "result": 1},
        {"type": "output-list"},
        {"type": "output-list", "outputs": {}},
        *(
            {"type": "output-list", "outputs": [output]}
            for output in (
                None,
                {},
                {"beef": [1]},
                {"beef": [1], "outputIndex": -1},
                {"beef": [1], "outputIndex": True},
                {"beef": [1], "outputIndex": 2**32},
                {"beef": [256], "outputIndex": 0},
                {"beef": [-1], "outputIndex": 0},
                {"beef": [True], "outputIndex": 0},
                {"beef": [1.0], "outputIndex": 0},
                {"beef": "0g", "outputIndex": 0},
                {"beef": "AQ", "outputIndex": 0},
                {"beef": "ä", "outputIndex": 0},
                {"beef": {"0": 1}, "outputIndex": 0},
                {"beef": None, "outputIndex": 0},
                {"beef": [1], "outputIndex": 0, "context": 5},
            )
        ),
    ],
)
def test_what_is_no_answer_is_refused(value):
    with pytest.raises(VerificationError, match="look-up's answer"):
        parse_answer(value)


def test_fields_that_a_host_adds_do_not_matter():
    value = {"type": "output-list", "outputs": [{"beef": [2], "outputIndex": 0, "score": 1}], "more": True}
    assert parse_answer(value) == (OutputAnswer(b"\x02", 0),)


def test_the_same_beef_is_spelled_for_every_output():
    beef = b"\x01\x00\xff"
    outputs = [OutputAnswer(beef, 3), OutputAnswer(beef, 0, b""), OutputAnswer(b"\x02", 1, b"{}")]

    assert parse_answer(json.loads(answer_text(outputs))) == tuple(outputs)
    assert json.loads(answer_text([])) == {"type": "output-list", "outputs": []}
