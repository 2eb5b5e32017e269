"""Planning without the key: for pull requests from strangers, who get no secrets (DESIGN §4.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler import __version__
from reconciler.control.source import Provenance
from reconciler.control.world import World
from reconciler.model.desired import DesiredState
from reconciler.model.errors import UnreachableError
from reconciler.model.ids import IdentityKey
from reconciler.model.json import JsonObject
from reconciler.model.observed import Answer, ListedAd, Snapshot
from reconciler.observe.ads import check_complete, read_ads
from reconciler.observe.catalog import read_records, sealed_root
from reconciler.observe.roots import LiveRoot, RootReadings, read_roots
from reconciler.plan.options import PlanOptions
from reconciler.plan.plan import Meta, Plan
from reconciler.plan.public import make_public_plan, public_content
from reconciler.wire.documents import RecordDocument


async def preview(
    desired: DesiredState,
    options: PlanOptions,
    *,
    identity: IdentityKey,
    world: World,
    provenance: Provenance,
    clock: Callable[[], float],
) -> Plan:
    """What would change of what anyone may read. Reads hosts, writes nothing, asks no database.

    Raises UnreachableError where no host says whether this identity has a root, VerificationError where a listing does not add
    up, and as `make_plan` does.
    """
    now = int(clock())
    readings = await read_roots(identity, hosts=world.outside, verifier=world.headers, now=now)
    if readings.newest is None and all(reading.answer is not Answer.NONE for reading in readings.readings):
        raise UnreachableError("no host could say which root is live", hint="try again when one of them answers")
    snapshot = Snapshot(
        identity=identity,
        root=None,
        fee_rate=await world.arc.policy(),
        funding_address="",
        readings=readings.readings,
        source=provenance.source_id(desired.producer.id.name),
        now=now,
    )
    if readings.newest is not None:
        snapshot = await _as_of(snapshot, readings.newest, readings, world)
    meta = Meta(
        tool_version=__version__,
        commit=provenance.commit,
        dirty=provenance.dirty,
        readings=readings.readings,
        quoted_at=now,
    )
    return make_public_plan(desired, snapshot, options, meta=meta)


async def _as_of(snapshot: Snapshot, live: LiveRoot, readings: RootReadings, world: World) -> Snapshot:
    host, now = world.outside[live.host], snapshot.now
    records, _ = await read_records(
        live, host=host, opened=_public_part, lineage=readings.lineage, verifier=world.headers, now=now
    )
    ads = await read_ads(
        snapshot.identity, hosts=world.outside, verifier=world.headers, now=now, plain_http=world.network.is_toy
    )
    root = sealed_root(live)
    check_complete(ads, root.ads)
    listed = set(root.ads)
    return replace(
        snapshot,
        root=root,
        records={record.observed.id: record.observed for record in records},
        ads=tuple(
            ad.observed(
                is_recorded=ListedAd(protocol=ad.found.protocol, name=ad.found.name, url=ad.found.url) in listed
            )
            for ad in ads.distinct
        ),
    )


def _public_part(document: RecordDocument) -> JsonObject:
    content = document.content
    if content is None:
        return {}
    return public_content(content.digest, content.size, is_sold=content.key_commitment is not None)
