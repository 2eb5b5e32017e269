"""What an apply makes live once the network has seen it: written into the journal before, into `Published` at the commit point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from reconciler.model.errors import StateError, VerificationError
from reconciler.model.ids import AdProtocol, IdentityKey, Outpoint, RecordId, digest, identity_key
from reconciler.model.json import JsonObject
from reconciler.model.observed import ListedAd, ObservedAd, ObservedRecord, ObservedReplica, ObservedRoot
from reconciler.wire.canonical import canonical_json, parse_written

_VERSION: Final = 2
_BEFORE_ROTATION: Final = 1
"""The version that could not rotate keys: what it wrote may still wait in a journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The new root, and how records and replicas differ from what was live before."""

    identity: IdentityKey
    """Whose root it is."""
    replaces: IdentityKey | None = None
    """Whose root it spends, where the identity key is rotated: then the database belongs to `identity` from here on."""
    root: ObservedRoot | None
    """None: everything was destroyed."""
    upserts: tuple[ObservedRecord, ...] = ()
    """Records that are new or have a new token; never the producer's own."""
    deletes: tuple[RecordId, ...] = ()
    replicas: tuple[ObservedReplica, ...] = ()
    """Copies that are new or were renewed."""
    forgotten: tuple[tuple[str, str], ...] = ()
    """(dataset, host) of copies that are not renewed any more."""
    ads: tuple[ObservedAd, ...] = ()
    """All that the root lists, with their tokens."""
    commit: str | None = None
    """The git commit of the manifests."""
    at: int
    """Unix seconds."""

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(
            {
                "version": _VERSION,
                "identity": self.identity,
                "replaces": self.replaces,
                "root": None if self.root is None else _root_json(self.root),
                "upserts": [_record_json(record) for record in self.upserts],
                "deletes": [str(record) for record in self.deletes],
                "replicas": [_replica_json(replica) for replica in self.replicas],
                "forgotten": [list(pair) for pair in self.forgotten],
                "ads": [_ad_json(ad) for ad in self.ads],
                "commit": self.commit,
                "at": self.at,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises StateError for anything else."""
        try:
            return cls._of_json(parse_written(data, "the outcome of a journal entry"))
        except (VerificationError, KeyError, TypeError, ValueError) as error:
            raise StateError(f"the outcome of a journal entry is damaged: {error!r}") from error

    @classmethod
    def _of_json(cls, value: Any) -> Self:
        if value["version"] not in {_VERSION, _BEFORE_ROTATION}:
            raise StateError(
                f"the outcome of a journal entry has version {value['version']}, which this tool does not know"
            )
        return cls(
            identity=identity_key(value["identity"]),
            replaces=None if value["version"] == _BEFORE_ROTATION else _replaced(value["replaces"]),
            root=None if value["root"] is None else _root(value["root"]),
            upserts=tuple(map(_record, value["upserts"])),
            deletes=tuple(map(RecordId.parse, value["deletes"])),
            replicas=tuple(map(_replica, value["replicas"])),
            forgotten=tuple((dataset, host) for dataset, host in value["forgotten"]),
            ads=tuple(map(_ad, value["ads"])),
            commit=value["commit"],
            at=value["at"],
        )


def _replaced(value: str | None) -> IdentityKey | None:
    return None if value is None else identity_key(value)


def _record_json(record: ObservedRecord) -> JsonObject:
    return {
        "id": str(record.id),
        "outpoint": str(record.outpoint),
        "documentHash": record.document_hash,
        "public": record.public,
        "sealed": record.sealed,
    }


def _record(value: Mapping[str, Any]) -> ObservedRecord:
    return ObservedRecord(
        id=RecordId.parse(value["id"]),
        outpoint=Outpoint.parse(value["outpoint"]),
        document_hash=digest(value["documentHash"]),
        public=value["public"],
        sealed=value["sealed"],
    )


def _root_json(root: ObservedRoot) -> JsonObject:
    return {
        "record": _record_json(root.record),
        "generation": root.generation,
        "stateRoot": root.state_root,
        "leafCount": root.leaf_count,
        "gatewayKey": root.gateway_key,
        "source": root.source,
        "networkId": root.network_id,
        "ads": [{"protocol": ad.protocol.value, "name": ad.name, "url": ad.url} for ad in root.ads],
        "settings": root.settings,
    }


def _root(value: Mapping[str, Any]) -> ObservedRoot:
    return ObservedRoot(
        record=_record(value["record"]),
        generation=value["generation"],
        state_root=digest(value["stateRoot"]),
        leaf_count=value["leafCount"],
        gateway_key=identity_key(value["gatewayKey"]),
        source=value["source"],
        network_id=digest(value["networkId"]),
        ads=tuple(_listed(ad) for ad in value["ads"]),
        settings=value["settings"],
    )


def _listed(value: Mapping[str, Any]) -> ListedAd:
    return ListedAd(protocol=AdProtocol(value["protocol"]), name=value["name"], url=value["url"])


def _ad_json(ad: ObservedAd) -> JsonObject:
    return {"protocol": ad.protocol.value, "name": ad.name, "url": ad.url, "outpoint": str(ad.outpoint)}


def _ad(value: Mapping[str, Any]) -> ObservedAd:
    listed = _listed(value)
    return ObservedAd(
        protocol=listed.protocol,
        name=listed.name,
        url=listed.url,
        outpoint=Outpoint.parse(value["outpoint"]),
        is_recorded=True,
    )


def _replica_json(replica: ObservedReplica) -> JsonObject:
    return {
        "dataset": replica.dataset,
        "host": replica.host,
        "content": replica.content,
        "parts": list(replica.parts),
        "size": replica.size,
        "expires": replica.expires,
    }


def _replica(value: Mapping[str, Any]) -> ObservedReplica:
    return ObservedReplica(
        dataset=value["dataset"],
        host=value["host"],
        content=digest(value["content"]),
        parts=tuple(map(digest, value["parts"])),
        size=value["size"],
        expires=value["expires"],
    )
