"""The plan document, read back into a Plan: the mirror of plan/document.py's writing half."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from reconciler.model.amounts import FeeRate
from reconciler.model.desired import StorageHost
from reconciler.model.ids import Address, Network, Outpoint, RecordId, digest, identity_key
from reconciler.model.observed import Answer, Reading
from reconciler.plan.action import Action, Risk
from reconciler.plan.change import Change, Drift, Edit, FieldDiff
from reconciler.plan.cost import Cost
from reconciler.plan.guards import Guard, GuardName
from reconciler.plan.plan import Meta, Plan, Summary
from reconciler.plan.strict import Fields

_BODY: Final = (
    "format_version",
    "manifest_digest",
    "network",
    "identity",
    "source",
    "producer",
    "gateway",
    "storage_hosts",
    "key_file",
    "root",
    "previous_generation",
    "generation",
    "fee_rate",
    "anchor",
    "spends",
    "outputs",
    "change_satoshis",
    "changes",
    "renewals",
    "drift",
    "cost",
    "guards",
    "overrides",
    "summary",
)


def read_plan(document: Fields) -> Plan:
    """Read the document's body and meta. Raises ValueError for a field that is missing, unknown or of another type."""
    body = document.nested("body", _BODY)
    producer = body.nested("producer", ("name", "public", "sealed"))
    gateway = body.nested("gateway", ("url", "key"))
    gateway_key = gateway.optional_text("key")
    rate = body.nested("fee_rate", _names(FeeRate))
    cost, summary = body.nested("cost", _names(Cost)), body.nested("summary", _names(Summary))
    hosts = body.each("storage_hosts", _names(StorageHost))
    return Plan(
        format_version=body.text("format_version"),
        manifest_digest=digest(body.text("manifest_digest")),
        network=Network(body.text("network")),
        identity=identity_key(body.text("identity")),
        source=body.text("source"),
        producer_name=producer.text("name"),
        producer_public=producer.object("public"),
        producer_sealed=producer.object("sealed"),
        gateway_url=gateway.optional_text("url"),
        gateway_key=None if gateway_key is None else identity_key(gateway_key),
        storage_hosts=tuple(
            StorageHost(name=host.text("name"), url=host.text("url"), region=host.text("region")) for host in hosts
        ),
        key_file=body.text("key_file"),
        root=_outpoint(body.optional_text("root")),
        previous_generation=body.optional_integer("previous_generation"),
        generation=body.integer("generation"),
        fee_rate=FeeRate(rate.integer("satoshis"), rate.integer("bytes")),
        anchor=_outpoint(body.optional_text("anchor")),
        spends=tuple(map(Outpoint.parse, body.texts("spends"))),
        outputs=tuple(map(RecordId.parse, body.texts("outputs"))),
        change_satoshis=body.integer("change_satoshis"),
        changes=tuple(map(_change, body.each("changes", _names(Change)))),
        renewals=tuple(map(Address.parse, body.texts("renewals"))),
        drift=tuple(
            Drift(Address.parse(drift.text("object")), drift.text("detail"))
            for drift in body.each("drift", _names(Drift))
        ),
        cost=Cost(**{name: cost.integer(name) for name in _names(Cost)}),
        guards=tuple(map(_guard, body.each("guards", _names(Guard)))),
        overrides=body.texts("overrides"),
        summary=Summary(**{name: summary.integer(name) for name in _names(Summary)}),
        meta=_meta(document.nested("meta", _names(Meta))),
    )


def _change(change: Fields) -> Change:
    return Change(
        object=Address.parse(change.text("object")),
        action=Action(change.text("action")),
        why=change.text("why"),
        source=change.optional_text("source"),
        risk=Risk(change.text("risk")),
        before=change.optional_object("before"),
        after=change.optional_object("after"),
        diff=tuple(
            FieldDiff(field.text("path"), field.values["before"], field.values["after"], Edit(field.text("edit")))
            for field in change.each("diff", _names(FieldDiff))
        ),
    )


def _guard(guard: Fields) -> Guard:
    return Guard(
        name=GuardName(guard.text("name")),
        value=guard.text("value"),
        limit=guard.text("limit"),
        refused=guard.flag("refused"),
        overridden=guard.flag("overridden"),
        override=guard.optional_text("override"),
        detail=guard.text("detail"),
    )


def _meta(meta: Fields) -> Meta:
    return Meta(
        tool_version=meta.text("tool_version"),
        commit=meta.optional_text("commit"),
        readings=tuple(
            Reading(
                host=reading.text("host"),
                answer=Answer(reading.text("answer")),
                root=_outpoint(reading.optional_text("root")),
                at=reading.integer("at"),
            )
            for reading in meta.each("readings", _names(Reading))
        ),
        quoted_at=meta.optional_integer("quoted_at"),
        probed_at=meta.optional_integer("probed_at"),
    )


def _outpoint(text: str | None) -> Outpoint | None:
    return None if text is None else Outpoint.parse(text)


def _names(
    shape: type[FeeRate | StorageHost | Reading | Change | FieldDiff | Drift | Cost | Guard | Summary | Meta],
) -> tuple[str, ...]:
    """The field names of a value that the document writes one to one."""
    return tuple(field.name for field in fields(shape))
