"""From manifests, and facts about their files, to desired state. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any

import rfc8785

from reconciler.manifest.contents import ContentFacts, media_type, source_field
from reconciler.manifest.documents import Document
from reconciler.manifest.kinds import Producer
from reconciler.manifest.kinds.addresses import is_local
from reconciler.manifest.kinds.dataset import Generated
from reconciler.manifest.kinds.producer import Defaults, ProducerSpec
from reconciler.manifest.kinds.visibility import PUBLIC, SEALED, values
from reconciler.manifest.load import Manifests
from reconciler.manifest.sources import SourceFile
from reconciler.manifest.tree import Path as TreePath
from reconciler.model.amounts import satoshis
from reconciler.model.desired import Content, DesiredRecord, DesiredState, Limits, Replication, StorageHost
from reconciler.model.diagnostics import Diagnostic, has_errors
from reconciler.model.ids import Digest, IdentityKey, Kind, Network, RecordId, digest, identity_key
from reconciler.model.json import Json, JsonObject


def compile(  # noqa: A001  # the word of DESIGN §4.2: load, compile, observe, diff
    manifests: Manifests,
    facts: Mapping[Path, ContentFacts],
    *,
    network: Network | None = None,
    default_hosts: Mapping[Network, tuple[StorageHost, ...]],
) -> tuple[DesiredState | None, list[Diagnostic]]:
    """The state that the manifests want, or None where something is wrong.

    `facts` are those of `content_files`; a file without facts must be pinned. `network` overrides the Producer's;
    `default_hosts` are the storage hosts of a Producer that names none.
    """
    document = manifests.producer
    if document is None or not isinstance(document.manifest, Producer):
        return None, [Diagnostic(code="no-producer", summary="there is no document of kind Producer")]
    spec = document.manifest.spec
    world = network or (spec.network.preset if spec.network else Network.EMBEDDED)
    hosts = _storage_hosts(spec) or default_hosts.get(world, ())
    diagnostics = [*_check_world(document, spec, world), *_check_hosts(document, hosts, manifests, world)]
    names = sorted(file.id.name for file in manifests.files)
    records = [
        _record(file, facts.get(file.path), spec.defaults or Defaults(), names, diagnostics) for file in manifests.files
    ]
    if has_errors(diagnostics):
        return None, diagnostics
    state = DesiredState(
        producer=_producer(document, spec, world),
        records=tuple(record for record in records if record is not None),
        network=world,
        gateway_url=spec.gateway.url if spec.gateway else None,
        gateway_key=_gateway_key(spec),
        storage_hosts=hosts,
        limits=_limits(spec.defaults or Defaults()),
        key_file=spec.identity.key.file,
        manifest_digest=Digest(""),
    )
    return _with_digest(state), diagnostics


def _producer(document: Document, spec: ProducerSpec, world: Network) -> DesiredRecord:
    sealed = values(spec, SEALED)
    if spec.network is not None:
        # What is special about a world holds for that world only.
        same = spec.network.preset is world
        sealed["network"] = sealed["network"] if same else {"preset": world.value}
    id_ = RecordId(Kind.PRODUCER, document.name)
    return DesiredRecord(id=id_, public=_present(values(spec, PUBLIC)), sealed=_present(sealed), span=document.span)


def _record(
    file: SourceFile,
    facts: ContentFacts | None,
    defaults: Defaults,
    names: Sequence[str],
    diagnostics: list[Diagnostic],
) -> DesiredRecord | None:
    content = _content(file, facts, diagnostics)
    description = _description(file, facts, diagnostics)
    if content is None:
        return None
    spec = file.dataset.spec
    public = values(spec, PUBLIC)
    public["mediaType"] = content.media_type
    public["tags"] = sorted({*(spec.tags or ()), *(defaults.tags or ())})
    public["license"] = spec.license or defaults.license
    public["title"] = _filled(spec.title, file)
    public["description"] = description
    # This version takes only free datasets, and free is written by saying nothing.
    for price in ("price", "pricing"):
        public.pop(price, None)
    sealed: dict[str, Json] = {"content": {"sha256": content.sha256, "size": content.size}, **values(spec, SEALED)}
    return DesiredRecord(
        id=file.id,
        public=_present(public),
        sealed=sealed,
        content=content,
        replication=Replication(),
        parents=tuple(_parents(spec.lineage.parents, names)) if spec.lineage else (),
        span=file.document.span,
    )


def _parents(references: Sequence[str], names: Sequence[str]) -> Iterator[RecordId | Digest]:
    """The records that were meant: a dataset of a pattern stands for all of its files."""
    for reference in references:
        _, at, document_hash = reference.partition("@")
        if at:
            yield digest(document_hash)
            continue
        for name in names:
            if name == reference or name.startswith(f"{reference}/"):
                yield RecordId(Kind.DATASET, name)


def _content(file: SourceFile, facts: ContentFacts | None, diagnostics: list[Diagnostic]) -> Content | None:
    source = file.dataset.spec.source
    if facts is None:
        if source.sha256 is None or source.size is None:
            diagnostics.append(_absent(file))
            return None
        return Content(sha256=digest(source.sha256), size=source.size, media_type=media_type(file), path="")
    if source.sha256 not in {None, facts.sha256}:
        diagnostics.append(_unlike_pin(file, "sha256", facts.sha256, source.sha256))
    if source.size not in {None, facts.size}:
        diagnostics.append(_unlike_pin(file, "size", str(facts.size), str(source.size)))
    return Content(sha256=facts.sha256, size=facts.size, media_type=media_type(file), path=file.relative)


def _absent(file: SourceFile) -> Diagnostic:
    hint = "give sha256 and size of bytes that are published already"
    return file.document.fault(
        source_field(file), "no-such-file", "the file is not there and not fully pinned", found=file.relative, hint=hint
    )


def _unlike_pin(file: SourceFile, field: str, found: str, expected: str | None) -> Diagnostic:
    summary = f"the file's {field} is not the pinned one"
    hint = "restore the file, or pin what it is now"
    return file.document.fault(
        ("spec", "source", field), "pin-mismatch", summary, found=found, expected=expected, hint=hint
    )


def _description(file: SourceFile, facts: ContentFacts | None, diagnostics: list[Diagnostic]) -> str | None:
    description = file.dataset.spec.description
    if not isinstance(description, Generated):
        return _filled(description, file)
    if facts is None or facts.description is None:
        expected = "a CSV or JSON file that is present"
        summary = "no description can be made from this file"
        path: TreePath = ("spec", "description", "generate")
        diagnostics.append(
            file.document.fault(path, "cannot-describe", summary, found=file.relative, expected=expected)
        )
        return None
    return facts.description


def _filled(text: str | None, file: SourceFile) -> str | None:
    """A title or description with the file's name in it, where the dataset is one of a glob."""
    if text is None or not file.is_match:
        return text
    path = PurePosixPath(file.relative)
    return text.replace("{stem}", path.stem).replace("{name}", path.name)


def _present(fields: Mapping[str, Json]) -> JsonObject:
    """Fields that say something: an empty list and an absent one are the same desire."""
    return {key: value for key, value in fields.items() if value is not None and value not in ([], {}, ())}


def _storage_hosts(spec: ProducerSpec) -> tuple[StorageHost, ...]:
    return tuple(StorageHost(name=host.name, url=host.url, region=host.region) for host in spec.storage_hosts or ())


def _gateway_key(spec: ProducerSpec) -> IdentityKey | None:
    key = spec.gateway.identity_key if spec.gateway else None
    return identity_key(key) if key else None


def _limits(defaults: Defaults) -> Limits:
    max_cost = None if defaults.max_cost is None else satoshis(defaults.max_cost)
    return Limits(max_cost=max_cost, max_price_factor=defaults.max_price_factor)


def _check_hosts(
    document: Document, hosts: tuple[StorageHost, ...], manifests: Manifests, world: Network
) -> Iterator[Diagnostic]:
    if manifests.files and not hosts:
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
    for index, host in enumerate(spec.storage_hosts or ()):
        yield ("spec", "storageHosts", index, "url"), host.url
    settings = spec.network
    if settings is None or settings.preset is not world:
        return
    for field, url in (("arc", settings.arc), ("chainTracker", settings.chain_tracker)):
        if url:
            yield ("spec", "network", field), url
    for field, urls in (("hosts", settings.hosts), ("trackers", settings.trackers)):
        for index, url in enumerate(urls or ()):
            yield ("spec", "network", field, index), url


def _with_digest(state: DesiredState) -> DesiredState:
    return replace(state, manifest_digest=digest(hashlib.sha256(rfc8785.dumps(_data(state))).digest()))


def _data(state: DesiredState) -> dict[str, Any]:
    """Desired state as plain data: all of it, but where it was written and its own digest."""
    return {
        "producer": _record_data(state.producer),
        "records": [_record_data(record) for record in state.records],
        "network": state.network.value,
        "gatewayUrl": state.gateway_url,
        "gatewayKey": state.gateway_key,
        "storageHosts": [asdict(host) for host in state.storage_hosts],
        "limits": asdict(state.limits),
        "keyFile": state.key_file,
    }


def _record_data(record: DesiredRecord) -> dict[str, Any]:
    return {
        "id": str(record.id),
        "public": record.public,
        "sealed": record.sealed,
        "content": None if record.content is None else asdict(record.content),
        "sold": record.is_sold,
        "replication": None if record.replication is None else asdict(record.replication),
        "parents": [str(parent) for parent in record.parents],
        "renamedFrom": None if record.renamed_from is None else str(record.renamed_from),
    }
