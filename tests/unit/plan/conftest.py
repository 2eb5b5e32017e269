"""A small world to plan in: a producer `acme`, its datasets, three storage hosts, and coins."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import pytest

from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.desired import (
    Content,
    DesiredAd,
    DesiredRecord,
    DesiredSetting,
    DesiredState,
    Limits,
    Replication,
    StorageHost,
)
from reconciler.model.ids import (
    AdProtocol,
    Digest,
    IdentityKey,
    Kind,
    Network,
    Outpoint,
    RecordId,
    SettingKind,
    Txid,
)
from reconciler.model.keys import FUNDING_KEY, KeyRef, purse_key
from reconciler.model.observed import (
    Answer,
    Coin,
    CoinStatus,
    ListedAd,
    ObservedAd,
    ObservedRecord,
    ObservedReplica,
    ObservedRoot,
    Reading,
    Snapshot,
)
from reconciler.model.source import SourceSpan
from reconciler.plan.plan import Meta, Plan, PlanOptions, make_destroy_plan, make_plan
from reconciler.plan.public import make_public_plan, public_content
from reconciler.plan.storage import TERM

NOW = 1_767_225_600  # 2026-01-01 00:00:00 UTC
HOSTS = (
    StorageHost(name="storage-eu", url="http://storage-eu.embedded", region="EU"),
    StorageHost(name="storage-eu-2", url="http://storage-eu-2.embedded", region="EU"),
    StorageHost(name="storage-us", url="http://storage-us.embedded", region="US"),
)


def sha(label: str) -> Digest:
    return Digest(hashlib.sha256(label.encode()).hexdigest())


def key(label: str) -> IdentityKey:
    return IdentityKey("02" + sha(label))


def outpoint(label: str, vout: int = 0) -> Outpoint:
    return Outpoint(Txid(sha(label)), vout)


def dataset(
    name: str,
    *,
    title: str | None = None,
    text: str | None = None,
    replicas: int = 2,
    price: int = 0,
    rule: Replication | None = None,
    renamed_from: str | None = None,
    **public: Any,
) -> DesiredRecord:
    """A dataset that the manifests want; `text` is its content."""
    if price:
        public["pricing"] = {"model": "per-request", "satoshis": price}
    body = text or f"content of {name}"
    content = Content(sha256=sha(body), size=len(body), media_type="text/csv", paths=(f"data/{name}.csv",))
    return DesiredRecord(
        id=RecordId(Kind.DATASET, name),
        public={"title": title or name.capitalize(), "mediaType": "text/csv", "tags": ["demo"], **public},
        sealed={"content": {"sha256": content.sha256, "size": content.size}},
        content=content,
        is_sold=bool(price),
        replication=rule or Replication(replicas=replicas),
        renamed_from=RecordId(Kind.DATASET, renamed_from) if renamed_from else None,
        span=SourceSpan("producer.yaml", 10 + len(name), 1),
    )


def setting(name: str, kind: SettingKind = SettingKind.PAYMENT_RULE, **value: Any) -> DesiredSetting:
    """A rule that the manifests set."""
    return DesiredSetting(kind=kind, name=name, value=value, span=SourceSpan("producer.yaml", 40 + len(name), 1))


def ads(*capabilities: str, url: str = "http://acme.embedded") -> tuple[DesiredAd, ...]:
    """What the manifests advertise: a topic and a service for each capability."""
    named = [(AdProtocol.SHIP, "tm_data_"), (AdProtocol.SLAP, "ls_data_")]
    return tuple(
        DesiredAd(protocol=protocol, name=prefix + name, url=url, span=SourceSpan("producer.yaml", 70, 1))
        for protocol, prefix in named
        for name in sorted(capabilities)
    )


def advertised(ad: DesiredAd, label: str = "", **changes: Any) -> ObservedAd:
    """The live token of an advertisement."""
    place = outpoint(f"{ad.protocol} {ad.name}{label}")
    found = ObservedAd(protocol=ad.protocol, name=ad.name, url=ad.url, outpoint=place, is_recorded=True)
    return replace(found, **changes)


def desired(*records: DesiredRecord, **changes: Any) -> DesiredState:
    producer = DesiredRecord(
        id=RecordId(Kind.PRODUCER, "acme"),
        public={"displayName": "Acme Data", "gateway": {"url": "http://acme.embedded"}},
        sealed={"network": "embedded"},
        span=SourceSpan("producer.yaml", 1, 1),
    )
    state = DesiredState(
        producer=producer,
        records=tuple(sorted(records, key=lambda record: record.id)),
        network=Network.EMBEDDED,
        gateway_url="http://acme.embedded",
        gateway_key=None,
        storage_hosts=HOSTS,
        limits=Limits(),
        key_file="identity.key",
        manifest_digest=sha("manifests"),
    )
    return replace(state, **changes)


def coin(
    satoshis: int, label: str = "coin", status: CoinStatus = CoinStatus.CONFIRMED, *, key: KeyRef = FUNDING_KEY
) -> Coin:
    return Coin(outpoint=outpoint(label), satoshis=Satoshis(satoshis), key=key, status=status)


def purse(satoshis: int, label: str = "purse") -> Coin:
    """A coin that is kept for advertisements."""
    return coin(satoshis, label, key=purse_key("00" * 32 + ".0", 1))


def empty(**changes: Any) -> Snapshot:
    """A world where nothing is published yet, and the wallet is funded."""
    snapshot = Snapshot(
        identity=key("identity"),
        root=None,
        coins=(coin(100_000),),
        fee_rate=FeeRate(100, 1000),
        funding_address="mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8",
        readings=(Reading(host="http://public.embedded", answer=Answer.NONE, at=NOW - 60),),
        source="acme",
        now=NOW,
    )
    return replace(snapshot, **changes)


def observed(record: DesiredRecord) -> ObservedRecord:
    return ObservedRecord(
        id=record.id,
        outpoint=outpoint(str(record.id), 1),
        document_hash=sha(f"document of {record.id}"),
        public=record.public,
        sealed=record.sealed,
    )


def copies(record: DesiredRecord, *hosts: str, expires: int = NOW + TERM - 86_400) -> tuple[ObservedReplica, ...]:
    assert record.content
    content = record.content
    parts = (sha(f"ciphertext of {record.id}") if record.is_sold else content.sha256,)
    return tuple(
        ObservedReplica(
            dataset=record.id.name,
            host=host,
            content=content.sha256,
            parts=parts,
            size=content.size + 16 * record.is_sold,
            expires=expires,
        )
        for host in hosts
    )


def published(state: DesiredState, **changes: Any) -> Snapshot:
    """The world after `state` was applied: generation 3 is live, each dataset lies in the EU and in the US."""
    root = observed(state.producer)
    snapshot = empty(
        root=ObservedRoot(
            record=root,
            generation=3,
            state_root=sha("state root"),
            leaf_count=len(state.records),
            gateway_key=key("gateway"),
            source="acme",
            network_id=sha("block 1"),
            ads=tuple(ListedAd(protocol=ad.protocol, name=ad.name, url=ad.url) for ad in state.ads),
        ),
        settings={f"{each.kind}/{each.name}": each.value for each in state.settings},
        ads=tuple(map(advertised, state.ads)),
        records={record.id: observed(record) for record in state.records},
        replicas=tuple(
            copy for record in state.records if record.content for copy in copies(record, "storage-eu", "storage-us")
        ),
        readings=(Reading(host="http://public.embedded", answer=Answer.ROOT, root=root.outpoint, at=NOW - 60),),
    )
    return replace(snapshot, **changes)


def plan(state: DesiredState, snapshot: Snapshot, **options: Any) -> Plan:
    return make_plan(state, snapshot, PlanOptions(**options), meta=_meta(snapshot))


def destroy(state: DesiredState, snapshot: Snapshot, **options: Any) -> Plan:
    return make_destroy_plan(state, snapshot, PlanOptions(**options), meta=_meta(snapshot))


def preview(state: DesiredState, snapshot: Snapshot, **options: Any) -> Plan:
    """What somebody without the key plans, who sees of the same world what is public."""

    def known(record: ObservedRecord) -> dict[str, Any]:
        match record.sealed.get("content"):
            case {"sha256": str(sha256), "size": int(size)}:
                return dict(public_content(sha256, size, is_sold="pricing" in record.public))
            case _:
                return {}

    root = snapshot.root
    seen = replace(
        snapshot,
        root=root and replace(root, record=replace(root.record, sealed={}), source="", settings={}),
        records={name: replace(record, sealed=known(record)) for name, record in snapshot.records.items()},
        replicas=(),
        settings={},
        coins=(),
        funding_address="",
    )
    return make_public_plan(state, seen, PlanOptions(**options), meta=_meta(snapshot))


def _meta(snapshot: Snapshot) -> Meta:
    return Meta(tool_version="0.1.0", commit="5d84125", readings=snapshot.readings, quoted_at=NOW, probed_at=None)


@dataclass(frozen=True, slots=True)
class World:
    """The builders above, as tests without a package reach them."""

    now: int = NOW
    hosts: tuple[StorageHost, ...] = HOSTS
    sha = staticmethod(sha)
    key = staticmethod(key)
    outpoint = staticmethod(outpoint)
    dataset = staticmethod(dataset)
    setting = staticmethod(setting)
    ads = staticmethod(ads)
    advertised = staticmethod(advertised)
    purse = staticmethod(purse)
    destroy = staticmethod(destroy)
    preview = staticmethod(preview)
    desired = staticmethod(desired)
    coin = staticmethod(coin)
    empty = staticmethod(empty)
    observed = staticmethod(observed)
    copies = staticmethod(copies)
    published = staticmethod(published)
    plan = staticmethod(plan)


@pytest.fixture(scope="session")
def world() -> World:
    return World()
