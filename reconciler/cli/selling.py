"""What `serve` sells with, wired: the transaction processors that the rules name, till, treasury and backup.

Rules are those of the live root: who applies others does not have to start this again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.chain.providers import Provider, Providers
from reconciler.cli.wiring import Site, clock
from reconciler.clients.storage import StorageClient
from reconciler.control.bundles import Bundler
from reconciler.control.notify import Secrets
from reconciler.control.restore import storage_hosts
from reconciler.gateway.rules import Arc as NamedArc
from reconciler.gateway.rules import Rules, arcs_of, settle_of
from reconciler.model.amounts import FeeRate
from reconciler.model.errors import StateError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.networks import ARC_PRESETS
from reconciler.model.vocabulary import ArcPreset
from reconciler.payments.ports import Miner
from reconciler.payments.till import Till
from reconciler.payments.treasury import Cadence, Daily, Treasury
from reconciler.store.published import Published
from reconciler.wallet.keys import Keys
from reconciler.wire.arc import TxReport
from reconciler.wire.beef import Beef

_RULES_SECONDS: Final = 5.0
"""For how long rules are taken for the same: they are asked for with every payment."""

_HEADER_SECONDS: Final = 1.0
"""For how long a header near the tip is taken for the same: a proof that a reorg takes away later is looked after anyway."""


class LiveRules:
    """The PaymentRules of the live root."""

    def __init__(self, site: Site, gateway: IdentityKey) -> None:
        self._site = site
        self._gateway = gateway
        self._rules: Rules | None = None
        self._read_at = -_RULES_SECONDS

    async def __call__(self) -> Rules | None:
        """They; None before anything was published."""
        if clock() - self._read_at >= _RULES_SECONDS:
            root = await self._site.database.read(lambda connection: Published(connection).root())
            self._rules = None if root is None else Rules.of(root.settings, root.record.sealed, self._gateway)
            self._read_at = clock()
        return self._rules

    async def cadence(self) -> Cadence:
        """When this gateway settles."""
        rules = await self()
        return (None if rules is None else settle_of(rules)) or Daily()


class RuledArcs:
    """The transaction processors that the rules name, else the network's. Satisfies payments.treasury.Payer."""

    def __init__(self, site: Site, rules: LiveRules, secret_of: Secrets, tell: Callable[[str], None]) -> None:
        self._site = site
        self._rules = rules
        self._secret_of = secret_of
        self._tell = tell
        self._named: tuple[ArcPreset | NamedArc, ...] | None = None
        self._providers = Providers(())

    async def submit(self, beef: Beef, subject: Txid | None = None) -> TxReport:
        """See chain.providers.Providers."""
        return await (await self._current()).submit(beef, subject)

    async def status(self, txid: Txid) -> TxReport | None:
        """See chain.providers.Providers."""
        return await (await self._current()).status(txid)

    async def policy(self) -> FeeRate:
        """See chain.providers.Providers."""
        return await (await self._current()).policy()

    async def _current(self) -> Providers:
        rules = await self._rules()
        named = () if rules is None else arcs_of(rules)
        if named != self._named:  # what is known of how they answered stays with them until the rules change
            self._named, self._providers = named, self._made(named)
        return self._providers

    def _made(self, named: tuple[ArcPreset | NamedArc, ...]) -> Providers:
        found: dict[str, Provider] = {}
        for choice in named:
            for name, url, token in self._addresses(choice):
                found.setdefault(url, self._provider(name, url, token))
        if not found:
            found = {url: self._provider(url, url, None) for url in self._site.endpoints.arcs}
        return Providers(tuple(found.values()))

    def _addresses(self, choice: ArcPreset | NamedArc) -> list[tuple[str, str, str | None]]:
        """Names, addresses and API keys; none of one whose key is not on this machine."""
        if isinstance(choice, ArcPreset):
            preset = ARC_PRESETS[choice].get(self._site.network)
            return [(choice, url, None) for url in (self._site.endpoints.arcs if preset is None else (preset,))]
        if not choice.key:
            return [(choice.name, choice.url, None)]
        try:
            token = self._secret_of(env=choice.key.get("env"), file=choice.key.get("file"))
        except StateError as error:
            self._tell(f"Payments are not given to {choice.name}: {error.message}.")
            return []
        return [(choice.name, choice.url, token)]

    def _provider(self, name: str, url: str, token: str | None) -> Provider:
        return Provider(name, Arc(self._site.http, url, token=token), clock=clock)


@dataclass(frozen=True, slots=True)
class Business:
    """What a gateway sells with, and what it does in the background."""

    till: Till
    treasury: Treasury
    bundler: Bundler


def business_of(
    site: Site,
    keys: Keys,
    producer: IdentityKey,
    secret_of: Secrets,
    tell: Callable[[str], None],
    *,
    watched: Callable[[Miner], Miner],
) -> Business:
    """The business of the gateway that has these keys. `watched` is the way to ARC on which its answers are counted."""
    rules, headers = (
        LiveRules(site, keys.identity),
        Headers(site.http, site.endpoints.headers, fresh_for=_HEADER_SECONDS),
    )
    arcs = RuledArcs(site, rules, secret_of, tell)

    async def hosts() -> Mapping[str, StorageClient]:
        root = await site.database.read(lambda connection: Published(connection).root())
        world = site.world()
        return {} if root is None else world.storage(storage_hosts(root.record.sealed, world), keys)

    return Business(
        till=Till(
            database=site.database,
            receiver=keys,
            miner=watched(arcs),
            chain=headers,
            clock=clock,
            randomness=secrets.token_bytes,
        ),
        treasury=Treasury(
            database=site.database,
            keys=keys,
            producer=producer,
            miner=arcs,
            chain=headers,
            clock=clock,
            cadence=rules.cadence,
        ),
        bundler=Bundler(
            database=site.database,
            keys=keys,
            hosts=hosts,
            index=site.index(),
            clock=clock,
            randomness=secrets.token_bytes,
            tell=tell,
        ),
    )
