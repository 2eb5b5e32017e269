"""One producer in a toy world of its own, for every test that needs the whole house."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import os
import random
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import Connection

import reconciler.cli.compiling
import reconciler.cli.worlds  # noqa: F401 - what the house imports late is imported here, once, and not by each forked process
from reconciler.apply.events import Event, Moved, Progress, tell_nobody
from reconciler.cli.arguments import Globals
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation
from reconciler.cli.main import main
from reconciler.cli.manifests import load_manifests
from reconciler.cli.wiring import Site, clock, keys_of, open_site, reconciler_of, successor_for
from reconciler.control.audit import Audit, audit
from reconciler.control.planned import Finished, Planned
from reconciler.control.reconcile import Reconciler
from reconciler.control.settling import settle_wallet
from reconciler.control.world import World
from reconciler.model.ids import Network
from reconciler.observe.catalog import Catalog
from reconciler.observe.roots import read_roots
from reconciler.observe.snapshot import catalog_of
from reconciler.plan.options import PlanOptions
from reconciler.store import schema
from reconciler.store.database import Database
from reconciler.wire.http import ANSWER, Http, Reply
from tests.patience import PATIENCE, REQUESTS, be_patient

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
be_patient()

SQLITE, POSTGRESQL = "sqlite", "postgresql"

ON_BOTH = (
    "unit/store/",
    "unit/host/test_limits.py",
    "unit/host/test_processes.py",
    "unit/storage/test_keeper.py",
    "unit/payments/test_processes.py",
    "e2e/test_db.py",
    "faults/test_databases.py",
)
"""Tests that run on both databases. The others run on SQLite; OVERLAY_TEST_DATABASE=postgresql, as .ci/run has it for some, runs
all that use a database on PostgreSQL, and nothing else."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "only(dialect): this test is about one database")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "dialect" in metafunc.fixturenames:
        metafunc.parametrize("dialect", _dialects(metafunc.definition), scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where one database is asked for, what uses none, or only another, has nothing to say."""
    asked = os.environ.get("OVERLAY_TEST_DATABASE")
    if asked:
        on_it = [item for item in items if isinstance(item, pytest.Function) and _dialect(item) == asked]
        config.hook.pytest_deselected(items=[item for item in items if item not in on_it])
        items[:] = on_it


def _dialect(test: pytest.Function) -> str | None:
    return test.callspec.params.get("dialect") if hasattr(test, "callspec") else None


def _dialects(test: pytest.Function) -> list[str]:
    only = test.get_closest_marker("only")
    if only is not None:
        return [*only.args]
    asked = os.environ.get("OVERLAY_TEST_DATABASE")
    if asked:
        return [asked]
    here = test.path.relative_to(Path(__file__).parent).as_posix()
    return [SQLITE, POSTGRESQL] if here.startswith(ON_BOTH) else [SQLITE]


class PostgreSQL:
    """One server for all tests, and databases on it."""

    def __init__(self, url: str) -> None:
        self.server = url
        self._admin = psycopg.connect(url, autocommit=True)
        self._names = (f"test_{number}" for number in count())
        self.made: list[str] = []

    def run(self, statement: str) -> None:
        self._admin.execute(statement)

    def create(self, *, template: str = "template0") -> str:
        """A database of this test; its URL."""
        name = next(self._names)
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        self.made.append(name)
        return self.url(name)

    def url(self, name: str) -> str:
        return self.server.replace("/postgres?", f"/{name}?")

    def drop(self) -> None:
        while self.made:
            self.run(f"DROP DATABASE {self.made.pop()} WITH (FORCE)")

    def close(self) -> None:
        self._admin.close()


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    """A PostgreSQL server, with a database `migrated` to copy. It ends with this process, however that ends."""
    command = [sys.executable, str(Path(__file__).with_name("postgresql_server.py"))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        url = process.stdout.readline().strip()
        if not url:
            why = f"no PostgreSQL starts here: {process.communicate()[1]}"
            if os.environ.get("OVERLAY_REQUIRE_POSTGRESQL"):
                pytest.fail(why)
            pytest.skip(why)
        server = PostgreSQL(url)
        server.run("CREATE DATABASE migrated TEMPLATE template0")
        asyncio.run(_migrate(server.url("migrated")))
        yield server
        server.close()
        assert process.communicate()[1] == ""


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file that went through the migrations, to copy."""
    path = tmp_path_factory.mktemp("migrated") / "state.db"
    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session", autouse=True)
def certificates() -> Iterator[None]:
    """Those of all authorities are read once, and not by each client of each world."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        httpx.AsyncHTTPTransport(trust_env=False)  # here, so that forked processes have them
        yield


@pytest.fixture(scope="session", autouse=True)
def migrations(migrated: Path) -> Iterator[Callable[[Connection], None]]:
    """Each new file gets the tables of the migrated one: a world has several, and migrations take a fifth of a second.

    Yields what is replaced: migrations that are run.
    """
    real = schema._migrate
    with closing(sqlite3.connect(migrated)) as made:
        _, *statements, _ = made.iterdump()  # without its own transaction

    def migrate(connection: Connection) -> None:
        if connection.dialect.name != SQLITE or connection.exec_driver_sql("SELECT 1 FROM sqlite_master").first():
            real(connection)
            return
        for statement in statements:
            connection.exec_driver_sql(statement)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "_migrate", migrate)
        yield real


@pytest.fixture
def real_migrations(migrations: Callable[[Connection], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests about them."""
    monkeypatch.setattr(schema, "_migrate", migrations)


async def _migrate(url: str) -> None:
    database = Database.open(url)
    await schema.upgrade(database)
    await database.close()


@dataclass
class Databases:
    """Databases of one test, all of the kind that it runs on."""

    dialect: str
    folder: Path
    migrated: Path
    server: PostgreSQL | None
    numbers: Iterator[int] = field(default_factory=count)

    def create(self) -> str:
        """The URL of a new database that is up to date."""
        if self.server is not None:
            return self.server.create(template="migrated")
        return f"sqlite:///{shutil.copy(self.migrated, self._path())}"

    def create_empty(self) -> str:
        """The URL of a database with nothing in it."""
        return f"sqlite:///{self._path()}" if self.server is None else self.server.create()

    def environment(self) -> dict[str, str]:
        """What a command needs: a new database, but on SQLite, where it makes a file of its own; and patience."""
        return REQUESTS | ({} if self.server is None else {"DATABASE_URL": self.create()})

    def _path(self) -> Path:
        return self.folder / f"state-{next(self.numbers)}.db"


@pytest.fixture
def databases(dialect: str, tmp_path: Path, migrated: Path, request: pytest.FixtureRequest) -> Iterator[Databases]:
    server = request.getfixturevalue("server") if dialect == POSTGRESQL else None
    yield Databases(dialect, tmp_path, migrated, server)
    if server is not None:
        server.drop()


@pytest.fixture
def environment(databases: Databases) -> dict[str, str]:
    """What producer and command of a test are told of their database, which is one."""
    return databases.environment()


@pytest.fixture
def database_url(databases: Databases) -> str:
    """Of a database that is up to date."""
    return databases.create()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database that is up to date."""
    database = Database.open(database_url)
    yield database
    await database.close()


COMMAND = (sys.executable, "-c", "from reconciler.cli.main import run; run()")

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
    databases: Databases
    environment: dict[str, str]
    storage_price: int = 0
    """Satoshis for a gigabyte and month, at the world's storage hosts."""

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

    def lose_database(self) -> None:
        """As with a disk: what others keep is still there."""
        for path in (self.home / "embedded").glob("state.db*"):
            path.unlink()
        self.environment |= self.databases.environment()

    @property
    def invocation(self) -> Invocation:
        environment = {"OVERLAY_HOME": str(self.home), **self.environment}
        console = Console(width=80, colour=False, interactive=False, quiet=True, verbose=False)
        return Invocation(options=Globals(directory=self.folder), console=console, environment=environment)

    @asynccontextmanager
    async def site(self) -> AsyncIterator[Site]:
        price = self.storage_price
        async with open_site(self.invocation, Network.EMBEDDED, identity=None, storage_price=price) as site:
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
        successor = successor_for(self.invocation, loaded, keys)
        made = await reconciler_of(site, loaded, keys, tell, successor=successor)
        door = http(site.http)
        world = World.at(site.network, site.endpoints, http=door, strangers=door, own="http://own.embedded")
        return replace(made, world=world), loaded.state

    async def plan(self, **options: Any) -> Planned:
        async with self.site() as site:
            reconciler, desired = await self.reconciler(site)
            return await reconciler.plan(desired, PlanOptions(**options))

    async def plan_with(self, *, refresh: bool) -> Planned:
        """Plan after a close look."""
        async with self.site() as site:
            reconciler, desired = await self.reconciler(site)
            return await reconciler.plan(desired, PlanOptions(), refresh=refresh)

    async def destroy(self) -> Finished:
        """Leave nothing."""

        async def agree(_: Planned) -> bool:
            return True

        async with self.site() as site:
            reconciler, desired = await self.reconciler(site)
            return await reconciler.destroy(desired, PlanOptions(), agree=agree, halted=lambda: False)

    async def apply(
        self,
        *,
        tell: Callable[[Event | Moved | Progress], None] = tell_nobody,
        http: Callable[[Http], Http] = lambda http: http,
        agree: Callable[[Planned], bool] = lambda planned: True,
        patience: float = 30.0,
        **options: Any,
    ) -> Finished:
        async def agreed(planned: Planned) -> bool:
            return agree(planned)

        async with self.site() as site:
            reconciler, desired = await self.reconciler(site, tell=tell, http=http)
            return await reconciler.apply(
                desired, PlanOptions(**options), agree=agreed, halted=lambda: False, patience=patience
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
            return await catalog_of(readings, hosts=world.outside, keys=keys, verifier=world.headers, now=int(clock()))

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
            except BaseException:  # noqa: BLE001 - a child reports whatever ends it, and ends
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
def producer(tmp_path: Path, databases: Databases, environment: dict[str, str]) -> Producer:
    """A producer with two small tables, not applied yet."""
    folder = tmp_path / "producer"
    folder.mkdir()
    made = Producer(folder, tmp_path / "home", databases, environment)
    made.write()
    made.data("a.csv", "id,value\n1,one\n")
    made.data("b.csv", "id,value\n2,two\n")
    return made


@pytest.fixture(scope="session")
def stocked_world(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Path:
    """Folder and home of the producer of tests/buying.py, applied, on SQLite."""
    from tests.buying import stock

    folder = tmp_path_factory.mktemp("stocked")
    (folder / "producer" / "data").mkdir(parents=True)
    databases = Databases(SQLITE, folder, migrated, None)
    producer = stock(Producer(folder / "producer", folder / "home", databases, databases.environment()))
    asyncio.run(producer.apply())
    return folder


@pytest.fixture
def stocked(producer: Producer, databases: Databases, request: pytest.FixtureRequest, tmp_path: Path) -> Producer:
    """A producer that has applied what it sells (tests/buying.py)."""
    from tests.buying import stock

    if databases.dialect != SQLITE:
        stock(producer)
        asyncio.run(producer.apply())
        return producer
    world = request.getfixturevalue("stocked_world")
    for name in ("producer", "home"):
        shutil.copytree(world / name, tmp_path / name, dirs_exist_ok=True)
    return producer


class Door:
    """A door to the network. A test may look at a request before it goes out: raise, wait, or answer it; and at its reply."""

    def __init__(self, http: Http, *, before: Any = None, after: Any = None) -> None:
        self._http = http
        self._before = before
        self._after = after

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        within: float = 10.0,
        limit: int = ANSWER,
    ) -> Reply:
        answer = None if self._before is None else self._before(method, url)
        if inspect.isawaitable(answer):
            answer = await answer
        if answer is not None:
            return replace(answer, url=url)
        reply = await self._http.request(method, url, headers=headers, content=content, within=within, limit=limit)
        return reply if self._after is None else self._after(method, url, reply)

    def stream(self, url: str, *, headers: Mapping[str, str] | None = None, within: float = 10.0) -> Any:
        return self._http.stream(url, headers=headers, within=within)


@pytest.fixture
def door() -> type[Door]:
    """Wraps the network: `producer.apply(http=lambda http: door(http, before=...))`."""
    return Door


@pytest.fixture
def twins(producer: Producer, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Producer, Producer]:
    """Two machines with the same key, manifests and world, and a database each."""
    producer.environment["OVERLAY_IDENTITY_KEY"] = hashlib.sha256(request.node.name.encode()).hexdigest()
    folder = tmp_path / "twin"
    shutil.copytree(producer.folder, folder)
    environment = producer.environment | producer.databases.environment()
    twin = replace(producer, folder=folder, home=tmp_path / "twin-home", environment=environment)
    for home in (producer.home, twin.home):
        (home / "embedded").mkdir(parents=True)
    (producer.home / "embedded" / "world").mkdir()
    (twin.home / "embedded" / "world").symlink_to(producer.home / "embedded" / "world")
    return producer, twin


@pytest.fixture
def kill() -> Callable[[], None]:
    """Kills the process that calls it, as power cuts do."""

    def now() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    return now


class Ran(NamedTuple):
    """What a command said."""

    stdout: str
    stderr: str


@dataclass
class Overlay:
    """The command, in a folder and with a home of its own."""

    folder: Path
    home: Path
    captured: pytest.CaptureFixture[str]
    state: dict[str, str]
    """Where its database is, if that is not a file in its home."""

    def environment(self) -> dict[str, str]:
        foreign = ("OVERLAY_", "PRODUCER_", "DATABASE_URL")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {**inherited, **self.state, "OVERLAY_HOME": str(self.home)}

    def run(self, *arguments: str, code: int = 0) -> Ran:
        """Run a command to its end, which is to be this exit code: in this process, which saves starting one."""
        with pytest.MonkeyPatch.context() as patch:
            environment = self.environment()
            for name in os.environ.keys() - environment.keys():
                patch.delenv(name)
            for name in ("OVERLAY_HOME", *self.state):
                patch.setenv(name, environment[name])
            self.captured.readouterr()
            ended = main(["-C", str(self.folder), *arguments])
        ran = Ran(*self.captured.readouterr())
        assert ended == code, ran.stderr
        return ran

    def json(self, *arguments: str) -> Any:
        """The JSON that a command prints."""
        return json.loads(self.run(*arguments, "--json").stdout)

    @contextmanager
    def started(self, *arguments: str) -> Iterator[Server]:
        """Start a server in a process of its own, wait until it says that it is ready, and kill it at the end of the block if it still runs."""
        with (
            (self.home.parent / f"{arguments[0]}.log").open("w+") as log,
            subprocess.Popen(
                [*COMMAND, *arguments, "--json"],
                cwd=self.folder,
                env=self.environment(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            ) as process,
        ):
            try:
                told = select.select([process.stdout], [], [], PATIENCE)[0] and process.stdout.readline()
                assert told, Path(log.name).read_text()
                yield Server(process, json.loads(told), Path(log.name))
            finally:
                process.kill()


@dataclass
class Server:
    """A server process that has said where it is."""

    process: subprocess.Popen[str]
    ready: Mapping[str, Any]
    log: Path

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)


@pytest.fixture
def overlay(tmp_path: Path, environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Overlay:
    """The command, in an empty folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return Overlay(folder, tmp_path / "overlay-home", capsys, environment)


@pytest.fixture
def base_port() -> int:
    """From where on the local world finds its ports free."""
    for base in random.Random(os.getpid()).sample(range(20_000, 30_000, 20), 50):
        with ExitStack() as stack:
            try:
                for port in (base, *range(base + 10, base + 14)):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return base
    pytest.fail("no free ports")


@pytest.fixture
def local(overlay: Overlay, base_port: int, request: pytest.FixtureRequest) -> Iterator[Server]:
    """The local world on TCP, and a producer in the command's folder who is to publish on it.

    A test that parametrizes it (indirect) says what else `devnet up` is told.
    """
    more: tuple[str, ...] = getattr(request, "param", ())
    with overlay.started("devnet", "up", "--base-port", str(base_port), *more) as world:
        network = {name: world.ready[name] for name in ("arc", "chainTracker", "hosts")}
        spec = {"preset": "local", **network}
        text = MANIFEST.replace("TITLE", "Acme").replace("network: embedded", f"network: {json.dumps(spec)}\n  HOSTS")
        text = text.replace("HOSTS", f"storageHosts: {json.dumps(world.ready['storageHosts'])}")
        (overlay.folder / "producer.yaml").write_text(text)
        (overlay.folder / "data").mkdir()
        for name in ("a", "b"):
            (overlay.folder / "data" / f"{name}.csv").write_text(f"id,value\n1,{name}\n")
        yield world
