"""From a plan to stored form: files checked, sold content sealed once and remembered, documents made of it."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest

from reconciler.apply.contents import Contents, contents_of, copies_of
from reconciler.apply.events import Event
from reconciler.clients.http import HttpClient
from reconciler.content.fetching import Fetcher
from reconciler.content.sources import FreeContent
from reconciler.model.errors import StalePlanError, StateError, UnreachableError
from reconciler.model.ids import Address, Digest, Kind, Outpoint, RecordId, Txid, identity_key
from reconciler.model.observed import ObservedRecord
from reconciler.plan.action import Action
from reconciler.store.documents import Documents
from reconciler.store.live import published_records, record_row
from reconciler.wire.documents import RecordDocument
from reconciler.wire.stream_cipher import Layout, SaltedDigest, content_key, key_commitment
from reconciler.wire.uhrp import url_of

DATA = b"id,value\n1,one\n"
SHA256 = Digest(hashlib.sha256(DATA).hexdigest())
SIZE = len(DATA)
SEED = hashlib.sha256(__name__.encode()).digest()
BTC = RecordId(Kind.DATASET, "prices/btc")
PRICED = {"title": "Prices", "pricing": {"model": "per-request", "satoshis": 5}}


@pytest.fixture
def told():
    return []


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "btc.csv").write_bytes(DATA)
    return tmp_path / "manifests"


@pytest.fixture
def contents(database, folder, told):
    return Contents(database=database, seed=SEED, folder=folder, fetcher=None, tell=told.append)


async def publish(contents, sha256=SHA256, size=SIZE, **after):
    """What the document of the sold dataset says of its content."""
    change = record_change(sealed={"content": {"sha256": sha256, "size": size}}, **after)
    return (await contents.published_by(plan(change)))[BTC]


def record_change(public=PRICED, **after):
    after = {
        "public": public,
        "sealed": {"content": {"sha256": SHA256, "size": len(DATA)}},
        "paths": ["btc.csv"],
        "media_type": "text/csv",
        "sold": True,
        **after,
    }
    return SimpleNamespace(object=Address.of_record(BTC), record=BTC, action=Action.CREATE, before=None, after=after)


def copy_change(host="eu", **after):
    after = {
        "dataset": BTC.name,
        "host": host,
        "content": SHA256,
        "size": len(DATA),
        "paths": ["btc.csv"],
        "sold": True,
        "min_replicas": 2,
        **after,
    }
    address = Address.of_replica(BTC.name, host)
    return SimpleNamespace(object=address, record=None, action=Action.CREATE, before=None, after=after)


def plan(*changes):
    return SimpleNamespace(changes=changes)


def observed(document: bytes, public=PRICED) -> ObservedRecord:
    return ObservedRecord(
        id=BTC,
        outpoint=Outpoint(Txid("11" * 32), 1),
        document_hash=Digest(hashlib.sha256(document).hexdigest()),
        public=public,
        sealed={},
    )


async def copies(contents, *changes, live=None):
    return await contents.uploads(copies_of(plan(*changes), live or {}))


async def test_a_sold_dataset_is_published_by_its_salted_digest_parts_and_commitment(contents):
    key = content_key(SEED, BTC.name, SHA256)
    salted = SaltedDigest(key)
    salted.update(DATA)

    published = (await contents.published_by(plan(record_change())))[BTC]

    assert published.digest == salted.value
    assert published.key_commitment == key_commitment(key)
    assert (published.size, published.media_type) == (len(DATA), "text/csv")
    assert [part.size for part in published.parts] == list(Layout(len(DATA)).part_sizes)
    assert SHA256 not in repr(published)


async def test_a_free_dataset_is_published_as_it_is(contents):
    free = record_change(public={"title": "Prices"}, sold=False)
    published = (await contents.published_by(plan(free)))[BTC]
    assert (published.digest, published.key_commitment) == (SHA256, None)
    assert [(part.uhrp, part.sha256, part.size) for part in published.parts] == [(url_of(SHA256), SHA256, len(DATA))]


async def test_what_is_uploaded_is_what_is_published(contents, told):
    changes = (record_change(), copy_change("eu"), copy_change("us"))
    uploads = await copies(contents, *changes)
    published = (await contents.published_by(plan(*changes)))[BTC]

    assert [(upload.host, upload.least, upload.content) for upload in uploads] == [
        ("eu", 2, SHA256),
        ("us", 2, SHA256),
    ]
    for upload in uploads:
        assert upload.stored.parts == published.parts
        sent = b"".join([chunk async for chunk in upload.stored.chunks(0)])
        assert hashlib.sha256(sent).hexdigest() == published.parts[0].sha256
        assert DATA not in sent
    assert [event.detail for event in told if isinstance(event, Event)] == ["sealed, 31 bytes in 1 part"]


async def test_sealed_content_is_remembered_so_that_the_file_is_not_needed_to_publish_again(contents, folder, told):
    first = await publish(contents)
    (folder / "btc.csv").unlink()
    assert await publish(contents) == first
    assert len(told) == 1


async def test_a_rebuilt_machine_takes_it_from_the_live_document(contents, database, folder):
    first = await publish(contents)
    document = RecordDocument(identity_key("02" + "11" * 32), BTC, {}, first).to_bytes()
    async with database.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM sealed_parts")
        await Documents(connection).put(document)
        await connection.execute(published_records.insert(), [record_row(observed(document))])
    (folder / "btc.csv").unlink()

    again = await publish(contents, media_type="text/plain")

    assert again.media_type == "text/plain"
    assert (again.digest, again.parts, again.key_commitment) == (first.digest, first.parts, first.key_commitment)
    other = Digest("22" * 32)
    with pytest.raises(StalePlanError):
        await publish(contents, other)


async def test_another_seed_seals_again(contents, database, folder):
    first = await publish(contents)
    other = Contents(database=database, seed=bytes(32), folder=folder, fetcher=None, tell=lambda _: None)
    assert (await publish(other)).parts != first.parts


@pytest.mark.parametrize("is_sold", [True, False])
async def test_a_file_that_changed_is_a_stale_plan_before_anything_is_sent(contents, folder, is_sold):
    public = PRICED if is_sold else {}
    change = copy_change(sold=is_sold)
    if is_sold:
        await publish(contents)  # remembered: only the check can notice
    (folder / "btc.csv").write_bytes(DATA[::-1])
    with pytest.raises(StalePlanError, match="changed since"):
        await copies(contents, change, live={BTC: observed(b"", public)})


async def test_empty_content_cannot_be_sold(contents, folder):
    (folder / "btc.csv").write_bytes(b"")
    empty = Digest(hashlib.sha256(b"").hexdigest())
    with pytest.raises(StateError, match="the content of prices/btc cannot be sold: empty content cannot be sealed"):
        await publish(contents, empty, 0)


@pytest.mark.parametrize("sold", [False, None, "yes"])
@pytest.mark.parametrize("pricing", [{"satoshis": 5}, {"satoshis": 0, "tiers": [{"from": 10, "satoshis": 1}]}])
async def test_content_with_a_price_is_never_stored_in_plaintext_whatever_the_plan_says(sold, pricing):
    public = {"pricing": pricing}
    with pytest.raises(StateError, match="without sealing"):
        contents_of(plan(record_change(public=public, sold=sold)))
    with pytest.raises(StateError, match="without sealing"):
        copies_of(plan(copy_change(sold=sold)), {BTC: observed(b"", public)})
    with pytest.raises(StateError, match="without sealing"):
        copies_of(plan(record_change(public=public), copy_change(sold=sold)), {})


async def test_a_plan_that_does_not_say_whether_content_is_sold_is_refused():
    with pytest.raises(StateError, match="without sealing"):
        copies_of(plan(copy_change(sold=None)), {})


async def test_records_without_content_have_none(contents):
    change = record_change()
    change.after = {"public": {}, "sealed": {}}
    assert await contents.published_by(plan(change)) == {}


@pytest.mark.parametrize("is_sold", [True, False])
async def test_content_in_parts_is_stored_as_if_it_were_one_file(contents, folder, is_sold):
    whole = (await copies(contents, copy_change(sold=is_sold)))[0]
    (folder / "head").write_bytes(DATA[:4])
    (folder / "rest").write_bytes(DATA[4:])

    (upload,) = await copies(contents, copy_change(sold=is_sold, paths=["head", "rest"]))

    assert upload.stored.parts == whole.stored.parts
    sent = b"".join([chunk async for chunk in upload.stored.chunks(0)])
    assert hashlib.sha256(sent).hexdigest() == upload.stored.parts[0].sha256

    (folder / "rest").write_bytes(DATA[4:].upper())
    with pytest.raises(StalePlanError, match="changed since"):
        await copies(contents, copy_change(sold=is_sold, paths=["head", "rest"]))


async def test_content_that_is_nowhere_is_a_stale_plan_only_where_it_is_needed(contents):
    free = await copies(contents, copy_change(paths=[], sold=False))
    assert isinstance(free[0].stored, FreeContent)  # a host that has it already does not ask for it
    with pytest.raises(StalePlanError, match="not on this machine"):
        await anext(free[0].stored.chunks(0))
    with pytest.raises(StalePlanError, match="not on this machine"):
        await copies(contents, copy_change(paths=[]))


async def test_pinned_content_is_fetched_when_a_host_asks_for_it(database, folder, tmp_path):
    asked = []

    async def app(scope, receive, send):
        asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": DATA})

    async def nowhere(content):
        return ()

    async with HttpClient(apps={"https://data.example": app}) as http:
        fetcher = Fetcher(http=http, strangers=http, folder=tmp_path / "content", locate=nowhere)
        contents = Contents(database=database, seed=SEED, folder=folder, fetcher=fetcher, tell=lambda _: None)
        pinned = {"paths": [], "url": "https://data.example/btc.csv"}

        (free,) = await copies(contents, copy_change(sold=False, **pinned))
        assert asked == []
        assert b"".join([chunk async for chunk in free.stored.chunks(0)]) == DATA

        (sold,) = await copies(contents, copy_change(**pinned))
        assert sold.stored.parts[0].size == len(DATA) + 16
        assert asked == ["/btc.csv"]

        with pytest.raises(UnreachableError, match="nobody says"):
            await copies(contents, copy_change(paths=[], uhrp=url_of(Digest("33" * 32)), content="33" * 32))


@pytest.mark.parametrize("size", [1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 64 << 20, (64 << 20) + 1, 200_000_003])
def test_a_plan_quotes_the_sizes_that_are_stored(size):
    from reconciler.plan.storage import stored_sizes

    assert stored_sizes(size, is_sold=True) == Layout(size).part_sizes


def test_the_seed_is_in_no_representation(contents):
    assert repr(SEED) not in repr(contents)
