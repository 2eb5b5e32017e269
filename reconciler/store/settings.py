"""Small things this machine must remember: the bound identity, the network, the encrypted content seed."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reconciler.store.database import metadata, upsert

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)


class Settings:
    """Values by name."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, name: str) -> bytes | None:
        """The value, or None if it was never put."""
        value: bytes | None = await self._connection.scalar(select(settings.c.value).where(settings.c.name == name))
        return value

    async def put(self, name: str, value: bytes) -> None:
        """Set or overwrite a value."""
        await upsert(self._connection, settings, [{"name": name, "value": value}], keys=["name"])
