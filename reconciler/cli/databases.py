"""Which database a command works on: one for each identity, so that coins and records of two keys never mix (DESIGN §6).

The first identity of a network has `state.db`. Another one gets a file named after it, beside the first, and only where
somebody says so (`--replace-identity`); nothing is moved, so that going back to the first key finds everything as it was.
What a file is called decides nothing: each remembers the identity that it is bound to. DATABASE_URL is one database, and
its first identity's for good.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from reconciler.cli.home import Home
from reconciler.cli.invocation import Invocation
from reconciler.control.binding import holder, is_vacant
from reconciler.model.errors import GuardError, StateError
from reconciler.model.ids import IdentityKey, Network
from reconciler.store.database import Database
from reconciler.store.schema import check, prepare


class Otherwise(StrEnum):
    """What is done for a key that has no database here, where another identity has one."""

    REFUSE = "refuse"
    """Nothing: GuardError."""
    MAKE = "make"
    """It gets its own: --replace-identity was given."""
    PRETEND = "pretend"
    """A plan is made on an empty one that is forgotten afterwards, so that its guard can say what is missing."""
    READ = "read"
    """What there is is read: for commands that only show or keep up what this machine has."""

    @classmethod
    def for_apply(cls, *, replaces_identity: bool) -> Self:
        """As an apply goes about it, with --replace-identity or without."""
        return cls.MAKE if replaces_identity else cls.REFUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A file, and whose records are in the way of it."""

    path: Path
    incumbent: IdentityKey | None = None
    """The identity that `state.db` belongs to, where it is another than the one that this file is for."""

    @property
    def is_refused(self) -> bool:
        """Whether the file would have to be made beside another identity's."""
        return self.incumbent is not None and not self.path.exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open database, of whatever shape."""

    database: Database
    incumbent: IdentityKey | None = None
    is_ours: bool = True
    """A file of this program's own, and not what DATABASE_URL names."""

    async def ready(self) -> None:
        """Have the shape that this program needs: a new file of ours is set up, any other is checked. Raises StateError.

        A database that somebody else made is theirs to upgrade.
        """
        await (prepare if self.is_ours else check)(self.database)


@asynccontextmanager
async def open_database(
    invocation: Invocation,
    network: Network,
    identity: IdentityKey | None,
    otherwise: Otherwise,
    *,
    successor: IdentityKey | None = None,
) -> AsyncIterator[Opened]:
    """The database of one identity on one network; without a key the first there is. Raises GuardError, StateError.

    `successor` is whom the identity hands over to: once it has, the database is the successor's.
    """
    url = invocation.environment.get("DATABASE_URL")
    if url:
        async with _opened(url) as database:
            yield Opened(database=database, is_ours=False)
        return
    invocation.home.create()
    invocation.home.network(network).mkdir(parents=True, exist_ok=True)
    choice = await _choose(invocation.home, network, identity, successor)
    with ExitStack() as stack:
        path = choice.path
        if choice.is_refused and otherwise is Otherwise.REFUSE:
            raise _belongs_to_another(choice)
        if choice.is_refused and otherwise is Otherwise.PRETEND:
            path = Path(stack.enter_context(TemporaryDirectory(prefix="overlay-"))) / path.name
        if choice.is_refused and otherwise is Otherwise.READ:
            path = invocation.home.state(network)
        async with _opened(_url(path)) as database:
            yield Opened(database=database, incumbent=choice.incumbent)


async def holders(invocation: Invocation, network: Network) -> frozenset[IdentityKey]:
    """The identities that have a database here."""
    url = invocation.environment.get("DATABASE_URL")
    found = set()
    for each in [url] if url else map(_url, invocation.home.states(network)):
        async with _opened(each) as database:
            found.add(await holder(database))
    return frozenset(identity for identity in found if identity is not None)


async def recorded_networks(invocation: Invocation) -> tuple[Network, ...]:
    """The networks that have state here. One that a command has only tried to reach, and has not, is not among them."""
    home = invocation.home
    return tuple([network for network in home.networks() if await _is_recorded(home, network)])


async def _is_recorded(home: Home, network: Network) -> bool:
    if home.world(network).exists() or home.consumer_settings(network).exists():
        return True
    for path in home.states(network):
        async with _opened(_url(path)) as database:
            try:
                if not await is_vacant(database):
                    return True
            except StateError:  # not of this version's shape: what is in it is not for this to say
                return True
    return False


async def _choose(home: Home, network: Network, identity: IdentityKey | None, successor: IdentityKey | None) -> Choice:
    """The file that is bound to the identity; else `state.db`, where that is still free; else one of its own."""
    first, present = home.state(network), home.states(network)
    if identity is None:
        return Choice(path=present[0] if present else first)
    incumbent = None
    for path in present:
        async with _opened(_url(path)) as database:
            found = await holder(database)
        if found is not None and found in {identity, successor}:
            return Choice(path=path, incumbent=incumbent)
        if path == first:
            incumbent = found
    return Choice(path=first if incumbent is None else home.state_of(network, identity), incumbent=incumbent)


def _belongs_to_another(choice: Choice) -> GuardError:
    return GuardError(
        f"what is recorded here belongs to the identity {choice.incumbent}, and the key at hand is another one's",
        where=str(choice.path.parent),
        hint="use that identity's key, or give plan and apply --replace-identity: this one then gets its own database",
    )


def _url(path: Path) -> str:
    return f"sqlite:///{path}"


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = Database.open(url)
    try:
        yield database
    finally:
        await database.close()
