from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, Txid
from reconciler.wire.arc import STANDINGS, Standing, TxReport, TxStatus, parse_report

TXID = "a1b2c3d4e5f6" + "00" * 26
OTHER = "deadbeef" * 8

hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)


@st.composite
def reports(draw: st.DrawFn) -> TxReport:
    mined = draw(st.booleans())
    return TxReport(
        txid=Txid(draw(hashes)),
        status=draw(st.sampled_from(TxStatus)),
        merkle_path=draw(st.binary(min_size=1, max_size=80)) if mined else None,
        block_hash=Digest(draw(hashes)) if mined else None,
        block_height=draw(st.integers(1, 2**31)) if mined else None,
        extra_info=draw(st.text(max_size=20)),
        competing=tuple(Txid(each) for each in draw(st.lists(hashes, max_size=3))),
    )


@given(reports())
def test_a_report_survives_json(report: TxReport) -> None:
    body = json.dumps(report.to_json(timestamp="2026-01-01T00:00:00Z"))
    assert parse_report(json.loads(body)) == report


def test_every_status_has_a_standing() -> None:
    assert set(STANDINGS) == set(TxStatus)


@pytest.mark.parametrize(
    "status",
    ["DOUBLE_SPEND_ATTEMPTED", "REJECTED", "INVALID", "MALFORMED", "MINED_IN_STALE_BLOCK", "SEEN_IN_ORPHAN_MEMPOOL"],
)
def test_what_the_reference_calls_a_failure_never_stands_well(status: str) -> None:
    report = parse_report({"txid": TXID, "txStatus": status})
    assert report.standing not in {Standing.ACCEPTED, Standing.SEEN, Standing.MINED}


@pytest.mark.parametrize("status", ["STORED", "SENT_TO_NETWORK", "ACCEPTED_BY_NETWORK", "ANNOUNCED_TO_NETWORK"])
def test_taken_is_not_seen(status: str) -> None:
    assert parse_report({"txid": TXID, "txStatus": status}).standing is Standing.ACCEPTED


def test_an_orphan_that_is_reported_only_in_words_is_contested() -> None:
    report = parse_report({"txid": TXID, "txStatus": "SEEN_ON_NETWORK", "extraInfo": "orphan mempool"})
    assert report.standing is Standing.CONTESTED


def test_a_mined_transaction_stays_mined_whatever_it_went_through() -> None:
    report = parse_report({"txid": TXID, "txStatus": "MINED", "extraInfo": "was an orphan"})
    assert report.standing is Standing.MINED


def test_what_go_writes_for_nothing_is_nothing() -> None:
    report = parse_report(
        {
            "blockHash": "",
            "blockHeight": 0,
            "competingTxs": None,
            "extraInfo": "",
            "merklePath": "",
            "status": 200,
            "timestamp": "2026-05-01T12:00:00.000Z",
            "title": "OK",
            "txStatus": "SEEN_ON_NETWORK",
            "txid": TXID,
        }
    )
    assert report == TxReport(txid=Txid(TXID), status=TxStatus.SEEN_ON_NETWORK)


def test_competing_transactions_are_read() -> None:
    report = parse_report({"txid": TXID, "txStatus": "DOUBLE_SPEND_ATTEMPTED", "competingTxs": [OTHER]})
    assert report.competing == (OTHER,)


def test_a_callback_with_a_proof_and_no_status_is_mined() -> None:
    callback = {"txid": TXID, "merklePath": "fe8a6a0c00", "blockHeight": 813706, "blockHash": OTHER}
    report = parse_report(callback)
    assert (report.status, report.block_height) == (TxStatus.MINED, 813706)


def test_a_callback_needs_no_proof() -> None:
    report = parse_report({"txid": TXID, "txStatus": "REJECTED", "timestamp": "2026-05-01T12:00:00Z"})
    assert report.status is TxStatus.REJECTED


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"txid": TXID},
        {"txid": TXID, "txStatus": "FINE"},
        {"txid": TXID[:-1], "txStatus": "MINED"},
        {"txid": TXID, "txStatus": "MINED", "merklePath": "xyz"},
        {"txid": TXID, "txStatus": "MINED", "blockHash": OTHER, "blockHeight": -1},
        {"txid": TXID, "txStatus": "MINED", "blockHash": OTHER, "blockHeight": True},
        {"txid": TXID, "txStatus": "MINED", "blockHash": "00"},
        {"txid": TXID, "txStatus": 7},
        {"txid": TXID, "txStatus": "MINED", "competingTxs": "none"},
    ],
)
def test_anything_else_fails_closed(value: object) -> None:
    with pytest.raises(VerificationError):
        parse_report(value)  # type: ignore[arg-type]  # strangers send anything
