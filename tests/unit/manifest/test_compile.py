from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import rfc8785

from reconciler.content.digests import ContentFacts
from reconciler.manifest.compile import compile as compile_manifests
from reconciler.manifest.contents import local_contents
from reconciler.manifest.load import load
from reconciler.model.desired import Content, DesiredState, StorageHost
from reconciler.model.ids import Network, digest
from reconciler.wire.canonical import canonical_json

HOST = StorageHost(name="one", url="http://one.embedded", region="EU")
HOSTS = {Network.EMBEDDED: (HOST,), Network.TEST: (StorageHost(name="t", url="https://t.example.com", region="EU"),)}
PRODUCER = """
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme, labels: {canary: LOCAL}}
spec:
  displayName: Acme
  contact: {email: a@b.example}
  regions: [US, EU]
  gateway: {url: "http://localhost:3000"}
  identity: {key: {file: keys/canary.key}}
  network: {preset: embedded, hosts: ["http://host.embedded"]}
  defaults: {license: CC0-1.0, tags: [b, a], maxCost: 5_000, maxPriceFactor: 1.50}
"""


def facts_of(manifests) -> dict[tuple[Path, ...], ContentFacts]:
    contents, diagnostics = local_contents(manifests)
    assert diagnostics == []
    return {
        content.paths: ContentFacts(
            sha256=digest(hashlib.sha256(b"".join(path.read_bytes() for path in content.paths)).digest()),
            size=sum(path.stat().st_size for path in content.paths),
            media_type=content.media_type,
            description="generated" if content.describe else None,
        )
        for content in contents
    }


def state_of(folder: Path, *documents: str, **options) -> DesiredState:
    """The desired state of these documents."""
    path = folder / "producer.yaml"
    path.write_text("---".join(documents))
    manifests, diagnostics = load([path])
    assert diagnostics == []
    state, diagnostics = compile_manifests(manifests, facts_of(manifests), default_hosts=HOSTS, **options)
    assert diagnostics == []
    return state


def dataset(spec: str, name: str = "prices") -> str:
    return (
        f"\napiVersion: overlay/v1\nkind: Dataset\nmetadata: {{name: {name}, labels: {{x: LOCAL}}}}\nspec: {{{spec}}}\n"
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "b.json").write_text("[1]")
    return tmp_path


def test_a_producer_is_split_into_public_and_sealed(folder):
    state = state_of(folder, PRODUCER)

    assert str(state.producer.id) == "producer/acme"
    assert state.producer.public == {
        "displayName": "Acme",
        "contact": {"email": "a@b.example"},
        "regions": ["EU", "US"],
        "gateway": {"url": "http://localhost:3000"},
    }
    assert state.producer.sealed == {
        "network": {"preset": "embedded", "hosts": ["http://host.embedded"]},
        "defaults": {"license": "CC0-1.0", "tags": ["a", "b"], "maxCost": 5000, "maxPriceFactor": "1.50"},
    }
    assert (state.network, state.gateway_url, state.gateway_key) == (Network.EMBEDDED, "http://localhost:3000", None)
    assert (state.limits.max_cost, state.limits.max_price_factor) == (5000, "1.50")
    assert (state.key_file, state.storage_hosts) == ("keys/canary.key", (HOST,))


def test_a_dataset_takes_the_defaults_and_keeps_its_content_sealed(folder):
    state = state_of(
        folder, PRODUCER, dataset("source: {path: a.csv}, title: T, tags: [c, a], price: 0, version: 1.10")
    )
    sha256 = digest(hashlib.sha256(b"x\n1\n").digest())

    (record,) = state.records
    assert record.public == {
        "title": "T",
        "tags": ["a", "b", "c"],
        "license": "CC0-1.0",
        "mediaType": "text/csv",
        "version": "1.10",
    }
    assert record.sealed == {"content": {"sha256": sha256, "size": 4}}
    assert record.content == Content(sha256=sha256, size=4, media_type="text/csv", paths=("a.csv",))
    assert record.replication.replicas == 1
    assert str(record.span) == "producer.yaml:16:18"


def test_nothing_local_is_in_a_record(folder):
    state = state_of(folder, PRODUCER, dataset("source: {path: a.csv}"))

    published = [(record.public, record.sealed) for record in (state.producer, *state.records)]
    assert "LOCAL" not in repr(published)
    assert "canary" not in repr(published)
    assert "a.csv" not in repr(published)


def test_a_glob_fills_title_and_description_with_the_files_name(folder):
    state = state_of(
        folder,
        PRODUCER,
        dataset("source: {glob: '*.[cj]s*'}, title: 'Of {stem}', description: '{name} {other}'", name="g"),
    )

    assert [(record.id.name, record.public["title"], record.public["description"]) for record in state.records] == [
        ("g/a.csv", "Of a", "a.csv {other}"),
        ("g/b.json", "Of b", "b.json {other}"),
    ]


def test_braces_mean_nothing_without_a_glob(folder):
    state = state_of(folder, PRODUCER, dataset("source: {path: a.csv}, title: '{stem}'"))

    assert state.records[0].public["title"] == "{stem}"


def test_a_description_is_the_one_made_from_the_data(folder):
    state = state_of(folder, PRODUCER, dataset("source: {path: a.csv}, description: {generate: true}"))

    assert state.records[0].public["description"] == "generated"


def test_parts_are_one_content_in_the_order_in_which_they_are_written(folder):
    (folder / "z").write_bytes(b"one,")
    (folder / "deep").mkdir()
    (folder / "deep" / "b.csv").write_bytes(b"second")
    written = "source: {parts: [z, ./deep/b.csv, a.csv]}, title: '{stem}', description: {generate: true}"

    (record,) = state_of(folder, PRODUCER, dataset(written)).records

    sha256 = digest(hashlib.sha256(b"one,secondx\n1\n").digest())
    content = Content(sha256=sha256, size=14, media_type="application/octet-stream", paths=("z", "deep/b.csv", "a.csv"))
    assert record.content == content
    assert record.sealed == {"content": {"sha256": sha256, "size": 14}}
    assert (record.public["title"], record.public["description"]) == ("{stem}", "generated")
    assert "deep" not in repr((record.public, record.sealed))


def test_one_part_is_a_path_and_the_first_one_names_the_media_type(folder):
    (folder / "b.json").write_bytes(b"1")
    by_path, by_part, by_two = (
        state_of(folder, PRODUCER, dataset(f"source: {source}")).records[0].content
        for source in ("{path: a.csv}", "{parts: [a.csv]}", "{parts: [a.csv, b.json]}")
    )

    assert by_path == by_part
    assert by_two.media_type == "text/csv"


@pytest.mark.parametrize("gone", [("a.csv",), ("gone.csv",), ("a.csv", "gone.csv")])
def test_pinned_parts_need_not_all_be_there(folder, gone):
    """Some of the bytes are none: what is there of them is left alone."""
    (folder / "gone.csv").write_bytes(b"2\n")
    for name in gone:
        (folder / name).unlink()
    pins = f"sha256: {'ab' * 32}, size: 1MB"

    state = state_of(folder, PRODUCER, dataset(f"source: {{parts: [a.csv, gone.csv], {pins}}}"))

    assert state.records[0].content == Content(sha256="ab" * 32, size=1_000_000, media_type="text/csv", paths=())


def test_a_pinned_file_need_not_be_there(folder):
    sha256 = "ab" * 32
    state = state_of(folder, PRODUCER, dataset(f"source: {{path: gone.pdf, sha256: {sha256}, size: 1MB}}"))

    assert state.records[0].content == Content(sha256=sha256, size=1_000_000, media_type="application/pdf", paths=())
    assert state.records[0].sealed == {"content": {"sha256": sha256, "size": 1_000_000}}


def test_a_free_pricing_is_the_same_as_no_price(folder):
    free = [
        state_of(folder, PRODUCER, dataset(f"source: {{path: a.csv}}{price}")).manifest_digest
        for price in ("", ", price: 0", ", pricing: {model: per-mb, satoshis: 0}", ", tags: []")
    ]

    assert len(set(free)) == 1


def test_the_digest_follows_what_is_meant_and_not_how_it_is_written(folder):
    plain = state_of(folder, PRODUCER, dataset("source: {path: a.csv}, title: T")).manifest_digest
    rewritten = state_of(
        folder, "# a comment\n" + PRODUCER, dataset("title: 'T',   source: {path: ./a.csv}")
    ).manifest_digest
    changed = state_of(folder, PRODUCER, dataset("source: {path: a.csv}, title: U")).manifest_digest

    assert plain == rewritten
    assert plain != changed


def test_everything_in_a_record_is_canonical_json(folder):
    state = state_of(
        folder, PRODUCER, dataset("source: {path: a.csv}, dataSchema: {a: [1, 2.5, null]}, lineage: {parents: []}")
    )

    assert state.records[0].public["dataSchema"] == {"a": [1, 2.5, None]}
    for record in (state.producer, *state.records):
        rfc8785.dumps(record.public)
        rfc8785.dumps(record.sealed)


def test_the_argument_goes_before_the_producer_and_the_preset(folder):
    bare = "\napiVersion: overlay/v1\nkind: Producer\nmetadata: {name: acme}\nspec: {network: local}\n"

    assert state_of(folder, bare.replace("network: local", "")).network is Network.EMBEDDED
    assert state_of(folder, bare).network is Network.LOCAL
    overridden = state_of(folder, bare, network=Network.TEST)
    assert overridden.network is Network.TEST
    assert overridden.producer.sealed == {"network": {"preset": "test"}}
    assert [host.name for host in overridden.storage_hosts] == ["t"]


def test_what_is_special_about_one_network_does_not_hold_for_another(folder):
    text = PRODUCER.replace("http://localhost:3000", "https://data.example.com")

    assert state_of(folder, text, network=Network.TEST).producer.sealed["network"] == {"preset": "test"}


def test_storage_hosts_of_the_manifest_replace_the_networks(folder):
    state = state_of(folder, PRODUCER + '  storageHosts: [{name: mine, url: "https://s.example.com", region: NO}]\n')

    assert state.storage_hosts == (StorageHost(name="mine", url="https://s.example.com", region="NO"),)
    assert state.producer.sealed["storageHosts"] == [{"name": "mine", "url": "https://s.example.com", "region": "NO"}]


def test_parents_are_published(folder):
    foreign = f"02{'ab' * 32}/dataset/x@{'cd' * 32}"
    state = state_of(
        folder,
        PRODUCER,
        dataset(f"source: {{path: a.csv}}, lineage: {{parents: [prices, '{foreign}']}}", name="derived"),
        dataset("source: {path: b.json}"),
    )

    assert state.records[0].public["lineage"] == {"parents": [foreign, "prices"]}


@pytest.mark.parametrize("value", ["{a: " * 48 + "1" + "}" * 48, "{a: [1e22, -9007199254740991.0, 1e-300]}"])
def test_whatever_a_data_schema_may_be_has_its_place_in_documents_and_plans(folder, value):
    state = state_of(folder, PRODUCER, dataset(f"source: {{path: a.csv}}, dataSchema: {value}"))
    public = state.records[0].public

    assert canonical_json([[[[[[[[public]]]]]]]])
