from __future__ import annotations

from reconciler.store.settings import Settings


async def test_a_setting_is_what_was_put_last(database):
    async with database.begin() as connection:
        settings = Settings(connection)
        assert await settings.get("network") is None
        await settings.put("network", b"embedded")
        await settings.put("network", b"local")
        await settings.put("identity", b"\x02")
    async with database.begin() as connection:
        assert await Settings(connection).get("network") == b"local"
        assert await Settings(connection).get("identity") == b"\x02"
