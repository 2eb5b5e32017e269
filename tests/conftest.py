"""One producer in a toy world of its own, for every test that needs the whole house."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from reconciler.apply.events import Event, Moved, Progress, tell_nobody
from reconciler.cli.arguments import Globals
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation
from reconciler.cli.wiring import Site, clock, keys_of, load_manifests, open_site, reconciler_of
from reconciler.control.audit import Audit, audit
from reconciler.control.reconcile import Finished, Planned, Reconciler
from reconciler.control.settling import settle_wallet
from reconciler.control.world import World
from reconciler.model.ids import Network
from reconciler.observe.catalog import Catalog
from reconciler.observe.roots import read_roots
from reconciler.observe.snapshot import catalog_of
from reconciler.plan.options import PlanOptions
from reconciler.wire.http import Http

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec:
  source: {glob: "data/*.csv"}
  title: "Table {stem}"
  tags: [test]
"""


@dataclass
class Producer:
    """A folder with manifests and data, and everything a test does with it."""

    folder: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def manifest(self) -> Path:
        return self.folder / "producer.yaml"

    def write(self, text: str = MANIFEST, *, title: str = "Acme") -> None:
        self.manifest.write_text(text.replace("TITLE", title), encoding="utf-8")

    def data(self, name: str, text: str) -> Path:
        path = self.folder / "data" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def invocation(self) -> Invocation:
        environment = {"OVERLAY_HOME": str(self.home), **self.environment}
        console = Console(width=80, colour=False, interactive=False, quiet=True, verbose=False)
        return Invocation(options=Globals(directory=self.folder), console=console, environment=environment)

    @asynccontextmanager
    async def site(self) -> AsyncIterator[Site]:
        async with open_site(self.invocation, Network.EMBEDDED) as site:
            yield site

    async def reconciler(
        self,
        site: Site,
        *,
        tell: Callable[[Event | Moved | Progress], None] = tell_nobody,
        http: Callable[[Http], Http] = lambda http: http,
    ) -> tuple[Reconciler, Any]:
        loaded = await load_manifests(self.invocation, (self.manifest,))
        keys = keys_of(self.invocation, Network.EMBEDDED, create=True)
        made = await reconciler_of(site, loaded, keys, tell)
        world = World.at(site.network, site.endpoints, http=http(site.http), own="http://own.embedded")
        return replace(made, world=world), loaded.state

    async def plan(self, **options: Any) -> Planned:
        async with self.site() as site:
            reconciler, desired = await self.reconciler(site)
            return await reconciler.plan(desired, PlanOptions(**options))

    async def apply(
        self,
        *,
        tell: Callable[[Event | Moved | Progress], None] = tell_nobody,
        http: Callable[[Http], Http] = lambda http: http,
        agree: Callable[[Planned], bool] = lambda planned: True,
        patience: float = 30.0,
        **options: Any,
    ) -> Finished:
        async with self.site() as site:
            reconciler, desired = await self.reconciler(site, tell=tell, http=http)
            return await reconciler.apply(
                desired, PlanOptions(**options), agree=agree, halted=lambda: False, patience=patience
            )

    async def audit(self) -> Audit:
        async with self.site() as site:
            keys = keys_of(self.invocation, Network.EMBEDDED, create=False)
            world = site.world()
            await settle_wallet(site.database, world, clock=clock)
            return await audit(database=site.database, keys=keys, arc=world.arc, headers=world.headers)

    async def catalog(self) -> Catalog:
        """What the public host shows, checked: exactly one live root, and every record that it covers."""
        async with self.site() as site:
            keys = keys_of(self.invocation, Network.EMBEDDED, create=False)
            world = site.world()
            readings = await read_roots(keys.identity, hosts=world.outside, verifier=world.headers, now=int(clock()))
            assert not readings.faults
            for host in world.outside.values():
                roots = await host.lookup("ls_data_catalog", {"producer": keys.identity, "kind": "producer"})
                assert len(roots) == 1
            return await catalog_of(
                readings, hosts=world.outside, keys=keys, verifier=world.headers, now=int(clock())
            )

    def in_child(self, work: Callable[[], Any], *, kill_after: float | None = None) -> Mapping[str, Any] | None:
        """Run `work` (a coroutine function) in a forked process; its JSON result, or None if it was killed.

        `kill_after` are the seconds after which it gets SIGKILL, if it still runs.
        """
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            code = 1
            try:
                result = asyncio.run(work())
                os.write(writing, json.dumps(result).encode())
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(writing)
        if kill_after is not None:
            time.sleep(kill_after)  # the very point: an instant that nothing announces
            os.kill(child, signal.SIGKILL)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return None
        assert os.waitstatus_to_exitcode(status) == 0
        return json.loads(answer)


@pytest.fixture
def producer(tmp_path: Path) -> Producer:
    """A producer with two small tables, not applied yet."""
    folder = tmp_path / "producer"
    folder.mkdir()
    made = Producer(folder, tmp_path / "home")
    made.write()
    made.data("a.csv", "id,value\n1,one\n")
    made.data("b.csv", "id,value\n2,two\n")
    return made


@pytest.fixture
def kill() -> Callable[[], None]:
    """Kills the process that calls it, as power cuts do."""

    def now() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    return now


