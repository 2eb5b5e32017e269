"""What the manifests want, with defaults, rules and references put in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from reconciler.cli.views.plan_document import counted
from reconciler.model.desired import DesiredRecord, DesiredState
from reconciler.model.ids import Address
from reconciler.model.json import Json


def summary(state: DesiredState) -> str:
    """One line: `Valid: acme, 2 datasets, 1 stream, 3 settings, network embedded.` and the like."""
    kinds = Counter(record.id.kind for record in state.records)
    counts = [counted(count, kind.value) for kind, count in kinds.items()] or [counted(0, "record")]
    counts += [counted(len(state.settings), "setting")] if state.settings else []
    return f"Valid: {state.producer.id.name}, {', '.join(counts)}, network {state.network}."


def resolved_json(state: DesiredState, address: Address) -> dict[str, Json] | None:
    """One wanted object with all its fields, or None. Secrets are references there, as everywhere."""
    return next((each for each in _objects(state) if each["object"] == str(address)), None)


def _objects(state: DesiredState) -> Iterator[dict[str, Json]]:
    for record in (state.producer, *state.records):
        yield {"object": str(Address.of_record(record.id)), "source": str(record.span), **_record_json(record)}
    for setting in state.settings:
        address = Address.of_setting(setting.kind, setting.name)
        yield {"object": str(address), "source": str(setting.span), "value": setting.value}
    for ad in state.ads:
        yield {"object": str(Address.of_ad(ad.protocol, ad.name)), "source": str(ad.span), "url": ad.url}


def _record_json(record: DesiredRecord) -> dict[str, Json]:
    found: dict[str, Json] = {"public": record.public, "sealed": record.sealed}
    if record.content is not None:
        found |= {"content": asdict(record.content), "sold": record.is_sold}
    if record.replication is not None:
        found["replication"] = asdict(record.replication)
    if record.renamed_from is not None:
        found["renamedFrom"] = str(record.renamed_from)
    if record.parents:
        found["parents"] = [str(parent) for parent in record.parents]
    return found
