"""The plan document, read back into a Plan: the mirror of plan/document.py's writing half."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from reconciler.model.amounts import FeeRate
from reconciler.model.desired import StorageHost
from reconciler.model.ids import Address, AdProtocol, Network, Outpoint, digest, identity_key
from reconciler.model.json import JsonObject
from reconciler.model.observed import Answer, ListedAd, Reading, StorageGood
from reconciler.plan.action import Action, Risk
from reconciler.plan.change import Change, Drift, Edit, FieldDiff, Notice
from reconciler.plan.cost import Cost
from reconciler.plan.guards import Guard, GuardName
from reconciler.plan.plan import HandOver, Meta, Plan, Summary
from reconciler.plan.storage import Purchase
from reconciler.plan.strict import Fields
from reconciler.plan.transactions import Output, OutputRole, TxLayout, TxRole, parse_spend

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
    "key_env",
    "rotation",
    "root",
    "previous_generation",
    "generation",
    "fee_rate",
    "settings",
    "ads",
    "transactions",
    "purchases",
    "changes",
    "renewals",
    "drift",
    "warnings",
    "partial",
    "targets",
    "excludes",
    "destroys",
    "public_only",
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
    if body.flag("partial") != bool(body.texts("targets") or body.texts("excludes")):
        raise ValueError("the plan.body.partial does not agree with targets and excludes")
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
        key_env=body.optional_text("key_env"),
        rotation=_rotation(body.optional_nested("rotation", _names(HandOver))),
        root=_outpoint(body.optional_text("root")),
        previous_generation=body.optional_integer("previous_generation"),
        generation=body.integer("generation"),
        fee_rate=FeeRate(rate.integer("satoshis"), rate.integer("bytes")),
        settings=_settings(body.object("settings")),
        ads=tuple(map(_ad, body.each("ads", _names(ListedAd)))),
        transactions=tuple(map(_transaction, body.each("transactions", _names(TxLayout)))),
        purchases=tuple(map(_purchase, body.each("purchases", _names(Purchase)))),
        changes=tuple(map(_change, body.each("changes", _names(Change)))),
        renewals=tuple(map(Address.parse, body.texts("renewals"))),
        drift=tuple(
            Drift(Address.parse(drift.text("object")), drift.text("detail"))
            for drift in body.each("drift", _names(Drift))
        ),
        warnings=tuple(
            Notice(Address.parse(notice.text("object")), notice.text("detail"))
            for notice in body.each("warnings", _names(Notice))
        ),
        targets=body.texts("targets"),
        excludes=body.texts("excludes"),
        destroys=body.flag("destroys"),
        public_only=body.flag("public_only"),
        cost=Cost(**{name: cost.integer(name) for name in _names(Cost)}),
        guards=tuple(map(_guard, body.each("guards", _names(Guard)))),
        overrides=body.texts("overrides"),
        summary=Summary(**{name: summary.integer(name) for name in _names(Summary)}),
        meta=_meta(document.nested("meta", _names(Meta))),
    )


def _rotation(rotation: Fields | None) -> HandOver | None:
    if rotation is None:
        return None
    return HandOver(
        to=identity_key(rotation.text("to")),
        transition=rotation.integer("transition"),
        key_file=rotation.text("key_file"),
        key_env=rotation.optional_text("key_env"),
    )


def _settings(settings: JsonObject) -> dict[str, JsonObject]:
    return {path: Fields(settings, "the plan.body.settings").object(path) for path in settings}


def _ad(ad: Fields) -> ListedAd:
    return ListedAd(protocol=AdProtocol(ad.text("protocol")), name=ad.text("name"), url=ad.text("url"))


def _transaction(transaction: Fields) -> TxLayout:
    return TxLayout(
        role=TxRole(transaction.text("role")),
        index=transaction.integer("index"),
        spends=tuple(map(parse_spend, transaction.texts("spends"))),
        outputs=tuple(
            Output(
                role=OutputRole(output.text("role")),
                object=_address(output.optional_text("object")),
                satoshis=output.integer("satoshis"),
            )
            for output in transaction.each("outputs", _names(Output))
        ),
        size=transaction.integer("size"),
        fee=transaction.integer("fee"),
    )


def _purchase(purchase: Fields) -> Purchase:
    good = purchase.nested("good", _names(StorageGood))
    return Purchase(
        object=Address.parse(purchase.text("object")),
        good=StorageGood(
            host=good.text("host"),
            dataset=good.text("dataset"),
            content=digest(good.text("content")),
            part=good.integer("part"),
        ),
        size=purchase.integer("size"),
        satoshis=purchase.integer("satoshis"),
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
        moved_from=_address(change.optional_text("moved_from")),
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
        dirty=meta.flag("dirty"),
        folder=meta.optional_text("folder"),
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


def _address(text: str | None) -> Address | None:
    return None if text is None else Address.parse(text)


def _names(
    shape: type[
        Change
        | Cost
        | Drift
        | FeeRate
        | FieldDiff
        | Guard
        | HandOver
        | ListedAd
        | Meta
        | Notice
        | Output
        | Purchase
        | Reading
        | StorageGood
        | StorageHost
        | Summary
        | TxLayout
    ],
) -> tuple[str, ...]:
    """The field names of a value that the document writes one to one."""
    return tuple(field.name for field in fields(shape) if field.init)
