"""The gateway's audit log as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.cli.auditing import open_audit
from reconciler.gateway.audit import Event, Outcome, What
from reconciler.model.errors import StateError

SALE = Event(
    what=What.ACCESS,
    outcome=Outcome.SOLD,
    who="02" + "ab" * 32,
    good="dataset/a",
    satoshis=1000,
    txid="cd" * 32,
    receipt="ef" * 32,
)


def opened(place, folder, tell=print):
    return open_audit(place, folder=folder, clock=lambda: 1_800_000_000.25, tell=tell)


async def test_each_event_is_a_line_that_says_who_bought_what_for_how_much(tmp_path):
    async with opened("audit.log", tmp_path) as audit:
        audit(SALE)
    assert json.loads((tmp_path / "audit.log").read_text()) == {
        "at": 1_800_000_000.25,
        "what": "access",
        "outcome": "sold",
        "who": "02" + "ab" * 32,
        "good": "dataset/a",
        "satoshis": 1000,
        "txid": "cd" * 32,
        "receipt": "ef" * 32,
    }


async def test_lines_are_added_by_several_processes_and_readable_by_their_owner_alone(tmp_path):
    async with opened("audit.log", tmp_path) as one, opened("audit.log", tmp_path) as other:
        for _ in range(3):
            one(SALE)
            other(Event(what=What.QUOTE, outcome=Outcome.REFUSED))
    lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert [line["what"] for line in lines] == ["access", "quote"] * 3
    assert (tmp_path / "audit.log").stat().st_mode & 0o777 == 0o600


async def test_without_a_place_nothing_is_written(tmp_path):
    async with opened(None, tmp_path) as audit:
        audit(SALE)
    assert not list(tmp_path.iterdir())


async def test_a_place_that_cannot_be_written_to_is_an_error_at_the_start(tmp_path):
    with pytest.raises(StateError, match="the system refuses"):
        async with opened("none/audit.log", tmp_path):
            pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
async def test_a_full_disk_stops_no_sale_and_is_told_once(tmp_path):
    told = []
    async with opened("/dev/full", tmp_path, told.append) as audit:
        audit(SALE)
        audit(SALE)
    assert told == ["The audit log cannot be written: No space left on device."]
