"""From manifests, and facts about their files, to desired state. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

from reconciler.manifest.contents import ContentFacts
from reconciler.manifest.documents import Document
from reconciler.manifest.kinds import Advertisement, ConsumerPolicy, PaymentRule, Producer, ReplicationRule, Stream
from reconciler.manifest.kinds.addresses import is_local
from reconciler.manifest.kinds.producer import Defaults, ProducerSpec
from reconciler.manifest.kinds.visibility import SEALED, public_and_sealed, values
from reconciler.manifest.known_keys import check_keys
from reconciler.manifest.load import Manifests
from reconciler.manifest.records import Fields, Records, present
from reconciler.manifest.replication import ReplicationRules, check_hosts
from reconciler.manifest.tree import Path as TreePath
from reconciler.model.amounts import satoshis
from reconciler.model.capabilities import service_of, topic_of
from reconciler.model.desired import (
    DesiredAd,
    DesiredRecord,
    DesiredSetting,
    DesiredState,
    Limits,
    Rotation,
    StorageHost,
)
from reconciler.model.diagnostics import Diagnostic, has_errors
from reconciler.model.durations import seconds
from reconciler.model.ids import AdProtocol, Digest, IdentityKey, Kind, Network, RecordId, digest, identity_key

_KEY_FILE = "identity.key"


def compile(  # noqa: A001  # the word of DESIGN §4.2: load, compile, observe, diff
    manifests: Manifests,
    facts: Mapping[tuple[Path, ...], ContentFacts],
    *,
    network: Network | None = None,
    default_hosts: Mapping[Network, tuple[StorageHost, ...]],
) -> tuple[DesiredState | None, list[Diagnostic]]:
    """The state that the manifests want, or None where something is wrong.

    `facts` are those of `local_contents`; content without any is pinned. `network` overrides the Producer's; `default_hosts`
    are the storage hosts of a Producer that names none.
    """
    document = manifests.producer
    if document is None or not isinstance(document.manifest, Producer):
        return None, [Diagnostic(code="no-producer", summary="there is no document of kind Producer")]
    spec = document.manifest.spec
    world = network or (spec.network.preset if spec.network else Network.EMBEDDED)
    hosts = _storage_hosts(spec, world) or default_hosts.get(world, ())
    diagnostics = [*_check_world(document, spec, world), *_check_storage(document, hosts, manifests, world)]
    diagnostics += check_hosts(manifests.documents, hosts)
    if world is Network.MAIN:
        diagnostics += (fault for each in manifests.documents for fault in check_keys(each))
    records = _records(manifests, facts, spec.defaults or Defaults(), diagnostics)
    if has_errors(diagnostics):
        return None, diagnostics
    state = DesiredState(
        producer=_producer(document, spec, world, _advertised(manifests.documents)),
        records=records,
        settings=tuple(sorted(_settings(manifests.documents), key=lambda each: (each.kind, each.name))),
        ads=tuple(sorted(_ads(manifests.documents, spec), key=lambda ad: (ad.protocol, ad.name))),
        network=world,
        gateway_url=spec.gateway.url if spec.gateway else None,
        gateway_key=_gateway_key(spec),
        storage_hosts=hosts,
        limits=_limits(spec.defaults or Defaults()),
        key_file=spec.identity.key.file or _KEY_FILE,
        key_env=spec.identity.key.env,
        rotation=_rotation(spec),
        manifest_digest=Digest(""),
    )
    return _with_digest(state), diagnostics


def _records(
    manifests: Manifests,
    facts: Mapping[tuple[Path, ...], ContentFacts],
    defaults: Defaults,
    diagnostics: list[Diagnostic],
) -> tuple[DesiredRecord, ...]:
    rules = ReplicationRules(manifests.documents, defaults.replication)
    making = Records(defaults, rules, facts, sorted(source.id.name for source in manifests.sources))
    records = [making.dataset(source) for source in manifests.sources]
    for document in manifests.documents:
        match document.manifest:
            case Stream() as stream:
                records.append(making.stream(document, stream))
            case Advertisement() as advertisement:
                records.append(making.advertisement(document, advertisement))
    diagnostics += making.diagnostics
    return tuple(sorted((record for record in records if record is not None), key=lambda record: record.id))


def _rotation(spec: ProducerSpec) -> Rotation | None:
    rotation = spec.identity.rotation
    if rotation is None:
        return None
    to = rotation.to
    return Rotation(key_file=to.file or _KEY_FILE, key_env=to.env, transition=seconds(rotation.transition))


def _producer(document: Document, spec: ProducerSpec, world: Network, advertised: Iterable[str]) -> DesiredRecord:
    public, sealed = public_and_sealed(spec)
    public.setdefault("capabilities", sorted(advertised))
    if _is_elsewhere(spec, world):
        sealed["network"] = {"preset": world.value}
        sealed.pop("storageHosts", None)
    id_ = RecordId(Kind.PRODUCER, document.name)
    return DesiredRecord(id=id_, public=present(public), sealed=present(sealed), span=document.span)


def _advertised(documents: Iterable[Document]) -> dict[str, Document]:
    """Capabilities, with the first document that offers each."""
    found: dict[str, Document] = {}
    for document in documents:
        if isinstance(document.manifest, Advertisement):
            found.setdefault(document.manifest.spec.capability, document)
    return found


def _ads(documents: Iterable[Document], spec: ProducerSpec) -> Iterator[DesiredAd]:
    """One topic and one service for each capability, however many advertisements it has (PROTOCOL §8)."""
    if spec.gateway is None:
        return
    for capability, document in _advertised(documents).items():
        span = document.at("spec", "capability")
        for protocol, name in (
            (AdProtocol.SHIP, topic_of(capability)),
            (AdProtocol.SLAP, service_of(capability)),
        ):
            yield DesiredAd(protocol=protocol, name=name, url=spec.gateway.url, span=span)


def _settings(documents: Iterable[Document]) -> Iterator[DesiredSetting]:
    for document in documents:
        match document.manifest:
            case PaymentRule() | ReplicationRule() | ConsumerPolicy() as manifest:
                value: Fields = values(manifest.spec, SEALED)
                yield DesiredSetting(kind=manifest.SETTING, name=document.name, value=value, span=document.span)


def _is_elsewhere(spec: ProducerSpec, world: Network) -> bool:
    """Whether another network was asked for than the manifests name: their addresses hold for that one only."""
    return spec.network is not None and spec.network.preset is not world


def _storage_hosts(spec: ProducerSpec, world: Network) -> tuple[StorageHost, ...]:
    named = () if _is_elsewhere(spec, world) else spec.storage_hosts or ()
    return tuple(StorageHost(name=host.name, url=host.url, region=host.region) for host in named)


def _gateway_key(spec: ProducerSpec) -> IdentityKey | None:
    key = spec.gateway.identity_key if spec.gateway else None
    return identity_key(key) if key else None


def _limits(defaults: Defaults) -> Limits:
    max_cost = None if defaults.max_cost is None else satoshis(defaults.max_cost)
    return Limits(max_cost=max_cost, max_price_factor=defaults.max_price_factor)


def _check_storage(
    document: Document, hosts: tuple[StorageHost, ...], manifests: Manifests, world: Network
) -> Iterator[Diagnostic]:
    if manifests.sources and not hosts:
        summary = f"there are datasets, but no storage host is known on the network {world}"
        expected = "spec.storageHosts: [{name, url, region}]"
        yield document.fault(("spec", "storageHosts"), "no-storage-host", summary, expected=expected)


def _check_world(document: Document, spec: ProducerSpec, world: Network) -> Iterator[Diagnostic]:
    """Plain http is for this machine and the embedded world only (PROTOCOL §8)."""
    for path, url in _urls(spec, world):
        if url.startswith("http://") and not (world.is_toy and is_local(url)):
            expected = "https" if not world.is_toy else "https, or http to localhost or *.embedded"
            summary = f"plain http is not allowed here on the network {world}"
            yield document.fault(path, "plain-http", summary, found=url, expected=expected)


def _urls(spec: ProducerSpec, world: Network) -> Iterator[tuple[TreePath, str]]:
    if spec.gateway:
        yield ("spec", "gateway", "url"), spec.gateway.url
    if _is_elsewhere(spec, world):
        return
    for index, host in enumerate(spec.storage_hosts or ()):
        yield ("spec", "storageHosts", index, "url"), host.url
    settings = spec.network
    if settings is None:
        return
    for field, url in (("arc", settings.arc), ("chainTracker", settings.chain_tracker)):
        if url:
            yield ("spec", "network", field), url
    for field, urls in (("hosts", settings.hosts), ("trackers", settings.trackers)):
        for index, url in enumerate(urls or ()):
            yield ("spec", "network", field, index), url


def _with_digest(state: DesiredState) -> DesiredState:
    """The digest over desired state as data: all of it, but where it was written."""
    hashing = hashlib.sha256()
    for part in chain([_data(state)], map(_record_data, (state.producer, *state.records))):
        hashing.update(json.dumps(part, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    return replace(state, manifest_digest=digest(hashing.digest()))


def _data(state: DesiredState) -> dict[str, Any]:
    """What is not in a record."""
    return {
        "settings": [[setting.kind, setting.name, setting.value] for setting in state.settings],
        "ads": [[ad.protocol, ad.name, ad.url] for ad in state.ads],
        "network": state.network.value,
        "gatewayUrl": state.gateway_url,
        "gatewayKey": state.gateway_key,
        "storageHosts": [asdict(host) for host in state.storage_hosts],
        "limits": asdict(state.limits),
        "key": [state.key_file, state.key_env],
        "rotation": state.rotation and asdict(state.rotation),
    }


def _record_data(record: DesiredRecord) -> list[Any]:
    content, kept = record.content, record.replication
    return [
        str(record.id),
        record.public,
        record.sealed,
        content and [content.sha256, content.size, content.media_type, content.paths, content.url, content.uhrp],
        record.is_sold,
        kept and [kept.replicas, kept.spread, kept.regions, kept.hosts, kept.min_replicas, kept.renew_before],
        [str(parent) for parent in record.parents],
        record.renamed_from and str(record.renamed_from),
    ]
