"""Which look-up services have indexed what a host keeps: one that is new, or reads more than before, has to catch up."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Column, Integer, String, Table, Text, select

from reconciler.store.database import metadata
from reconciler.store.inserts import upsert
from reconciler.store.outputs import HostOutput, Outputs
from reconciler.store.works import Connection

host_indexes = Table(
    "host_indexes",
    metadata,
    Column("service", String(50), primary_key=True),
    Column("version", Text, nullable=False),  # of what the service indexes
    Column("reached", Integer),  # the host_outputs.id up to which it has caught up; null once it is whole
)


class Indexes:
    """Services by name, each with the version that it is whole in."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def behind(self, versions: Mapping[str, str]) -> tuple[str, ...]:
        """Those of these services whose index is not whole, or is of another version."""
        query = select(host_indexes.c.service, host_indexes.c.version).where(host_indexes.c.reached.is_(None))
        whole = {row.service: row.version for row in await self._connection.execute(query)}
        return tuple(service for service, version in versions.items() if whole.get(service) != version)

    async def page(self, service: str, version: str, topics: Collection[str], most: int) -> tuple[HostOutput, ...]:
        """The next complete outputs of these topics that the service has to read, in order of admission.

        They count as read from here on. None at all: now it is whole.
        """
        query = select(host_indexes.c.version, host_indexes.c.reached).where(host_indexes.c.service == service)
        row = (await self._connection.execute(query)).one_or_none()
        going_on = row is not None and row.version == version
        if row is not None and going_on and row.reached is None:
            return ()
        reached = row.reached if row is not None and going_on else 0
        outputs = await Outputs(self._connection).listed_after(reached, topics, most)
        state = {"service": service, "version": version, "reached": outputs[-1].id if outputs else None}
        await upsert(self._connection, host_indexes, [state], keys=["service"])
        return outputs
