"""The plan as a document: `{"body", "meta", "id"}`, canonical JSON, with the SHA-256 of the body as its id (DESIGN §4.2).

Views render it, a file keeps it, a pull request approves it by its id, `apply PLANFILE` executes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Final

from reconciler.model.errors import StalePlanError, VerificationError
from reconciler.model.ids import Digest, Outpoint, digest
from reconciler.model.json import Json, JsonObject
from reconciler.plan.change import Change, FieldDiff
from reconciler.plan.plan import FORMAT_VERSION, Meta, Plan
from reconciler.plan.reading import read_plan
from reconciler.plan.strict import Fields
from reconciler.plan.transactions import TxLayout
from reconciler.wire.canonical import canonical_json

_ID: Final = "id"


def plan_id(plan: Plan) -> Digest:
    """The SHA-256 of the plan's body as canonical JSON. Made once for a plan, which never changes."""
    return plan.digests.get(_ID) or _noted(plan, _body(plan))


def to_json(plan: Plan) -> JsonObject:
    """The plan document."""
    body = _body(plan)
    return {"body": body, "meta": _meta(plan.meta), "id": plan.digests.get(_ID) or _noted(plan, body)}


def to_bytes(plan: Plan) -> bytes:
    """The plan document as a file holds it: canonical JSON."""
    return canonical_json(to_json(plan))


def from_json(document: JsonObject) -> Plan:
    """Read a plan document, strictly: what is not understood might be something that it does.

    Raises VerificationError for what is no plan of this format, StalePlanError where the body is not the one that its id
    was made from.
    """
    try:
        fields = Fields.of(document, "the plan", ("body", "meta", "id"))
        _check_format(fields.object("body"))
        if _id(dict(fields.object("body"))) != fields.text("id"):
            raise StalePlanError("the plan was edited after it was made", hint="make the plan again")
        return read_plan(fields)
    except ValueError as error:  # also what ids and enumerations raise
        raise VerificationError(
            f"not a plan of format {FORMAT_VERSION}: {error}", hint="make the plan again"
        ) from error


def _check_format(body: JsonObject) -> None:
    version, ours = body.get("format_version"), FORMAT_VERSION
    if not isinstance(version, str) or version.partition(".")[0] != ours.partition(".")[0]:
        raise VerificationError(
            f"the plan has format {version}, this program reads {ours}",
            hint="make the plan again with this version of the program",
        )


def _noted(plan: Plan, body: JsonObject) -> Digest:
    plan.digests[_ID] = _id(body)
    return plan.digests[_ID]


def _id(body: JsonObject) -> Digest:
    return digest(hashlib.sha256(canonical_json(body)).digest())


def _body(plan: Plan) -> dict[str, Json]:
    return {
        "format_version": plan.format_version,
        "manifest_digest": plan.manifest_digest,
        "network": plan.network.value,
        "identity": plan.identity,
        "source": plan.source,
        "producer": {
            "name": plan.producer_name,
            "public": plan.producer_public,
            "sealed": plan.producer_sealed,
        },
        "gateway": {"url": plan.gateway_url, "key": plan.gateway_key},
        "storage_hosts": [asdict(host) for host in plan.storage_hosts],
        "key_file": plan.key_file,
        "key_env": plan.key_env,
        "rotation": None if plan.rotation is None else asdict(plan.rotation),
        "root": _text(plan.root),
        "previous_generation": plan.previous_generation,
        "generation": plan.generation,
        "fee_rate": asdict(plan.fee_rate),
        "settings": plan.settings,
        "ads": [{"protocol": ad.protocol.value, "name": ad.name, "url": ad.url} for ad in plan.ads],
        "transactions": [_transaction(transaction) for transaction in plan.transactions],
        "purchases": [asdict(purchase) | {"object": str(purchase.object)} for purchase in plan.purchases],
        "changes": [_change(change) for change in plan.changes],
        "renewals": [str(address) for address in plan.renewals],
        "drift": [{"object": str(drift.object), "detail": drift.detail} for drift in plan.drift],
        "warnings": [{"object": str(notice.object), "detail": notice.detail} for notice in plan.warnings],
        "partial": plan.partial,
        "targets": list(plan.targets),
        "excludes": list(plan.excludes),
        "destroys": plan.destroys,
        "public_only": plan.public_only,
        "cost": asdict(plan.cost),
        "guards": [asdict(guard) | {"name": guard.name.value} for guard in plan.guards],
        "overrides": list(plan.overrides),
        "summary": asdict(plan.summary),
    }


def _transaction(transaction: TxLayout) -> dict[str, Json]:
    return {
        "role": transaction.role.value,
        "index": transaction.index,
        "spends": [str(spend) for spend in transaction.spends],
        "outputs": [
            {
                "role": output.role.value,
                "object": None if output.object is None else str(output.object),
                "satoshis": output.satoshis,
            }
            for output in transaction.outputs
        ],
        "size": transaction.size,
        "fee": transaction.fee,
    }


def _change(change: Change) -> dict[str, Json]:
    return {
        "object": str(change.object),
        "action": change.action.value,
        "why": change.why,
        "source": change.source,
        "risk": change.risk.value,
        "before": change.before,
        "after": change.after,
        "moved_from": None if change.moved_from is None else str(change.moved_from),
        "diff": [_field(field) for field in change.diff],
    }


def _field(field: FieldDiff) -> dict[str, Json]:
    return {"path": field.path, "edit": field.edit.value, "before": field.before, "after": field.after}


def _meta(meta: Meta) -> dict[str, Json]:
    return {
        "tool_version": meta.tool_version,
        "commit": meta.commit,
        "dirty": meta.dirty,
        "folder": meta.folder,
        "readings": [
            {"host": reading.host, "answer": reading.answer.value, "root": _text(reading.root), "at": reading.at}
            for reading in meta.readings
        ],
        "quoted_at": meta.quoted_at,
        "probed_at": meta.probed_at,
    }


def _text(outpoint: Outpoint | None) -> str | None:
    return None if outpoint is None else str(outpoint)
