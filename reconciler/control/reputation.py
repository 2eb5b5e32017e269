"""What anybody can see of a producer's past, on chain, and what its own books add. Counted, never scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.control.history import Version, history
from reconciler.control.takings import Takings, takings
from reconciler.control.world import World
from reconciler.model.ids import IdentityKey
from reconciler.observe.roots import LiveRoot
from reconciler.store.database import Database
from reconciler.wallet.keys import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Reputation:
    """Facts. Heights are of blocks; None where no block has it yet."""

    generations: int
    """That hosts show; each one is a transaction on chain."""
    first_height: int | None
    newest_height: int | None
    tip: int
    rotations: tuple[IdentityKey, ...]
    """Keys that this one has taken over from, and that are still named."""
    ads: Mapping[str, int]
    """How many advertisements the root lists, by protocol."""
    takings: Takings
    """What the books of this machine say of sales."""

    @property
    def blocks(self) -> int | None:
        """For how long there has been a root, in blocks."""
        return None if self.first_height is None else self.tip - self.first_height + 1


async def reputation(world: World, live: LiveRoot, *, database: Database, gateway: Keys | None, now: int) -> Reputation:
    """What the chain shows, and the books of this machine. Raises UnreachableError where no host answers, VerificationError where one lies."""
    producer = live.document.producer
    past = await history(producer, None, hosts=world.outside, verifier=world.headers, now=now)
    heights = [version.height for version in past.versions if version.height is not None]
    return Reputation(
        generations=_generations(past.versions),
        first_height=min(heights, default=None),
        newest_height=max(heights, default=None),
        tip=await world.headers.height(),
        rotations=tuple(previous.key for previous in live.document.keys.previous),
        ads=Counter(ad.protocol.value for ad in live.document.ads),
        takings=await takings(database=database, gateway=gateway, arc=world.arc, headers=world.headers),
    )


def _generations(versions: Sequence[Version]) -> int:
    """A large apply shows its generation twice: pending, and final."""
    return len({version.generation for version in versions if version.generation})
