"""Small things this machine must remember: the bound identity, the network, the encrypted content seed."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, LargeBinary, Table, Text, select

from reconciler.model.ids import IdentityKey, identity_key
from reconciler.store.database import metadata
from reconciler.store.inserts import upsert
from reconciler.store.works import Connection

_IDENTITY: Final = "identity"
_READER: Final = "reader"
_SEED: Final = "content_seed"

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)


class Settings:
    """Values by name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, name: str) -> bytes | None:
        """The value, or None if it was never put."""
        value: bytes | None = await self._connection.scalar(select(settings.c.value).where(settings.c.name == name))
        return value

    async def identity(self) -> IdentityKey | None:
        """The identity that this database belongs to; None where it belongs to nobody yet."""
        value = await self.get(_IDENTITY)
        return None if value is None else identity_key(value.decode())

    async def put_identity(self, identity: IdentityKey) -> None:
        """Bind the database to an identity."""
        await self.put(_IDENTITY, identity.encode())

    async def hand_over(self, identity: IdentityKey) -> None:
        """Bind it to another identity, which takes over what the first one had; nothing else of it was anybody's."""
        await self.put_identity(identity)
        await self.put_reader(identity)

    async def reader(self) -> IdentityKey | None:
        """Whose key read what is recorded from hosts: the producer's, or its gateway's, which knows of no coins."""
        value = await self.get(_READER)
        return None if value is None else identity_key(value.decode())

    async def put_reader(self, reader: IdentityKey) -> None:
        """Say whose key reads."""
        await self.put(_READER, reader.encode())

    async def seed(self, identity: IdentityKey) -> bytes | None:
        """The content seed as it was encrypted to an identity."""
        # What was written before keys could be rotated has no identity in its name.
        return await self.get(f"{_SEED} {identity}") or await self.get(_SEED)

    async def put_seed(self, identity: IdentityKey, encrypted: bytes) -> None:
        """Keep the content seed for an identity, beside what others have of it."""
        await self.put(f"{_SEED} {identity}", encrypted)

    async def put(self, name: str, value: bytes) -> None:
        """Set or overwrite a value."""
        await upsert(self._connection, settings, [{"name": name, "value": value}], keys=["name"])
