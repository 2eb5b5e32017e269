from __future__ import annotations

import contextlib
import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.wire.submission import (
    Admittance,
    Submission,
    pack_documents,
    parse_steak,
    parse_submission,
    steak_json,
    unpack_documents,
)

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "submission.json").read_text())["cases"]
TOPICS = {"x-topics": '["tm_data_catalog"]'}
indices = st.lists(st.integers(0, 2**32), max_size=4).map(tuple)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["beefSize"]))
def test_submissions_are_framed_as_the_reference_frames_them(case):
    beef = bytes((index * 7 + case["beefSeed"]) & 0xFF for index in range(case["beefSize"]))
    off_chain = bytes.fromhex(case["offChain"]) if "offChain" in case else None
    submission = Submission(beef, tuple(case["topics"]), off_chain)
    assert submission.headers() == case["headers"]
    assert submission.body()[:16].hex() == case["bodyStart"]
    assert sha256(submission.body()).hexdigest() == case["bodySha256"]


@given(
    st.builds(
        Submission,
        st.binary(min_size=1),
        st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, unique=True).map(tuple),
        st.none() | st.binary(),
    )
)
def test_a_submission_is_read_back_as_it_was_sent(submission):
    headers = submission.headers()
    assert all(value.isascii() for value in headers.values())
    assert parse_submission(headers, submission.body()) == submission


@given(st.text(max_size=30), st.none() | st.sampled_from(["true", "false", "True", "1"]), st.binary(max_size=40))
def test_any_other_request_is_only_ever_a_verification_error(topics, off_chain, body):
    headers = {"x-topics": topics} | ({} if off_chain is None else {"x-includes-off-chain-values": off_chain})
    with contextlib.suppress(VerificationError):
        parse_submission(headers, body)


@pytest.mark.parametrize(
    "header",
    ["", "[]", "tm_ship", '"tm_ship"', "[1]", '[""]', '["a","a"]', "{}", "null", '["a"', "[" * 100_000, "\ud800"],
)
def test_topics_that_are_no_array_of_names_are_refused(header):
    with pytest.raises(VerificationError, match="x-topics"):
        parse_submission({"x-topics": header}, b"beef")


def test_missing_parts_are_named():
    with pytest.raises(VerificationError, match="x-topics is missing"):
        parse_submission({}, b"beef")
    with pytest.raises(VerificationError, match="no body"):
        parse_submission(TOPICS, b"")
    with pytest.raises(VerificationError, match="neither true nor false"):
        parse_submission(TOPICS | {"x-includes-off-chain-values": "yes"}, b"beef")
    framed = TOPICS | {"x-includes-off-chain-values": "true"}
    for body, words in ((b"\x00rest", "no BEEF"), (b"\x05beef", "announces 5"), (b"\xff", "too early")):
        with pytest.raises(VerificationError, match=words):
            parse_submission(framed, body)


@given(st.dictionaries(st.text(), st.builds(Admittance, indices, indices, indices), max_size=3))
def test_a_steak_is_read_back_as_it_was_served(steak):
    assert parse_steak(json.loads(json.dumps(steak_json(steak)))) == steak


def test_the_steak_of_a_reference_host_is_understood():
    steak = {"tm_a": {"outputsToAdmit": [0, 2], "coinsToRetain": []}}
    assert parse_steak(steak) == {"tm_a": Admittance((0, 2), ())}
    assert steak_json({"tm_a": Admittance((0,), (), (1,))}) == {
        "tm_a": {"outputsToAdmit": (0,), "coinsToRetain": (), "coinsRemoved": (1,)}
    }


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"tm_a": []},
        {"tm_a": {}},
        {"tm_a": {"outputsToAdmit": [0]}},
        {"tm_a": {"outputsToAdmit": [-1], "coinsToRetain": []}},
        {"tm_a": {"outputsToAdmit": [True], "coinsToRetain": []}},
        {"tm_a": {"outputsToAdmit": "0", "coinsToRetain": []}},
        {"tm_a": {"outputsToAdmit": [], "coinsToRetain": [], "coinsRemoved": None}},
    ],
)
def test_what_is_no_steak_is_refused(value):
    with pytest.raises(VerificationError, match="STEAK"):
        parse_steak(value)


@given(st.lists(st.binary(), max_size=5).map(tuple))
def test_packed_documents_come_out_again(documents):
    assert unpack_documents(pack_documents(documents)) == documents


@pytest.mark.parametrize("data", [b"", b"\x40", b"\xa0", b"\x81\x00", b"\x81\x61a", b"\x9f\xff", b"\x80\x80"])
def test_off_chain_values_that_are_no_documents_are_refused(data):
    with pytest.raises(VerificationError, match="off-chain values"):
        unpack_documents(data)
