"""A look-up service that is new, or reads more than before, has read everything before anything is answered."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import delete, select, update

from reconciler.clients.host import HostClient
from reconciler.clients.http import HttpClient
from reconciler.host import indexing
from reconciler.host.app import build_app
from reconciler.host.lookups.data_catalog import DataCatalogLookup
from reconciler.host.services import About, Hit
from reconciler.host.topics.data_catalog import DataCatalogTopic
from reconciler.store.host_tables import host_records
from reconciler.store.indexes import host_indexes

URL = "http://again.embedded"


class Counting:
    """A service that remembers what it was given, and shows all of it."""

    name = "ls_counting"
    topics = frozenset({"tm_data_catalog", "tm_nowhere"})

    def __init__(self, version="1"):
        self.about = About(title="Counting", short="Counts.", documentation="# Counting", version=version)
        self.read = []

    async def index(self, connection, complete, documents):
        self.read += [each.admitted.outpoint for each in complete]

    async def answer(self, connection, query, now):
        return tuple(Hit(outpoint) for outpoint in self.read)


def client_of(world, *lookups):
    app = build_app(
        database=world.database,
        headers=world.headers,
        arc=world.arc,
        clock=world.clock,
        topics=[DataCatalogTopic()],
        lookups=lookups,
    )
    return HostClient(HttpClient(apps={URL: app}), URL)


@pytest.fixture
async def published(world, make_dataset):
    """Seven records that are there before the service is."""
    publication = await world.publish(*(make_dataset(world.keys(), f"d{number}") for number in range(7)))
    await world.submit(publication)
    return publication


async def test_a_new_service_reads_what_was_there_before_its_first_answer(world, published, monkeypatch):
    monkeypatch.setattr(indexing, "_PAGE", 3)
    service = Counting()

    assert len(await client_of(world, service).lookup("ls_counting", {})) == 7

    assert service.read == [published.transaction.outpoint(vout) for vout in range(7)]


async def test_a_service_that_has_read_everything_reads_it_again_only_in_another_version(world, published):
    for service, reads in ((Counting(), 7), (Counting(), 0), (Counting("2"), 7), (Counting("2"), 0)):
        await client_of(world, service).lookup("ls_counting", {})
        assert len(service.read) == reads


async def test_what_comes_while_nobody_has_asked_yet_is_read_once(world, published, make_dataset):
    service = Counting()
    client = client_of(world, service)
    later = await world.publish(make_dataset(world.keys(), "later"))

    await client.submit(later.submission())

    assert len(service.read) == len(set(service.read)) == 8


async def test_two_processes_share_the_work_and_nothing_is_left_out(world, published, monkeypatch):
    monkeypatch.setattr(indexing, "_PAGE", 1)
    services = [Counting(), Counting()]

    await asyncio.gather(*(client_of(world, service).lookup("ls_counting", {}) for service in services))

    assert sorted(services[0].read + services[1].read) == sorted(published.transaction.outpoint(n) for n in range(7))


async def test_who_dies_half_way_is_carried_on(world, published, monkeypatch):
    monkeypatch.setattr(indexing, "_PAGE", 3)

    class Dying(Counting):
        async def index(self, connection, complete, documents):
            if self.read:
                raise RuntimeError("killed")
            await super().index(connection, complete, documents)

    first, second = Dying(), Counting()
    with pytest.raises(RuntimeError, match="killed"):
        await client_of(world, first).lookup("ls_counting", {})
    await client_of(world, second).lookup("ls_counting", {})

    assert [len(first.read), len(second.read)] == [3, 4]


async def test_records_of_an_older_revision_are_found_by_price_again(world, make_dataset):
    document = make_dataset(world.keys(), "sold", pricing={"model": "per-mb", "satoshis": 5}, regions=["EU"])
    await world.submit(await world.publish(document))
    async with world.database.begin() as connection:  # as 0007 leaves it
        await connection.execute(update(host_records).values(price=None))
        await connection.execute(delete(host_indexes).where(host_indexes.c.service == "ls_data_catalog"))

    found = await client_of(world, DataCatalogLookup()).lookup("ls_data_catalog", {"price": {"min": 5}, "region": "eu"})

    assert len(found) == 1
    async with world.database.reading() as connection:
        assert (await connection.execute(select(host_indexes.c.reached))).scalars().all() == [None] * 4
