"""`overlay state`: what this machine has recorded, and getting it back when it is lost."""

from __future__ import annotations

import secrets

from reconciler.cli import errors
from reconciler.cli.implied import implied_endpoints, implied_keys, implied_network, open_recorded
from reconciler.cli.invocation import Invocation
from reconciler.cli.views.state import list_json, list_text
from reconciler.cli.wiring import clock, open_site
from reconciler.control.restore import restore
from reconciler.observe.recorded import recorded


async def list_state(invocation: Invocation, *, as_json: bool) -> int:
    """Every object."""
    async with open_recorded(invocation) as site:
        found = await recorded(site.database)
    if as_json:
        invocation.console.document(list_json(found))
    else:
        invocation.console.result(list_text(found))
    return errors.DONE


async def rebuild(invocation: Invocation, *, as_json: bool) -> int:
    """From the overlay and the key."""
    network = await implied_network(invocation)
    keys = await implied_keys(invocation, network, create=False)
    endpoints = implied_endpoints(invocation, network)
    async with open_site(invocation, network, identity=keys.identity, endpoints=endpoints) as site:
        restored = await restore(
            world=site.world(),
            database=site.database,
            keys=keys,
            index=site.index(),
            clock=clock,
            randomness=secrets.token_bytes,
        )
    console, rebuilt = invocation.console, restored.rebuilt
    for doubt in restored.doubts:
        console.note(f"Warning: {doubt}.")
    if as_json:
        console.document(
            {
                "generation": rebuilt.generation,
                "records": rebuilt.records,
                "replicas": rebuilt.replicas,
                "satoshis": rebuilt.change + restored.received,
                "doubts": list(restored.doubts),
            }
        )
    else:
        console.result(
            f"Rebuilt generation {rebuilt.generation}: {rebuilt.records} records, {rebuilt.replicas} replicas, "
            f"{rebuilt.change + restored.received:,} satoshis."
        )
    return errors.DONE
