"""What was sold for a payment, frozen when the payment is written down: any process can make a sale of it later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from reconciler.model.amounts import Satoshis, satoshis
from reconciler.model.errors import StateError
from reconciler.model.goods import Good
from reconciler.model.ids import Digest, IdentityKey, digest, identity_key
from reconciler.model.json import JsonObject
from reconciler.wire.receipt import Allowance

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Portion:
    """What one payee gets of one payment: at least 1 satoshi."""

    payee: IdentityKey
    satoshis: Satoshis

    def to_json(self) -> JsonObject:
        """For a column."""
        return {"payee": self.payee, "satoshis": self.satoshis}

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(identity_key(value["payee"]), satoshis(value["satoshis"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A good as it was sold. Kept as JSON."""

    network: Digest
    """The hash of the chain's block 1."""
    producer: IdentityKey
    good: Good
    document: Digest
    """The hash of the good's document: which version."""
    downloads: int
    bytes: int
    seconds: int
    """How much may be downloaded, and for how long after the payment is accepted."""
    tier: str
    """The buyer's, when he bought."""
    portions: tuple[Portion, ...] = ()
    """Of a native payment; all of any other one is ours."""

    def allowance(self, accepted: int) -> Allowance:
        """What may be had for a payment that was accepted at that time (unix seconds)."""
        return Allowance(self.downloads, self.bytes, accepted + self.seconds)

    def to_json(self) -> JsonObject:
        """For a column."""
        return {
            "version": _VERSION,
            "network": self.network,
            "producer": self.producer,
            "good": str(self.good),
            "documentHash": self.document,
            "downloads": self.downloads,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "tier": self.tier,
            "portions": [each.to_json() for each in self.portions],
        }

    @classmethod
    def of_json(cls, value: Any) -> Self:
        """Read what `to_json` wrote. Raises StateError for anything else."""
        try:
            return cls._of(value)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the terms of a payment are damaged: {error!r}") from error

    @classmethod
    def _of(cls, value: Any) -> Self:
        if value["version"] != _VERSION:
            raise ValueError(f"version {value['version']} is not one that this tool knows")
        return cls(
            network=digest(value["network"]),
            producer=identity_key(value["producer"]),
            good=Good.parse(value["good"]),
            document=digest(value["documentHash"]),
            downloads=value["downloads"],
            bytes=value["bytes"],
            seconds=value["seconds"],
            tier=value["tier"],
            portions=tuple(map(Portion.of_json, value["portions"])),
        )
