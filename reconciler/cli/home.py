"""Where this tool keeps its files (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from reconciler.model.ids import IdentityKey, Network

FOLDER: Final = ".overlay"
STATE: Final = "state.db"
KEY_FILE: Final = "identity.key"
GATEWAY_FILE: Final = "gateway.key"
_DIGITS: Final = 16
"""Of an identity key, that are enough to tell it from others."""


@dataclass(frozen=True, slots=True)
class Home:
    """OVERLAY_HOME and what lies in it."""

    path: Path

    @classmethod
    def find(cls, environment: Mapping[str, str], directory: Path) -> Self:
        """OVERLAY_HOME; else the nearest `.overlay` upward; else a new one beside the nearest `.git`, or right here."""
        named = environment.get("OVERLAY_HOME")
        if named:
            return cls(Path(named).expanduser().absolute())
        upward = [directory, *directory.parents]
        for marker in (FOLDER, ".git"):
            for folder in upward:
                if (folder / marker).exists():
                    return cls(folder / FOLDER)
        return cls(directory / FOLDER)

    def create(self) -> None:
        """Make it, with a `.gitignore` that keeps all of it out of git."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")

    def key(self, file: str) -> Path:
        """The private key file; `file` is relative to OVERLAY_HOME unless absolute."""
        return self.path / file

    @property
    def cache(self) -> Path:
        """What may be deleted at any time."""
        return self.path / "cache"

    def network(self, network: Network) -> Path:
        """Everything of one network; networks do not mix."""
        return self.path / network.value

    def state(self, network: Network) -> Path:
        """Our own database of that network: that of the first identity."""
        return self.network(network) / STATE

    def state_of(self, network: Network, identity: IdentityKey) -> Path:
        """The database of an identity that is not the first."""
        return self.network(network) / f"state-{identity[:_DIGITS]}.db"

    def states(self, network: Network) -> tuple[Path, ...]:
        """The databases of that network that are there, the first identity's first."""
        first = self.state(network)
        others = sorted(self.network(network).glob(f"state-{'[0-9a-f]' * _DIGITS}.db"))
        return (*((first,) if first.exists() else ()), *others)

    def world(self, network: Network) -> Path:
        """The toy world's own state: somebody else's in real life, and treated so."""
        return self.network(network) / "world"

    def consumer_settings(self, network: Network) -> Path:
        """What `consumer init` was told."""
        return self.network(network) / "consumer.json"

    def networks(self) -> tuple[Network, ...]:
        """The networks that have state here."""
        return tuple(
            network
            for network in Network
            if self.states(network) or self.world(network).exists() or self.consumer_settings(network).exists()
        )
