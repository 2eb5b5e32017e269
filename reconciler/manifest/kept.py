"""Desired state as JSON and back, for a cache: the records apart from the rest, and read only when somebody looks at them.

Nothing here is a format for others. What is read back equals what was written, to the last place in a manifest. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, replace
from functools import cached_property
from typing import Any, overload

from reconciler.model.amounts import satoshis
from reconciler.model.desired import (
    Content,
    DesiredAd,
    DesiredRecord,
    DesiredSetting,
    DesiredState,
    Limits,
    Replication,
    Rotation,
    StorageHost,
)
from reconciler.model.diagnostics import Diagnostic, Severity
from reconciler.model.ids import AdProtocol, Digest, IdentityKey, Kind, Network, RecordId, SettingKind
from reconciler.model.source import SourceSpan

_Row = list[Any]


class KeptRecords(Sequence[DesiredRecord]):
    """Records that are read at the first look at one of them. A plan of what has not changed takes none."""

    def __init__(self, text: bytes, count: int) -> None:
        """`text` is what `records_text` has written, of `count` records."""
        self._text = text
        self._count = count

    @cached_property
    def _records(self) -> tuple[DesiredRecord, ...]:
        return tuple(map(_record, json.loads(self._text)))

    @overload
    def __getitem__(self, index: int) -> DesiredRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[DesiredRecord]: ...
    def __getitem__(self, index: int | slice) -> DesiredRecord | Sequence[DesiredRecord]:
        return self._records[index]

    def __iter__(self) -> Iterator[DesiredRecord]:
        return iter(self._records)

    def __len__(self) -> int:
        return self._count

    def __eq__(self, other: object) -> bool:
        return self._records == tuple(other) if isinstance(other, tuple | KeptRecords) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._records)


def records_text(state: DesiredState) -> bytes:
    """The records."""
    return _text([_record_row(record) for record in state.records])


def head_text(state: DesiredState, warnings: Sequence[Diagnostic]) -> bytes:
    """All that is not in a record, how many of them there are, and what there is to warn of."""
    small = replace(state, records=(), producer=replace(state.producer, span=SourceSpan("", 1, 1)))
    head = {
        **asdict(replace(small, ads=(), settings=(), storage_hosts=(), rotation=None)),
        "producer": _record_row(state.producer),
        "records": len(state.records),
        "settings": [[each.kind, each.name, each.value, astuple(each.span)] for each in state.settings],
        "ads": [[each.protocol, each.name, each.url, astuple(each.span)] for each in state.ads],
        "storage_hosts": [astuple(host) for host in state.storage_hosts],
        "rotation": state.rotation and astuple(state.rotation),
    }
    told = [{**asdict(warning), "span": warning.span and astuple(warning.span)} for warning in warnings]
    return _text([head, told])


def read_kept(head: bytes, records: bytes) -> tuple[DesiredState, tuple[Diagnostic, ...]]:
    """What `head_text` and `records_text` have written. Raises ValueError, KeyError or TypeError for anything else."""
    values, told = json.loads(head)
    limits, rotation = values["limits"], values["rotation"]
    max_cost = None if limits["max_cost"] is None else satoshis(limits["max_cost"])
    state = DesiredState(
        producer=_record(values["producer"]),
        records=KeptRecords(records, int(values["records"])),
        settings=tuple(
            DesiredSetting(kind=SettingKind(kind), name=name, value=value, span=SourceSpan(*span))
            for kind, name, value, span in values["settings"]
        ),
        ads=tuple(
            DesiredAd(protocol=AdProtocol(protocol), name=name, url=url, span=SourceSpan(*span))
            for protocol, name, url, span in values["ads"]
        ),
        network=Network(values["network"]),
        gateway_url=values["gateway_url"],
        gateway_key=None if values["gateway_key"] is None else IdentityKey(values["gateway_key"]),
        storage_hosts=tuple(
            StorageHost(name=name, url=url, region=region) for name, url, region in values["storage_hosts"]
        ),
        limits=Limits(max_cost=max_cost, max_price_factor=limits["max_price_factor"]),
        key_file=values["key_file"],
        key_env=values["key_env"],
        rotation=None if rotation is None else _rotation(rotation),
        manifest_digest=Digest(values["manifest_digest"]),
    )
    return state, tuple(_diagnostic(each) for each in told)


def _text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _record_row(record: DesiredRecord) -> _Row:
    span = record.span
    return [
        record.id.kind,
        record.id.name,
        record.public,
        record.sealed,
        record.content and _content_row(record.content),
        record.is_sold,
        record.replication and astuple(record.replication),
        record.renamed_from and astuple(record.renamed_from),
        [[parent.kind, parent.name] if isinstance(parent, RecordId) else parent for parent in record.parents],
        [span.file, span.line, span.column],
    ]


def _record(row: _Row) -> DesiredRecord:
    kind, name, public, sealed, content, is_sold, replication, renamed_from, parents, span = row
    return DesiredRecord(
        id=RecordId(_KINDS[kind], name),
        public=public,
        sealed=sealed,
        content=None if content is None else _content(content),
        is_sold=is_sold,
        replication=None if replication is None else _replication(replication),
        renamed_from=None if renamed_from is None else _record_id(renamed_from),
        parents=tuple(Digest(each) if isinstance(each, str) else _record_id(each) for each in parents),
        span=SourceSpan(*span),
    )


_KINDS = {kind.value: kind for kind in Kind}


def _record_id(row: _Row) -> RecordId:
    kind, name = row
    return RecordId(_KINDS[kind], name)


def _content_row(content: Content) -> _Row:
    return [content.sha256, content.size, content.media_type, content.paths, content.url, content.uhrp]


def _content(row: _Row) -> Content:
    sha256, size, media_type, paths, url, uhrp = row
    return Content(sha256=sha256, size=size, media_type=media_type, paths=tuple(paths), url=url, uhrp=uhrp)


def _replication(row: _Row) -> Replication:
    replicas, spread, regions, hosts, min_replicas, renew_before = row
    return Replication(
        replicas=replicas,
        spread=spread,
        regions=tuple(regions),
        hosts=tuple(hosts),
        min_replicas=min_replicas,
        renew_before=renew_before,
    )


def _rotation(row: _Row) -> Rotation:
    key_file, key_env, transition = row
    return Rotation(key_file=key_file, key_env=key_env, transition=transition)


def _diagnostic(values: dict[str, Any]) -> Diagnostic:
    span = values.pop("span")
    severity = Severity(values.pop("severity"))
    return Diagnostic(severity=severity, span=None if span is None else SourceSpan(*span), **values)
