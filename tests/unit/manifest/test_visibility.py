"""Who may read what: the table of MANIFESTS §2, and a proof that nothing else gets out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.content.digests import ContentFacts
from reconciler.manifest.compile import compile as compile_manifests
from reconciler.manifest.kinds import KINDS
from reconciler.manifest.kinds.visibility import LOCAL, PUBLIC, SEALED, Visibility, written_fields
from reconciler.manifest.load import load
from reconciler.model.desired import DesiredState
from reconciler.model.networks import ENDPOINTS

GOLDEN = Path(__file__).parents[2] / "golden" / "published-fields.json"
HOSTS = {network: endpoints.storage for network, endpoints in ENDPOINTS.items()}
KEY = "03c7e413bab1b53d48d2eae89536f430ec93d2c8e524c3da8e728554e8f40d9d25"

EVERYTHING = f"""
apiVersion: overlay/v1
kind: Producer
metadata: {{name: acme, labels: {{canary: canary-label}}}}
spec:
  displayName: Acme
  description: ${{WORD}}
  contact: {{email: a@b.example, url: "https://b.example"}}
  regions: [EU]
  capabilities: [prices, weather]
  gateway: {{url: "http://localhost:3000", identityKey: {KEY}}}
  identity: {{key: {{file: canary-key-file}}}}
  network:
    preset: embedded
    arc: http://canary-arc.embedded
    hosts: ["http://canary-host.embedded"]
    trackers: ["http://canary-tracker.embedded"]
    chainTracker: http://canary-headers.embedded
  storageHosts: [{{name: canary-storage, url: "http://canary-storage.embedded", region: NO}}]
  payees: {{canary-payee: {{identityKey: {KEY}}}}}
  defaults:
    license: CC0-1.0
    tags: [market]
    paymentRule: canary-rule
    replication: canary-replication
    pricing: {{dataset: {{model: per-mb, satoshis: 7}}, stream: {{model: per-minute, satoshis: 8}}}}
    maxCost: 987654321
    maxPriceFactor: 98.7654321
    region: SJ
  vars: {{WORD: Words, OTHER: canary-variable}}
  analytics: {{retention: 98765h, track: [revenue]}}
  notify: [{{url: "https://canary-notify.example", secret: {{env: CANARY_NOTIFY}}, on: [drift]}}]
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {{name: feed, renamedFrom: canary-old-ad, labels: {{canary: canary-label}}}}
spec:
  serviceType: data-feed
  capability: prices
  pricing: {{model: per-minute, satoshis: 20}}
  availability: 99.90
  regions: [global]
  maxConsumers: 5000
  expires: 2031-01-31
  whenUnhealthy: withdraw
---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: history, renamedFrom: canary-old-dataset, labels: {{canary: canary-label}}}}
spec:
  source: {{path: canary-file.csv, sha256: {"ca" * 32}, size: 98765}}
  title: Title
  description: Description
  capability: prices
  tags: [tag]
  license: commercial
  classification: internal
  mediaType: text/csv
  dataSchema: {{type: array}}
  pricing: {{model: per-mb, satoshis: 5, tiers: [{{from: 10, satoshis: 4}}]}}
  paymentRule: {{http: {{min: 987654320}}}}
  replication: {{replicas: 1, regions: [BV], hosts: [canary-storage], renewBefore: 98764h}}
  lineage: {{parents: [priced]}}
  version: "1.0"
  keepVersions: 987
  access: {{preview: 1kB}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: priced}}
spec: {{source: {{path: canary-file.csv}}, price: 2500}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: elsewhere}}
spec: {{source: {{url: "https://canary-url.example/x", sha256: {"ca" * 32}, size: 98766}}, replication: canary-replication}}
---
apiVersion: overlay/v1
kind: Stream
metadata: {{name: live, renamedFrom: canary-old-stream, labels: {{canary: canary-label}}}}
spec:
  title: Title
  description: Description
  capability: prices
  tags: [tag]
  license: commercial
  format: json
  frequency: 100ms
  conflate: false
  pricing: {{model: subscription, satoshis: 5, per: 30d}}
  paymentRule: canary-rule
  maxConsumers: 3
  dataSchema: {{type: object}}
  state: paused
  source: {{websocket: "wss://canary-source.example", headers: {{X-Canary: {{env: CANARY_HEADER}}}}}}
  transform: {{jmespath: canary_transform}}
  buffer: 24h
  redundancy: 986
  quality: high
  anchoring: {{mode: batch, every: 10s, maxPackets: 1000}}
  delivery: {{when: mined, depth: 6, overflow: thin}}
  webhooks:
    - {{url: "https://canary-hook.example", secret: {{file: canary/secret}}, events: [gap], batch: 985, format: payload}}
  agents: [{{name: canary-agent, mcp: "https://canary-agent.example", trigger: canary_trigger, format: payload}}]
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {{name: canary-rule, labels: {{canary: canary-label}}}}
spec:
  http: {{min: 987654319, max: 987654322, window: 98763h}}
  native:
    arc: [taal, {{name: canary-arc, url: "https://canary-arc.example", key: {{env: CANARY_ARC}}}}]
    splits: [{{to: canary-payee, share: 0.98765}}, {{to: producer, share: 0.01235}}]
    templateExpiry: 98762h
  routing: {{threshold: 987654321, small: http, large: native}}
  accept: {{seen: 987654321}}
  settle: {{above: 987654321, every: 98761h}}
---
apiVersion: overlay/v1
kind: ReplicationRule
metadata: {{name: canary-replication}}
spec:
  selector: {{matchLabels: {{canary: canary-other}}, matchTags: [canary-tag], maxSize: 98767}}
  replicas: 1
  spread: {{by: region, min: 1}}
  regions: [BV]
  hosts: [canary-storage]
  minReplicas: 1
  renewBefore: 98773h
  autoScale: {{max: 984, perDownloads: 98768}}
---
apiVersion: overlay/v1
kind: ConsumerPolicy
metadata: {{name: canary-policy}}
spec:
  tiers:
    canary-tier:
      quota: {{bytes: 98769, requests: 98770, streams: 98771, window: 98759h}}
      fee: {{satoshis: 987654318, per: 98758h}}
      discount: 98.76%
      members: [{KEY}]
      promote: {{spent: 987654317}}
  defaultTier: canary-tier
  consumers: [{{key: {KEY}, tier: canary-tier, state: suspended, note: canary-note}}]
"""
"""All kinds with all of their fields; what is not public has one of WORDS in it, where it takes any."""

WORDS = ("canary", "CANARY", "987", "98.7", "985", "984", "986", "0.01235", "BV", "SJ", "cacaca")
FIXED = {"Producer": {"rotation"}, "Dataset": {"price", "glob", "uhrp", "allowEmpty", "parts"}}
"""Fields that cannot be given beside the others, or not in this version."""


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> DesiredState:
    path = tmp_path_factory.mktemp("all") / "producer.yaml"
    path.write_text(EVERYTHING)
    manifests, diagnostics = load([path])
    assert diagnostics == []
    fact = ContentFacts(sha256="ca" * 32, size=98765, media_type="text/csv")
    facts = {source.paths: fact for source in manifests.sources if source.files}
    state, diagnostics = compile_manifests(manifests, facts, default_hosts=HOSTS)
    assert diagnostics == []
    return state


def published(state: DesiredState) -> Iterator[tuple[str, Any]]:
    """All that everybody can read: public documents, and what stands in tokens and advertisements."""
    for record in (state.producer, *state.records):
        yield str(record.id), record.public
    for ad in state.ads:
        yield ad.name, ad.url


def paths(value: Any, path: str) -> Iterator[str]:
    """The path of each field in a document; items of a list have that of the list."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from paths(child, f"{path}.{key}")
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            yield from paths(item, path)
    else:
        yield path


@pytest.mark.parametrize("kind", KINDS)
def test_each_field_of_a_spec_has_one_visibility(kind):
    for name, field in KINDS[kind].model_fields["spec"].annotation.model_fields.items():
        assert len([mark for mark in field.metadata if isinstance(mark, Visibility)]) == 1, name


def test_the_fields_by_visibility_are_exactly_those():
    """MANIFESTS §2; UPDATE_GOLDEN=1 writes the file."""
    table = {
        kind: {
            mark.value: sorted(written_fields(model.model_fields["spec"].annotation, mark))
            for mark in (PUBLIC, SEALED, LOCAL)
        }
        for kind, model in KINDS.items()
    }
    compare(GOLDEN, table)


def test_the_published_fields_are_exactly_those(state):
    documents: dict[str, set[str]] = {}
    for record in (state.producer, *state.records):
        documents.setdefault(record.id.kind.value, set()).update(paths(record.public, record.id.kind.value))
    compare(
        GOLDEN.with_name("published-paths.json"), {kind: sorted(found) for kind, found in sorted(documents.items())}
    )


def compare(golden: Path, found: Any) -> None:
    text = json.dumps(found, indent=2) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_each_field_of_each_kind_is_given(tmp_path):
    """Or else the tests below would show nothing."""
    path = tmp_path / "producer.yaml"
    path.write_text(EVERYTHING)
    manifests, _ = load([path])
    given: dict[str, set[str]] = {}
    for document in manifests.documents:
        spec = document.root["spec"]
        given.setdefault(document.manifest.kind, set()).update(spec)
    for kind, model in KINDS.items():
        fields = {field.alias for field in model.model_fields["spec"].annotation.model_fields.values()}
        assert fields - FIXED.get(kind, set()) <= given[kind], kind


def test_each_field_that_is_not_public_has_a_canary(state):
    for record in (state.producer, *state.records):
        for name, value in record.sealed.items():
            is_bare = name in {"conflate", "state", "whenUnhealthy"}
            assert is_bare or any(word in json.dumps(value) for word in WORDS), f"{record.id} {name}"
    for setting in state.settings:
        for name, value in setting.value.items():
            is_bare = name in {"replicas", "minReplicas", "spread"}
            assert is_bare or any(word in json.dumps(value) for word in WORDS), f"{setting.kind} {name}"


def test_no_canary_is_published(state):
    for where, document in published(state):
        text = json.dumps(document, ensure_ascii=False)
        found = [word for word in WORDS if word in text]
        assert found == [], f"{where}: {text}"


def test_words_of_a_closed_set_that_are_not_public_are_not_published(state):
    ad, *_, stream = state.records
    assert ad.sealed == {"whenUnhealthy": "withdraw"}
    assert "withdraw" not in json.dumps(ad.public)
    assert stream.sealed["state"] == "paused"
    assert "paused" not in json.dumps(stream.public)


def test_what_is_local_is_not_even_sealed(state):
    sealed = json.dumps(
        [[record.sealed for record in (state.producer, *state.records)], [each.value for each in state.settings]]
    )

    for word in ("canary-label", "canary-file", "canary-url", "canary-old", "canary-key-file", "canary-variable"):
        assert word not in sealed


def test_secrets_are_kept_as_references(state):
    stream = next(record for record in state.records if record.id.kind == "stream")

    assert stream.sealed["source"]["headers"] == {"X-Canary": {"env": "CANARY_HEADER"}}
    assert stream.sealed["webhooks"][0]["secret"] == {"file": "canary/secret"}
    assert state.producer.sealed["notify"][0]["secret"] == {"env": "CANARY_NOTIFY"}
    (rule,) = [each.value for each in state.settings if each.kind == "paymentrule"]
    assert rule["native"]["arc"][1]["key"] == {"env": "CANARY_ARC"}
