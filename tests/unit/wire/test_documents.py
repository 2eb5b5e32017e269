from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.model.ids import AdProtocol, Kind, RecordId, digest, identity_key
from reconciler.wire.canonical import canonical_json
from reconciler.wire.documents import (
    Ad,
    Pending,
    PreviousKey,
    PublishedContent,
    RecordDocument,
    RootDocument,
    RootKeys,
    SealedRef,
    Source,
    StoredPart,
    parse_record_document,
    parse_root_document,
)
from reconciler.wire.uhrp import url_of

KEY = identity_key("02" + sha256(b"producer").hexdigest())
GATEWAY = identity_key("03" + sha256(b"gateway").hexdigest())
HASH = digest(sha256(b"content").hexdigest())
PART = StoredPart(url_of(HASH), HASH, 7)
CONTENT = PublishedContent(HASH, 7, "text/csv", (PART,))
RECORD = RecordDocument(KEY, RecordId(Kind.DATASET, "btc"), {"title": "Bitcoin"}, CONTENT, b"box")
ROOT = RootDocument(
    producer=KEY,
    name="acme",
    public={"displayName": "Acme"},
    network_id=digest("01" * 32),
    generation=3,
    keys=RootKeys(KEY, GATEWAY, "https://acme.example", (PreviousKey(GATEWAY, 1767225600),)),
    state_root=digest("02" * 32),
    leaf_count=12,
    ads=(Ad(AdProtocol.SHIP, "tm_data_prices", "https://acme.example"),),
    sealed=SealedRef(digest("03" * 32), 512, PART.uhrp),
    source=Source("git.example/acme/data", "ab" * 20, dirty=True),
    pending=Pending(digest("04" * 32), 4, b"sealed"),
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
publics = st.dictionaries(texts, st.none() | st.booleans() | st.integers(-9, 9) | texts | st.lists(texts), max_size=3)
digests = st.binary(min_size=32, max_size=32).map(digest)
parts = st.builds(lambda content, size: StoredPart(url_of(content), content, size), digests, st.integers(1, 2**40))
contents = st.builds(
    PublishedContent, digests, st.integers(0, 2**40), texts, st.lists(parts, max_size=2).map(tuple), st.none() | digests
)
kinds = st.sampled_from([kind for kind in Kind if kind is not Kind.PRODUCER])
records = st.builds(
    RecordDocument,
    st.just(KEY),
    st.builds(RecordId, kinds, st.just("btc/daily")),
    publics,
    st.none() | contents,
    st.none() | st.binary(max_size=40),
)
roots = st.builds(
    replace,
    st.just(ROOT),
    public=publics,
    generation=st.integers(0, 2**40),
    keys=st.builds(RootKeys, st.just(KEY), st.just(GATEWAY), st.none() | texts, st.just(())),
    ads=st.lists(st.builds(Ad, st.sampled_from(AdProtocol), texts, texts), max_size=2).map(tuple),
    sealed=st.builds(SealedRef, digests, st.integers(1, 2**40), st.none() | texts),
    source=st.builds(Source, st.none() | texts, st.none() | texts, st.booleans()),
    pending=st.none() | st.builds(Pending, digests, st.integers(1, 1000)),
)


@given(records)
def test_a_records_document_is_read_back_as_it_was_written(document):
    assert parse_record_document(document.to_bytes()) == document


@given(roots)
def test_a_root_document_is_read_back_as_it_was_written(document):
    assert parse_root_document(document.to_bytes()) == document


@given(st.binary(max_size=60))
def test_other_bytes_are_only_ever_a_verification_error(data):
    for parse in (parse_record_document, parse_root_document):
        with pytest.raises(VerificationError):
            parse(data)


def test_a_records_document_reads_like_this():
    assert json.loads(RECORD.to_bytes()) == {
        "version": 1,
        "producer": KEY,
        "kind": "dataset",
        "name": "btc",
        "public": {"title": "Bitcoin"},
        "content": {
            "digest": HASH,
            "size": 7,
            "mediaType": "text/csv",
            "parts": [{"uhrp": PART.uhrp, "sha256": HASH, "size": 7}],
            "keyCommitment": None,
        },
        "sealed": "Ym94",
    }


def test_a_root_document_reads_like_this():
    assert ROOT.id == RecordId(Kind.PRODUCER, "acme")
    assert json.loads(ROOT.to_bytes()) == {
        "version": 1,
        "producer": KEY,
        "kind": "producer",
        "name": "acme",
        "public": {"displayName": "Acme"},
        "network": "01" * 32,
        "generation": 3,
        "status": "pending",
        "pending": {"target": "04" * 32, "batches": 4, "by": "c2VhbGVk"},
        "keys": {
            "identity": KEY,
            "gatewayKey": GATEWAY,
            "gatewayUrl": "https://acme.example",
            "previous": [{"key": GATEWAY, "until": 1767225600}],
        },
        "stateRoot": "02" * 32,
        "leafCount": 12,
        "ads": [{"protocol": "SHIP", "name": "tm_data_prices", "url": "https://acme.example"}],
        "sealed": {"sha256": "03" * 32, "size": 512, "uhrp": PART.uhrp},
        "source": {"repo": "git.example/acme/data", "commit": "ab" * 20, "dirty": True},
    }
    final = json.loads(replace(ROOT, pending=None).to_bytes())
    assert (final["status"], final["pending"]) == ("final", None)


def paths(value, path=()):
    """Every place in a JSON value, the whole included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if key != "public":
            yield from paths(item, (*path, key))


def changed(document, path, change) -> bytes:
    value = json.loads(document.to_bytes())
    parent = value
    for step in path[:-1]:
        parent = parent[step]
    change(parent, path[-1])
    return canonical_json(value)


def at(document):
    return [path for path in paths(json.loads(document.to_bytes())) if path]


@pytest.mark.parametrize(("document", "parse"), [(RECORD, parse_record_document), (ROOT, parse_root_document)])
def test_a_missing_an_unknown_and_a_mistyped_field_are_refused_at_every_depth(document, parse):
    value = json.loads(document.to_bytes())
    for path in at(document):
        if isinstance(path[-1], str):
            with pytest.raises(VerificationError):
                parse(changed(document, path, lambda parent, key: parent.pop(key)))
            with pytest.raises(VerificationError):
                parse(changed(document, path, lambda parent, key: parent.update({key + "x": 1})))
        with pytest.raises(VerificationError):
            parse(changed(document, path, lambda parent, key: parent.__setitem__(key, 1.5)))
    assert parse(canonical_json(value)) == document


@pytest.mark.parametrize("parse", [parse_record_document, parse_root_document])
def test_only_the_canonical_spelling_is_a_document(parse):
    document = RECORD if parse is parse_record_document else ROOT
    for data in (document.to_bytes() + b"\n", json.dumps(json.loads(document.to_bytes())).encode()):
        with pytest.raises(VerificationError, match="not canonical"):
            parse(data)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("version",), 2),
        (("kind",), "database"),
        (("kind",), "producer"),
        (("name",), "Not A Name"),
        (("producer",), "02" + "AB" * 32),
        (("public",), []),
        (("sealed",), "Ym9"),
        (("content", "size"), -1),
        (("content", "digest"), "00"),
        (("content", "parts", 0, "sha256"), "00" * 32),
        (("content", "parts", 0, "uhrp"), "uhrp:nonsense"),
        (("content", "parts", 0, "size"), 0),
    ],
)
def test_wrong_values_in_a_records_document_are_refused(path, wrong):
    with pytest.raises(VerificationError):
        parse_record_document(changed(RECORD, path, lambda parent, key: parent.__setitem__(key, wrong)))


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("version",), 0),
        (("kind",), "dataset"),
        (("name",), "Not A Name"),
        (("status",), "final"),
        (("status",), "done"),
        (("pending",), None),
        (("pending", "batches"), 0),
        (("generation",), True),
        (("ads", 0, "protocol"), "ship"),
        (("keys", "previous", 0, "key"), "00"),
        (("network",), ""),
    ],
)
def test_wrong_values_in_a_root_document_are_refused(path, wrong):
    with pytest.raises(VerificationError):
        parse_root_document(changed(ROOT, path, lambda parent, key: parent.__setitem__(key, wrong)))


def test_documents_that_contradict_themselves_cannot_be_made():
    with pytest.raises(ValueError, match="root document"):
        RecordDocument(KEY, RecordId(Kind.PRODUCER, "acme"), {})
    with pytest.raises(ValueError, match="is not the UHRP URL"):
        StoredPart(url_of(HASH), digest("00" * 32), 7)
    with pytest.raises(ValueError, match="the name"):
        replace(ROOT, name="Not A Name")
