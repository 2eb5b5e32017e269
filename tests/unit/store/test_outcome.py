from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.model.errors import StateError
from reconciler.model.ids import RecordId
from reconciler.store.outcome import Outcome

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\u00e9"), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def outcome(make_root, make_record, make_replica, identity) -> Outcome:
    return Outcome(
        identity=identity,
        root=make_root(3),
        upserts=(make_record("dataset/btc"), make_record("stream/live")),
        deletes=(RecordId.parse("dataset/eth"),),
        replicas=(make_replica("btc", "eu"),),
        forgotten=(("eth", "us"),),
        commit="0123abc",
        at=1_700_000_000,
    )


def test_an_outcome_comes_back_as_it_was(outcome):
    assert Outcome.from_bytes(outcome.to_bytes()) == outcome


def test_an_outcome_has_one_form(outcome):
    data = outcome.to_bytes()
    assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    public=st.dictionaries(st.text("xyz"), JSON, max_size=3), sealed=st.dictionaries(st.text("xyz"), JSON, max_size=3)
)
def test_any_record_survives(outcome, public, sealed):
    record = replace(outcome.upserts[0], public=public, sealed=sealed)
    written = replace(outcome, upserts=(record,))
    assert Outcome.from_bytes(written.to_bytes()) == written


def test_an_outcome_may_be_larger_than_any_document_of_a_stranger(outcome):
    record = replace(outcome.upserts[0], public={"numbers": [0] * 500_001, "text": 16 * 1024 * 1024 * "x"})
    large = replace(outcome, upserts=(record,))

    assert Outcome.from_bytes(large.to_bytes()) == large


def test_a_damaged_outcome_is_an_error_of_our_own_database(outcome):
    data = outcome.to_bytes()
    fields = json.loads(data)
    damaged = [b"", b"null", b"[]", data[:-1], data + b" ", *(_without(fields, name) for name in fields)]
    for bad in damaged:
        with pytest.raises(StateError):
            Outcome.from_bytes(bad)


def test_an_outcome_of_another_version_is_refused(outcome):
    newer = json.loads(outcome.to_bytes()) | {"version": 3}
    with pytest.raises(StateError, match="version 3"):
        Outcome.from_bytes(json.dumps(newer, sort_keys=True, separators=(",", ":")).encode())


def test_an_outcome_from_before_keys_could_be_rotated_rotates_none(outcome):
    older = json.loads(_without(json.loads(outcome.to_bytes()), "replaces")) | {"version": 1}
    assert Outcome.from_bytes(json.dumps(older, sort_keys=True, separators=(",", ":")).encode()) == outcome


def test_a_rotation_comes_back_as_it_was(outcome):
    rotation = replace(outcome, replaces=outcome.identity)
    assert Outcome.from_bytes(rotation.to_bytes()) == rotation


def _without(fields, name):
    rest = {key: value for key, value in fields.items() if key != name}
    return json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()
