"""The storage host that the guide puts together is one."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.http import HttpClient
from reconciler.clients.storage import StorageClient
from reconciler.devnet.world import ToyWorld
from reconciler.model.ids import Network
from reconciler.model.networks import ENDPOINTS
from reconciler.store.database import Database
from reconciler.store.schema import upgrade
from tests.paying import keys_of

GUIDE = Path(__file__).parents[3] / "docs" / "operations.md"


async def test_the_guide_puts_a_storage_host_together(tmp_path):
    (code,) = re.findall(r"```python\n(.*?def storage_host.*?)```", GUIDE.read_text(), re.DOTALL)
    documented = {}
    exec(compile(code, str(GUIDE), "exec", dont_inherit=True), documented)
    network, url = ENDPOINTS[Network.EMBEDDED], "https://storage.example.com"
    database = Database.open(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await upgrade(database)
    async with HttpClient() as http:
        toy = ToyWorld(tmp_path / "world", network, http=http, clock=documented["time"].time, randomness=bytes)
        for origin, app in toy.apps.items():
            http.mount(origin, app)
        app = documented["storage_host"](
            url=url,
            database=database,
            keys=keys_of("documented"),
            bucket=documented["bucket_at"](str(tmp_path / "files")),
            http=http,
            network=network,
        )
        http.mount(url, app)
        client = StorageClient(http, url, signed=AuthenticatedHttp(http, keys_of("uploader")))

        assert await client.quote(10**9, 43_200) == 5_000_000
        assert await client.listing() == {}
        await toy.close()
    await database.close()
