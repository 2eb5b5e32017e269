"""`overlay doctor`: is this machine fit, and does everybody answer?"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli import errors, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.databases import Opened, Otherwise, open_database
from reconciler.cli.home import KEY_FILE
from reconciler.cli.implied import implied_network
from reconciler.cli.invocation import Invocation
from reconciler.cli.manifests import load_manifests
from reconciler.cli.views.doctor import checks_json, checks_text
from reconciler.cli.wiring import clock, key_path, keys_of, open_site
from reconciler.control import doctor as machine
from reconciler.control.doctor import Check, Examination, checked
from reconciler.control.loaded import Loaded
from reconciler.model.errors import OverlayError, UsageError
from reconciler.model.ids import Digest, IdentityKey, Network
from reconciler.model.networks import endpoints_of
from reconciler.store.published import Published
from reconciler.store.schema import check as check_schema
from reconciler.wallet.keys import Keys


async def doctor(invocation: Invocation, paths: tuple[Path, ...], given: options.Given, *, as_json: bool) -> int:
    """Every check; exit 1 where one fails."""
    found = await _all_checks(invocation, paths, given)
    if as_json:
        invocation.console.document(checks_json(found))
    else:
        invocation.console.result(checks_text(found))
    return errors.DONE if all(check.ok for check in found) else errors.ERROR


async def _all_checks(invocation: Invocation, paths: tuple[Path, ...], given: options.Given) -> list[Check]:
    home = invocation.home.path
    found = [await checked("python", machine.python()), await checked("git", machine.git())]
    found.append(await checked("home", _home(invocation), hint="set OVERLAY_HOME to a folder of your own"))
    if found[-1].ok:
        found.append(await checked("disk", machine.disk(home)))
    patient = _Patient(invocation)
    found.append(await checked("manifests", patient.load(paths, given), hint="run `overlay validate`"))
    found.append(await checked("key", patient.open_key()))
    found.append(await checked("database", patient.open_database(), hint="run `overlay db check`"))
    if found[-1].ok:
        found += await patient.examine_world()
    return found


async def _home(invocation: Invocation) -> str:
    invocation.home.create()
    return await machine.folder(invocation.home.path)


@dataclass(slots=True)
class _Patient:
    """One producer on this machine, as far as it is there."""

    invocation: Invocation
    network: Network = Network.EMBEDDED
    loaded: Loaded | None = None
    keys: Keys | None = None
    chain: Digest | None = None

    async def load(self, paths: tuple[Path, ...], given: options.Given) -> str:
        """The manifests, where there are any; the network."""
        try:
            named = manifest_paths(paths, self.invocation.directory)
        except UsageError:
            self.network = await _network(self.invocation)
            return f"none here; network {self.network}"
        self.network = self.invocation.named_network() or self.network
        self.loaded = await load_manifests(self.invocation, named, given)
        self.network = self.loaded.network
        return f"{self.loaded.state.producer.id.name}, network {self.network}"

    async def open_key(self) -> str:
        """The identity key."""
        file, env = (self.loaded.key_file, self.loaded.key_env) if self.loaded else (KEY_FILE, None)
        path = key_path(self.invocation, file)
        in_environment = env or self.invocation.environment.get("OVERLAY_IDENTITY_KEY")
        if not in_environment and self.network.is_toy and not path.exists():
            return "none yet; the first plan makes one"
        self.keys = keys_of(self.invocation, self.network, file=file, env=env, create=False)
        where = "from the environment" if in_environment else machine.key_mode(path)
        return f"{self.keys.identity}, {where}"

    async def open_database(self) -> str:
        """The recorded state."""
        is_foreign = bool(self.invocation.environment.get("DATABASE_URL"))
        if not is_foreign and not self.invocation.home.states(self.network):
            return "none yet; the first plan makes one"
        async with self._database() as opened:
            await check_schema(opened.database)
            async with opened.database.reading() as connection:
                root = await Published(connection).root()
        self.chain = None if root is None else root.network_id
        return "up to date, nothing is live" if root is None else f"up to date, generation {root.generation} is live"

    async def examine_world(self) -> tuple[Check, ...]:
        """Everybody else."""
        endpoints = endpoints_of(self.network, self.loaded.producer_sealed) if self.loaded else None
        async with open_site(self.invocation, self.network, identity=self._identity, endpoints=endpoints) as site:
            return await Examination(
                world=site.world(),
                lookups=site.resolver,
                storage=self.loaded.state.storage_hosts if self.loaded else site.endpoints.storage,
                gateway_url=self.loaded.gateway_url if self.loaded else None,
                keys=self.keys,
                recorded_chain=self.chain,
                now=int(clock()),
            ).checks()

    def _database(self) -> AbstractAsyncContextManager[Opened]:
        return open_database(self.invocation, self.network, self._identity, Otherwise.REFUSE)

    @property
    def _identity(self) -> IdentityKey | None:
        return self.keys.identity if self.keys else None


async def _network(invocation: Invocation) -> Network:
    """The network that is meant where there is no manifest."""
    try:
        return await implied_network(invocation)
    except OverlayError:
        return Network.EMBEDDED
