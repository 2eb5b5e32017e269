"""Which networks have state here: those that something is known of, not those that were asked for and never answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli.arguments import Globals
from reconciler.cli.console import Console
from reconciler.cli.databases import Otherwise, open_database, recorded_networks
from reconciler.cli.implied import implied_network
from reconciler.cli.invocation import Invocation
from reconciler.model.errors import UsageError
from reconciler.model.ids import Network
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.settings import Settings
from reconciler.wallet.keys import Keys

CONSOLE = Console(width=80, colour=False, interactive=False, quiet=True, verbose=False)


@pytest.fixture
def invocation(tmp_path: Path) -> Invocation:
    environment = {"OVERLAY_HOME": str(tmp_path / "home")}
    return Invocation(options=Globals(directory=tmp_path), console=CONSOLE, environment=environment)


async def tried(invocation: Invocation, network: Network) -> None:
    """What a plan leaves behind that reached nobody."""
    async with open_database(invocation, network, None, Otherwise.READ) as opened:
        await opened.ready()
        async with opened.database.begin() as connection:
            await Settings(connection).put("network", network.value.encode())


async def test_a_network_that_was_only_tried_has_no_state_here(invocation):
    await tried(invocation, Network.LOCAL)

    assert invocation.home.networks() == (Network.LOCAL,)
    assert await recorded_networks(invocation) == ()
    with pytest.raises(UsageError, match="no manifest was named"):
        await implied_network(invocation)


async def bound(database: Database) -> None:
    async with database.begin() as connection:
        await Settings(connection).put_identity(Keys(bytes(31) + b"\x07").identity)


async def used(database: Database) -> None:
    async with database.begin() as connection:
        await Documents(connection).put(b"one")


@pytest.mark.parametrize("record", [bound, used])
async def test_a_network_of_which_something_is_recorded_is_the_one_that_is_meant(invocation, record):
    for network in (Network.LOCAL, Network.TEST):
        await tried(invocation, network)
    async with open_database(invocation, Network.TEST, None, Otherwise.READ) as opened:
        await record(opened.database)

    assert await recorded_networks(invocation) == (Network.TEST,)
    assert await implied_network(invocation) is Network.TEST
