from dataclasses import replace

from reconciler.model.ids import Kind, RecordId
from reconciler.plan.action import RISKS, Action
from reconciler.plan.change import FieldDiff
from reconciler.plan.diff import compare, diff
from reconciler.plan.replicas import RENEW_BEFORE


def said(changes):
    return {str(change.object): change.action for change in changes}


def test_what_was_applied_is_not_a_change(world):
    state = world.desired(world.dataset("btc"), world.dataset("eth"))
    found = compare(state, world.published(state))
    assert found.changes == () == found.drift
    assert found.unchanged == 1 + 2 + 4


def test_genesis_creates_the_producer_and_everything_else(world):
    changes = diff(world.desired(world.dataset("btc")), world.empty())
    assert said(changes) == {
        "record/dataset/btc": Action.CREATE,
        "record/producer/acme": Action.CREATE,
        "replica/btc@storage-eu": Action.CREATE,
        "replica/btc@storage-us": Action.CREATE,
    }


def test_an_edited_field_is_one_update_that_says_where_and_what(world):
    old, new = (world.desired(world.dataset("btc", title=title)) for title in ("Old", "New"))
    (change,) = diff(new, world.published(old))
    assert (change.object.path, change.action) == ("dataset/btc", Action.UPDATE)
    assert (change.why, change.source) == ("producer.yaml:13", "producer.yaml:13:1")
    assert change.diff == (FieldDiff("public.title", "Old", "New"),)


def test_a_changed_producer_field_is_an_update_of_the_producer_record_only(world):
    state = world.desired(world.dataset("btc"))
    edited = replace(state.producer, public={**state.producer.public, "displayName": "Acme"})
    changes = diff(replace(state, producer=edited), world.published(state))
    assert said(changes) == {"record/producer/acme": Action.UPDATE}


def test_a_gateway_key_that_no_manifest_names_is_never_a_change(world):
    state = world.desired(world.dataset("btc"))
    stamped = {"displayName": "Acme Data", "gateway": {"url": "http://acme.embedded", "identityKey": world.key("gate")}}
    snapshot = world.published(replace(state, producer=replace(state.producer, public=stamped)))
    assert diff(state, snapshot) == ()
    silent = replace(state, producer=replace(state.producer, public={"displayName": "Acme Data"}))
    keyed = {"displayName": "Acme Data", "gateway": {"identityKey": world.key("gate")}}
    assert diff(silent, world.published(replace(state, producer=replace(state.producer, public=keyed)))) == ()


def test_a_gateway_key_that_the_manifest_names_is_compared(world):
    state = world.desired()
    public = {"displayName": "Acme Data", "gateway": {"url": "http://acme.embedded", "identityKey": world.key("gate")}}
    (change,) = diff(replace(state, producer=replace(state.producer, public=public)), world.published(state))
    assert [field.path for field in change.diff] == ["public.gateway.identityKey"]


def test_another_producer_name_replaces_the_root(world):
    state = world.desired()
    renamed = replace(state.producer, id=RecordId(Kind.PRODUCER, "umbrella"))
    (change,) = diff(replace(state, producer=renamed), world.published(state))
    assert (str(change.object), change.action) == ("record/producer/umbrella", Action.REPLACE)
    assert change.why == "the live root names acme"


def test_what_left_the_manifests_is_deleted_and_its_copies_are_forgotten(world):
    old, new = world.desired(world.dataset("btc"), world.dataset("eth")), world.desired(world.dataset("btc"))
    changes = diff(new, world.published(old))
    assert said(changes) == {
        "record/dataset/eth": Action.DELETE,
        "replica/eth@storage-eu": Action.DELETE,
        "replica/eth@storage-us": Action.DELETE,
    }
    assert changes[0].why == "no longer in the manifests"
    assert changes[1].why == "no longer in the manifests; readable until 2026-06-29"


def test_new_content_updates_the_record_and_replaces_the_copies_where_they_lie(world):
    old, new = (world.desired(world.dataset("btc", text=text)) for text in ("one", "another"))
    changes = diff(new, world.published(old))
    assert said(changes) == {
        "record/dataset/btc": Action.UPDATE,
        "replica/btc@storage-eu": Action.REPLACE,
        "replica/btc@storage-us": Action.REPLACE,
    }
    assert changes[1].diff == (FieldDiff("content", world.sha("one"), world.sha("another")),)
    assert changes[1].after == {
        "dataset": "btc",
        "host": "storage-eu",
        "content": world.sha("another"),
        "size": 7,
        "sold": False,
        "paths": ["data/btc.csv"],
        "min_replicas": 1,
    }


def test_a_moved_file_with_the_same_content_is_not_a_change(world):
    record = world.dataset("btc")
    moved = replace(record, content=replace(record.content, paths=("elsewhere.csv",)))
    assert diff(world.desired(moved), world.published(world.desired(record))) == ()


def test_a_copy_is_renewed_inside_its_window_and_not_before(world):
    record = world.dataset("btc", replicas=1)
    state = world.desired(record)
    for left, expected in ((RENEW_BEFORE + 1, {}), (RENEW_BEFORE, {"replica/btc@storage-eu": Action.RENEW})):
        found = world.copies(record, "storage-eu", expires=world.now + left)
        assert said(diff(state, world.published(state, replicas=found))) == expected


def test_an_expired_copy_is_gone_and_made_again(world):
    record = world.dataset("btc", replicas=1)
    state = world.desired(record)
    found = compare(state, world.published(state, replicas=world.copies(record, "storage-eu", expires=world.now)))
    assert said(found.changes) == {"replica/btc@storage-eu": Action.CREATE}
    assert [drift.detail for drift in found.drift] == ["expired on 2026-01-01"]


def test_a_lost_copy_is_drift_and_a_newly_wanted_one_is_not(world):
    one, two = world.dataset("btc", replicas=1), world.dataset("btc", replicas=2)
    lost = compare(world.desired(two), world.published(world.desired(two), replicas=world.copies(two, "storage-us")))
    assert [(str(drift.object), drift.detail) for drift in lost.drift] == [
        ("replica/btc@storage-eu", "the overlay has no such copy")
    ]
    more = replace(two, sealed={**two.sealed, "replication": {"replicas": 2}})
    snapshot = world.published(world.desired(one), replicas=world.copies(one, "storage-us"))
    asked = compare(world.desired(more), snapshot)
    assert said(asked.changes) == {"record/dataset/btc": Action.UPDATE, "replica/btc@storage-eu": Action.CREATE}
    assert asked.drift == ()


def test_fewer_wanted_copies_forget_the_surplus(world):
    state = world.desired(world.dataset("btc", replicas=1))
    (change,) = diff(state, world.published(state))
    assert (str(change.object), change.action) == ("replica/btc@storage-us", Action.DELETE)
    assert change.why.startswith("more copies than the manifests ask for; readable until")


def test_a_copy_at_a_host_that_is_no_longer_named_moves(world):
    state = world.desired(world.dataset("btc"))
    changes = diff(replace(state, storage_hosts=world.hosts[:2]), world.published(state))
    assert said(changes) == {"replica/btc@storage-eu-2": Action.CREATE, "replica/btc@storage-us": Action.DELETE}


def test_of_two_copies_on_one_host_the_one_that_lasts_counts(world):
    old, new = world.dataset("btc", text="old", replicas=1), world.dataset("btc", text="new", replicas=1)
    found = (*world.copies(new, "storage-eu"), *world.copies(old, "storage-eu", expires=world.now + 1))
    state = world.desired(new)
    assert diff(state, world.published(state, replicas=found)) == ()
    assert diff(state, world.published(state, replicas=found[::-1])) == ()


def test_fewer_records_than_the_root_covers_is_drift(world):
    state = world.desired(world.dataset("btc"), world.dataset("eth"))
    snapshot = world.published(state)
    kept = {record: found for record, found in snapshot.records.items() if record.name == "btc"}
    found = compare(state, replace(snapshot, records=kept))
    assert [change.why for change in found.changes] == ["the overlay has no such record"]
    assert [drift.detail for drift in found.drift] == ["the live root covers 2 records, 1 were found"]


def test_every_action_has_a_glyph_a_phrase_and_a_risk():
    assert len({action.glyph for action in Action}) == len(Action) == len({action.phrase for action in Action})
    assert RISKS.keys() == set(Action)
