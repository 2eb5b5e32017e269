"""Two gateways on two machines, one database: the one that leads is killed while many buy through both (DESIGN §5, PROTOCOL §7)."""

from __future__ import annotations

import asyncio
import json
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import cycle

import psycopg
import pytest

from reconciler.model.errors import OverlayError
from tests.bazaar import PRICE, Bazaar, Purse, Running, access, eventually, opened
from tests.faults.test_sales import check_bought

pytestmark = [pytest.mark.long, pytest.mark.only("postgresql")]

BUYERS = 16
AT_ONCE = 4
START = """\
import socket, sys
machine = sys.argv.pop(1)
socket.gethostname = lambda: machine
from reconciler.cli.main import run
run()
"""


@pytest.fixture
def bazaar(overlay, local) -> Iterator[Bazaar]:
    with opened(overlay, local) as bazaar:
        yield bazaar


@contextmanager
def gateway(bazaar: Bazaar, machine: str, database: str) -> Iterator[Running]:
    """One that has nothing but its key and the database, on a machine of its own."""
    home = bazaar.overlay.home.with_name(machine)
    home.mkdir()
    bazaar.overlay.run("identity", "gateway", "--export", str(home / "gateway.key"))
    environment = replace(bazaar.overlay, home=home, state={"DATABASE_URL": database}).environment()
    command = [sys.executable, "-c", START, machine, "serve", "--network", "local", "--port", "0", "--json"]
    with (
        (home / "log").open("w+") as errors,
        subprocess.Popen(
            command, env=environment, cwd=home, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            told = select.select([process.stdout], [], [], 120)[0] and process.stdout.readline()
            assert told, (home / "log").read_text()
            yield Running(process, json.loads(told)["url"])
        finally:
            process.kill()


def leader(database: str) -> tuple[str, int, int] | None:
    """The machine that does the background work, since when and until when."""
    with psycopg.connect(database) as connection:
        return connection.execute(
            "SELECT host, extract(epoch FROM since)::bigint, extract(epoch FROM until)::bigint "
            "FROM leases WHERE name = 'serve' AND owner IS NOT NULL"
        ).fetchone()


async def buy_all(buyers: list[Purse], shops: dict[str, Running], doomed: str) -> None:
    """Each buys through one gateway or the other until he has it; once a quarter have, the `doomed` one is killed."""
    turn, bought = asyncio.Semaphore(AT_ONCE), 0
    urls = cycle([shop.url for shop in shops.values()])

    async def persist(purse: Purse) -> None:
        nonlocal bought
        async with turn:
            while True:
                payment = purse.paid[-1] if purse.paid else None
                with suppress(OverlayError):
                    if (await access(next(urls), purse, payment=payment, patience=0)).status == 200:
                        break
                await asyncio.sleep(0.05)
            bought += 1
            if bought == BUYERS // 4:
                shops[doomed].process.send_signal(signal.SIGKILL)

    await asyncio.gather(*map(persist, buyers))


def test_a_leader_killed_while_many_buy_through_two_machines_costs_nobody_anything_and_its_work_goes_on(
    bazaar, databases
):
    database = databases.create()
    with gateway(bazaar, "north", database) as north, gateway(bazaar, "south", database) as south:
        shops = {"north": north, "south": south}
        eventually(lambda: bazaar.price(north.url) == bazaar.price(south.url) == PRICE)
        led, _, until = leader(database)
        (other,) = shops.keys() - {led}
        buyers = [bazaar.buyer(f"buyer {number}") for number in range(BUYERS)]
        asyncio.run(buy_all(buyers, shops, led))
        assert shops[led].ended() == -signal.SIGKILL

        survivor = shops[other]
        check_bought(bazaar, survivor, *buyers)
        manifest = bazaar.overlay.folder / "producer.yaml"
        manifest.write_text(manifest.read_text().replace(f"price: {PRICE}", f"price: {2 * PRICE}"))
        bazaar.publish_again()
        eventually(lambda: bazaar.price(survivor.url) == 2 * PRICE)  # whoever leads follows the root
        leads, since, _ = leader(database)
        assert (leads, since >= until) == (other, True)
        with psycopg.connect(database) as connection:
            states = connection.execute("SELECT state, count(*) FROM payments GROUP BY state").fetchall()
            assert states == [("delivered", BUYERS)]
            assert connection.execute("SELECT count(*), count(DISTINCT txid) FROM receipts").fetchone() == (
                BUYERS,
                BUYERS,
            )
    home = bazaar.overlay.home.with_name(other)
    audited = replace(bazaar.overlay, home=home, state={"DATABASE_URL": database}).json("wallet", "audit")
    assert audited["balanced"], audited
    assert audited["gateway"]["revenue"] == {"count": BUYERS, "satoshis": BUYERS * PRICE}
