"""Money and roots that only the chain knows of: the purse after a rebuild, and the second of two geneses."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from reconciler.chain.index import AddressIndex
from reconciler.cli.wiring import clock, keys_of
from reconciler.control.funding import take_from_faucet
from reconciler.control.restore import restore
from reconciler.model.ids import Network
from reconciler.model.networks import FAUCET_SATOSHIS
from tests.faults.checks import Chain

pytestmark = pytest.mark.long  # several machines, or many transactions: .ci/run has them

ADS = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "http://localhost:3999"}
"""

AD = """\
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: NAME}
spec: {serviceType: data-feed, capability: NAME, pricing: {model: per-minute, satoshis: 20}}
"""


def write(producer: Any, *names: str) -> None:
    producer.write(ADS + "".join(AD.replace("NAME", name) for name in names), title=" ".join(names))


async def test_the_purse_is_rebuilt_where_the_last_ads_transaction_revoked(producer):
    for names in (("prices",), ("prices", "weather"), ("prices",)):
        write(producer, *names)
        await producer.apply()
    for path in (producer.home / "embedded").glob("state.db*"):
        path.unlink()
    keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
    async with producer.site() as site:
        await restore(
            world=site.world(),
            database=site.database,
            keys=keys,
            index=AddressIndex(site.http, site.endpoints.headers),
            clock=clock,
            randomness=secrets.token_bytes,
        )
    audited = await producer.audit()
    chain = Chain.read(producer.home / "embedded" / "world" / "chain.db", keys)
    assert audited.balance.total + audited.tokens == sum(chain.unspent.values())


async def test_of_two_geneses_one_root_is_left(twins, door):
    """Neither has a coin in common with the other, so that both are mined."""
    here, there = twins
    for machine in twins:
        machine.write(title="Twice")
        await funded(machine)
    done: list[str] = []

    async def before(method: str, url: str) -> None:
        if method == "POST" and "/v1/tx" in url and not done:
            done.append(url)
            await there.apply()

    await here.apply(http=lambda http: door(http, before=before))
    assert done
    keys = keys_of(here.invocation, Network.EMBEDDED, create=False)
    path = here.home / "embedded" / "world" / "chain.db"
    assert len(Chain.read(path, keys).roots) == 2
    for machine in (here, there, here):
        await machine.apply()
        assert (await machine.plan()).plan.is_empty
        assert (await machine.audit()).differences == ()
    assert len(Chain.read(path, keys).roots) == 1


async def funded(machine: Any) -> None:
    async with machine.site() as site:
        world = site.world()
        await take_from_faucet(
            world.faucet,
            FAUCET_SATOSHIS,
            keys=keys_of(machine.invocation, Network.EMBEDDED, create=False),
            network=Network.EMBEDDED,
            database=site.database,
            headers=world.headers,
            now=int(clock()),
        )
