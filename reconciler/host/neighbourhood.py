"""Everything that a host does with other hosts, put together: telling them, and catching up with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from reconciler.host.engine import Engine
from reconciler.host.peers import Acquaintances
from reconciler.host.ports import Peers
from reconciler.host.propagation import Propagation
from reconciler.host.sync import Synchroniser
from reconciler.store.database import Database
from reconciler.web.background import Turns, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """Who the others are. `dice` gives numbers from 0 to 1; seconds are those between two rounds."""

    peers: Peers
    dice: Callable[[], float]
    forward_every: float = 15.0
    sync_every: float = 60.0


class Dealings:
    """What one host does in its neighbourhood."""

    def __init__(self, neighbourhood: Neighbourhood, *, database: Database, clock: Callable[[], float]) -> None:
        self._neighbourhood = neighbourhood
        self._database = database
        self._clock = clock
        self._acquaintances = Acquaintances(database, clock=clock, dice=neighbourhood.dice)
        self.propagation = Propagation(
            database=database,
            peers=neighbourhood.peers,
            acquaintances=self._acquaintances,
            clock=clock,
            dice=neighbourhood.dice,
        )

    def synchroniser(self, engine: Engine) -> Synchroniser:
        """What keeps an engine up to date."""
        return Synchroniser(
            engine=engine,
            database=self._database,
            peers=self._neighbourhood.peers,
            acquaintances=self._acquaintances,
            clock=self._clock,
            dice=self._neighbourhood.dice,
        )

    def works(self, engine: Engine, turns: Turns) -> tuple[Work, ...]:
        """What goes on for as long as the server runs.

        Every process tells others of its own news at once, and claims each delivery; one of all catches up.
        """
        return (
            partial(self.propagation.run, self._neighbourhood.forward_every),
            partial(turns, partial(self.synchroniser(engine).run, self._neighbourhood.sync_every)),
        )
