"""Rules, prices and capabilities: what a record gets from others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.content.digests import ContentFacts
from reconciler.manifest.compile import compile as compile_manifests
from reconciler.manifest.load import load
from reconciler.model.desired import Content, DesiredRecord, DesiredState, Replication
from reconciler.model.ids import AdProtocol
from reconciler.model.networks import ENDPOINTS
from reconciler.wire.uhrp import url_of

HOSTS = {network: endpoints.storage for network, endpoints in ENDPOINTS.items()}
SHA256 = "ab" * 32


def document(kind: str, name: str, spec: str, labels: str = "{}") -> str:
    return (
        f"---\napiVersion: overlay/v1\nkind: {kind}\nmetadata: {{name: {name}, labels: {labels}}}\nspec: {{{spec}}}\n"
    )


def producer(spec: str = "") -> str:
    return document("Producer", "acme", f"gateway: {{url: 'http://localhost:3000'}}, {spec}")


def dataset(spec: str, labels: str = "{}", name: str = "prices") -> str:
    return document("Dataset", name, f"source: {{path: a.csv}}, {spec}", labels)


def rule(name: str, spec: str) -> str:
    return document("ReplicationRule", name, spec)


@pytest.fixture
def compiled(tmp_path):
    def compile_(*documents: str, size: int = 1000, expected: tuple[str, ...] = ()) -> Any:
        path = tmp_path / "p.yaml"
        path.write_text("".join(documents))
        manifests, diagnostics = load([path])
        fact = ContentFacts(sha256=SHA256, size=size, media_type="text/csv")
        facts = {source.paths: fact for source in manifests.sources if source.files}
        state, more = compile_manifests(manifests, facts, default_hosts=HOSTS)
        assert [fault.code for fault in diagnostics + more] == list(expected)
        return state

    return compile_


def only(state: DesiredState) -> DesiredRecord:
    (record,) = state.records
    return record


RULES = (
    rule("named", "replicas: 2"),
    rule("selecting", "selector: {matchTags: [crypto], matchLabels: {team: data}, maxSize: 1kB}, replicas: 3"),
    rule("default", "replicas: 1, minReplicas: 1"),
)


@pytest.mark.parametrize(
    ("written", "size", "name", "replicas"),
    [
        (dataset("replication: {replicas: 3, minReplicas: 2}, tags: [crypto]", "{team: data}"), 1000, None, 3),
        (dataset("replication: named, tags: [crypto]", "{team: data}"), 1000, "named", 2),
        (dataset("tags: [crypto, x]", "{team: data, x: y}"), 1000, "selecting", 3),
        (dataset("tags: [crypto]", "{team: data}"), 1001, "default", 1),
        (dataset("tags: [crypto]", "{team: other}"), 1000, "default", 1),
        (dataset("tags: [x]", "{team: data}"), 1000, "default", 1),
    ],
)
def test_replication_is_inline_or_named_or_selected_or_the_default(compiled, written, size, name, replicas):
    record = only(compiled(producer("defaults: {replication: default}"), *RULES, written, size=size))

    assert record.replication.replicas == replicas
    assert record.sealed["replication"] == (name or {"replicas": 3, "minReplicas": 2})


def test_without_any_rule_there_is_one_copy_and_nothing_said(compiled):
    record = only(compiled(producer(), dataset("")))

    assert record.replication == Replication()
    assert record.sealed == {"content": {"sha256": SHA256, "size": 1000}}


def test_a_selector_sees_the_default_tags(compiled):
    record = only(compiled(producer("defaults: {tags: [crypto]}"), *RULES, dataset("", "{team: data}")))

    assert record.sealed["replication"] == "selecting"


def test_two_selectors_are_an_error_unless_somebody_names_one(compiled):
    other = rule("other", "selector: {maxSize: 1MB}")

    compiled(producer(), *RULES, other, dataset("tags: [crypto]", "{team: data}"), expected=("ambiguous",))
    named = compiled(producer(), *RULES, other, dataset("tags: [crypto], replication: named", "{team: data}"))
    assert only(named).replication.replicas == 2


def test_a_rule_is_what_the_planner_and_the_gateway_take(compiled):
    spec = (
        "replicas: 3, spread: {min: 2}, regions: [NO, EU, NO], hosts: [storage-us, storage-eu, storage-apac], "
        "minReplicas: 2, renewBefore: 36h, autoScale: {max: 5, perDownloads: 1_000}"
    )
    state = compiled(producer(), rule("r", spec), dataset("replication: r"))

    assert only(state).replication == Replication(
        replicas=3,
        spread=2,
        regions=("EU", "NO"),
        hosts=("storage-apac", "storage-eu", "storage-us"),
        min_replicas=2,
        renew_before=36 * 3600,
    )
    (setting,) = state.settings
    assert setting.value["autoScale"] == {"max": 5, "perDownloads": 1000}
    assert setting.value["spread"] == {"by": "region", "min": 2}
    assert setting.value["renewBefore"] == "36h"
    assert str(setting.span) == "p.yaml:9:18"


DEFAULTS = "defaults: {pricing: {dataset: {model: per-mb, satoshis: 7}, stream: {model: per-minute, satoshis: 8}}}"


@pytest.mark.parametrize(
    ("spec", "pricing"),
    [
        ("", {"model": "per-mb", "satoshis": 7}),
        ("price: 2500", {"model": "per-request", "satoshis": 2500}),
        ("price: 0", None),
        ("pricing: {model: per-mb, satoshis: 0}", None),
        (
            "pricing: {model: subscription, satoshis: 5, per: 720h, tiers: [{from: 9, satoshis: 3}, {from: 2, satoshis: 4}]}",
            {
                "model": "subscription",
                "satoshis": 5,
                "per": "30d",
                "tiers": [{"from": 2, "satoshis": 4}, {"from": 9, "satoshis": 3}],
            },
        ),
        (
            "pricing: {model: per-mb, satoshis: 0, tiers: [{from: 9, satoshis: 3}]}",
            {"model": "per-mb", "satoshis": 0, "tiers": [{"from": 9, "satoshis": 3}]},
        ),
    ],
)
def test_a_price_has_one_shape_and_free_is_said_by_silence(compiled, spec, pricing):
    record = only(compiled(producer(DEFAULTS), dataset(spec)))

    assert record.public.get("pricing") == pricing
    assert record.is_sold is (pricing is not None)
    assert "price" not in record.public


def test_a_stream_has_its_own_default_price(compiled):
    record = only(compiled(producer(DEFAULTS), document("Stream", "s", "")))

    assert record.public == {"pricing": {"model": "per-minute", "satoshis": 8}}
    assert record.sealed == {"conflate": True, "state": "live"}
    assert not record.is_sold  # a stream has no stored content


def test_what_is_sold_takes_the_default_payment_rule_and_what_is_free_does_not(compiled):
    rules = document("PaymentRule", "standard", "http: {max: 9}") + document("PaymentRule", "other", "http: {}")
    state = compiled(
        producer("defaults: {paymentRule: standard}"),
        rules,
        dataset("price: 5", name="a"),
        dataset("price: 5, paymentRule: other", name="b"),
        dataset("price: 5, paymentRule: {native: {templateExpiry: 1440m}}", name="c"),
        dataset("", name="d"),
        dataset("paymentRule: other", name="e"),
    )

    assert [record.sealed.get("paymentRule") for record in state.records] == [
        "standard",
        "other",
        {"native": {"templateExpiry": "1d"}},
        None,
        "other",
    ]


def test_a_rule_without_details_accepts_its_method_all_the_same(compiled):
    (setting,) = compiled(producer(), document("PaymentRule", "p", "http: {}")).settings

    assert setting.value == {"http": {}}


def test_settings_are_sorted_and_change_no_record(compiled):
    def state(threshold: str) -> DesiredState:
        routing = f"http: {{}}, native: {{}}, routing: {{threshold: {threshold}, small: http, large: native}}"
        return compiled(
            producer("defaults: {paymentRule: z}"),
            document("PaymentRule", "z", routing),
            document("ConsumerPolicy", "p", ""),
            rule("a", ""),
            dataset("price: 3"),
        )

    one, two = state("1"), state("2")
    assert [(setting.kind.value, setting.name) for setting in one.settings] == [
        ("consumerpolicy", "p"),
        ("paymentrule", "z"),
        ("replicationrule", "a"),
    ]
    assert one.manifest_digest != two.manifest_digest
    assert one.records == two.records


def advertisement(name: str, capability: str) -> str:
    return document("Advertisement", name, f"serviceType: data-feed, capability: {capability}")


def test_a_capability_is_advertised_once_however_many_advertisements_it_has(compiled):
    state = compiled(
        producer(),
        advertisement("b", "weather"),
        advertisement("a", "crypto-price-feeds"),
        advertisement("c", "weather"),
    )

    assert [(ad.protocol, ad.name, ad.url) for ad in state.ads] == [
        (AdProtocol.SHIP, "tm_data_crypto_price_feeds", "http://localhost:3000"),
        (AdProtocol.SHIP, "tm_data_weather", "http://localhost:3000"),
        (AdProtocol.SLAP, "ls_data_crypto_price_feeds", "http://localhost:3000"),
        (AdProtocol.SLAP, "ls_data_weather", "http://localhost:3000"),
    ]
    assert str(state.ads[1].span) == "p.yaml:10:44"
    assert state.producer.public["capabilities"] == ["crypto-price-feeds", "weather"]
    assert [record.id.name for record in state.records] == ["a", "b", "c"]


def test_a_producer_may_have_capabilities_that_it_does_not_advertise(compiled):
    state = compiled(producer("capabilities: [weather, tides]"), advertisement("a", "weather"))

    assert state.producer.public["capabilities"] == ["tides", "weather"]
    assert len(state.ads) == 2
    assert "capabilities" not in compiled(producer()).producer.public


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            f"url: 's3://bucket/a.csv?versionId=1', sha256: {SHA256}, size: 5",
            Content(sha256=SHA256, size=5, media_type="text/csv", paths=(), url="s3://bucket/a.csv?versionId=1"),
        ),
        (
            f"uhrp: 'uhrp://{url_of(SHA256)}', size: 5",
            Content(sha256=SHA256, size=5, media_type="application/octet-stream", paths=(), uhrp=url_of(SHA256)),
        ),
    ],
)
def test_bytes_elsewhere_are_pinned_and_not_looked_for(compiled, source, expected):
    record = only(compiled(producer(), document("Dataset", "d", f"source: {{{source}}}")))

    assert record.content == expected
    assert record.sealed == {"content": {"sha256": SHA256, "size": 5}}


def test_a_key_in_the_environment_is_named(compiled):
    state = compiled(document("Producer", "acme", "identity: {key: {env: OUR_KEY}}"))

    assert (state.key_env, state.key_file) == ("OUR_KEY", "identity.key")


def test_a_set_that_cannot_be_read_is_not_said_to_lack_things(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(producer("defaults: {paymentRule: standard}") + dataset("capability: weather"))
    (tmp_path / "b.yaml").write_text("apiVersion: overlay/v1\nkind: [\n")

    assert [fault.code for fault in load([tmp_path])[1]] == ["yaml-syntax"]
