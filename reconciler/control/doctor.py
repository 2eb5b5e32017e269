"""What has to be so for an apply to go well: this machine, and everybody that it has to reach."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.control.discovery import Lookups, discoverable
from reconciler.control.serving import serves
from reconciler.control.world import World
from reconciler.model.desired import StorageHost
from reconciler.model.errors import OverlayError, RefusedError, StateError, UnreachableError
from reconciler.model.ids import Digest, IdentityKey, Network
from reconciler.model.observed import Answer
from reconciler.observe.roots import read_roots
from reconciler.wallet.keys import Keys

PYTHONS: Final = ((3, 11), (3, 13))
"""The oldest and the newest that this program is made for."""
_FREE: Final = 256 * 1024 * 1024
_AHEAD: Final = 2 * 3600
"""Seconds by which a block may be ahead of the true time; beyond that nodes refuse it."""
_BEHIND: Final = 24 * 3600
"""Seconds without a block that a real chain never sees."""
_SAMPLE: Final = (1_000_000, 180 * 24 * 60)
"""Bytes and minutes that a storage host is asked the price of."""

CHAINS: Final = {
    Network.MAIN: Digest("00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048"),
    Network.TEST: Digest("00000000b873e79784647a6c82962c70d228557d24a747ea4d1b8bbe878e1206"),
}
"""Block 1 of the chains that everybody shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    hint: str | None = None


async def checked(name: str, work: Awaitable[str], *, hint: str | None = None) -> Check:
    """A check that says what it found, or fails with what it raises."""
    try:
        return Check(name=name, ok=True, detail=await work)
    except OverlayError as error:
        return Check(name=name, ok=False, detail=error.message, hint=error.hint or hint)
    except OSError as error:
        detail = f"the system refuses: {(error.strerror or type(error).__name__).lower()}"
        return Check(name=name, ok=False, detail=detail, hint=hint)


# This machine


async def python() -> str:
    """Whether this Python is one that the program is made for."""
    found = ".".join(map(str, sys.version_info[:3]))
    oldest, newest = PYTHONS
    if not oldest <= sys.version_info[:2] <= newest:
        raise StateError(f"this is Python {found}", hint="use Python {}.{} to {}.{}".format(*oldest, *newest))
    return found


async def folder(path: Path) -> str:
    """Whether files can be made in OVERLAY_HOME."""
    with tempfile.NamedTemporaryFile(dir=path, prefix=".doctor-"):
        return str(path)


async def disk(path: Path) -> str:
    """Whether there is room for state and content."""
    free = shutil.disk_usage(path).free
    if free < _FREE:
        raise StateError(f"only {free // 1_000_000} MB are free", hint="make room before you apply")
    return f"{free / 1_000_000_000:,.1f} GB free"


async def git() -> str:
    """Whether commits can be named in what is published."""
    found = shutil.which("git")
    if found is None:
        raise StateError("git is not installed", hint="without it nobody learns which commit was published")
    return found


def key_mode(path: Path) -> str:
    """Whether nobody else may read a key file."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise StateError(f"others may read {path} (mode {mode:04o})", hint=f"chmod 600 {path}")
    return f"{path} (mode {mode:04o})"


# Everybody else


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Everybody that an apply has to reach, examined at `now` (unix seconds)."""

    world: World
    lookups: Lookups
    """The network as a consumer sees it."""
    storage: Iterable[StorageHost]
    gateway_url: str | None
    keys: Keys | None
    """The identity key; None where there is none yet."""
    recorded_chain: Digest | None
    """The chain that this machine's state belongs to; None where it has none."""
    now: int

    async def checks(self) -> tuple[Check, ...]:
        """All of them, asked at once."""
        world = self.world
        asked = [
            checked("chain", self._chain(), hint="check --network and spec.network.chainTracker"),
            checked("clock", self._clock(), hint="set this machine's clock, or let NTP do so"),
            checked("arc", self._arc(), hint="check spec.network.arc"),
            *(checked(f"host {url}", self._host(url)) for url in world.outside),
            *(checked(f"storage {host.name}", self._storage(host)) for host in self.storage),
        ]
        if self.gateway_url is not None and self.keys is not None:
            url, identity = self.gateway_url, self.keys.identity
            found = discoverable(url, identity=identity, lookups=self.lookups, plain_http=self.world.network.is_toy)
            asked.append(checked("gateway", self._gateway(url, identity), hint="run `overlay serve`"))
            asked.append(checked("discovery", found))
        return tuple(await asyncio.gather(*asked))

    async def _chain(self) -> str:
        headers = self.world.headers
        found, height = await asyncio.gather(headers.network_id(), headers.height())
        for expected, whose in (
            (CHAINS.get(self.world.network), "the network's"),
            (self.recorded_chain, "the state's"),
        ):
            if expected not in {None, found}:
                raise StateError(f"the headers are of the chain {found}, {whose} is {expected}")
        return f"at height {height:,}"

    async def _clock(self) -> str:
        ahead = await self.world.headers.time() - self.now
        if ahead > _AHEAD:
            raise StateError(f"this machine's clock is at least {ahead:,} seconds behind the newest block")
        if not self.world.network.is_toy and -ahead > _BEHIND:  # a toy chain has a block when it needs one
            raise StateError(f"the newest block is {-ahead:,} seconds old by this machine's clock")
        return f"the newest block is {max(0, -ahead):,} seconds old"

    async def _arc(self) -> str:
        rate, is_well = await asyncio.gather(self.world.arc.policy(), self.world.arc.health())
        if not is_well:
            raise UnreachableError("it answers that it is not well")
        return f"{rate.satoshis} satoshis for {rate.bytes} bytes"

    async def _host(self, url: str) -> str:
        """What a host shows of ours is verified on the chain that we see, so another chain's host is told."""
        host = self.world.outside[url]
        services = await host.services()
        if self.keys is None:
            return f"{len(services)} look-up services"
        readings = await read_roots(self.keys.identity, hosts={url: host}, verifier=self.world.headers, now=self.now)
        if readings.faults:
            raise StateError(readings.faults[0])
        match [reading.answer for reading in readings.readings]:
            case [Answer.UNREACHABLE]:
                raise UnreachableError("it does not answer a look-up")
            case [Answer.ROOT]:
                return "shows a root of this identity, on this chain"
            case [Answer.NONE]:
                return "knows of nothing of this identity"
            case _:
                return "does not keep the catalog"

    async def _storage(self, host: StorageHost) -> str:
        (client,) = self.world.storage([host], self.keys).values()
        asked = f"{await client.quote(*_SAMPLE):,} satoshis for a megabyte, 180 days"
        return asked if self.keys is None else f"{asked}; keeps {len(await client.listing())} objects of ours"

    async def _gateway(self, url: str, identity: IdentityKey) -> str:
        if await serves(self.world.http, url, identity):
            return url
        if self.world.network.is_toy:
            return f"{url} is not served now; `overlay serve` does"
        raise RefusedError(f"no gateway of this producer answers at {url}")
