"""Telling those whom the manifest names (`Producer.notify`) what happened: soon, signed, and never in the way of an apply."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol, Self
from urllib.parse import urlsplit

from reconciler.clients.webhooks import origin_of, post
from reconciler.control.happenings import DriftFound, Happening, PlanApplied, RoundFailed
from reconciler.model.errors import GuardError, LockedError, OverlayError, StateError
from reconciler.model.ids import Network
from reconciler.model.json import Json, JsonObject
from reconciler.model.vocabulary import Occasion
from reconciler.plan.guards import GuardName
from reconciler.wire.http import Http
from reconciler.wire.uris import is_local

PATIENCE: Final = 10.0
"""Seconds that all of a round's posts may take together."""


class Secrets(Protocol):
    """Finds secrets where manifests say that they are."""

    def __call__(self, *, env: str | None, file: str | None) -> str:
        """The secret of a variable or of a file below OVERLAY_HOME. Raises StateError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """An address, what it wants to be told of, and where the key of its signature is."""

    url: str
    occasions: frozenset[Occasion]
    env: str | None
    file: str | None

    @classmethod
    def of(cls, value: JsonObject) -> Self:
        """From an entry of `Producer.notify`, which the manifests' models have checked."""
        match value:
            case {"url": str(url)}:
                secret, on = value.get("secret"), value.get("on")
                place = secret if isinstance(secret, dict) else {}
                return cls(
                    url=url,
                    occasions=frozenset(Occasion(str(each)) for each in on)
                    if isinstance(on, list)
                    else frozenset(Occasion),
                    env=_text(place.get("env")),
                    file=_text(place.get("file")),
                )
        raise StateError("an entry of notify has no url")

    @property
    def is_signed(self) -> bool:
        """Whether a key is named."""
        return self.env is not None or self.file is not None


def receivers_of(producer_sealed: JsonObject) -> tuple[Receiver, ...]:
    """Those whom a producer's sealed fields name."""
    listed = producer_sealed.get("notify")
    return tuple(Receiver.of(each) for each in listed if isinstance(each, dict)) if isinstance(listed, list) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Posts what happened to a producer on a network."""

    http: Http
    receivers: Sequence[Receiver]
    secrets: Secrets
    producer: str
    network: Network
    clock: Callable[[], float]
    randomness: Callable[[int], bytes]

    async def notify(self, happenings: Sequence[Happening]) -> tuple[OverlayError, ...]:
        """Tell everybody who wants to know, once, in bounded time; who could not be told, and why."""
        posts = [
            self._post(receiver, occasion, happening)
            for happening in happenings
            for occasion in occasions_of(happening)
            for receiver in self.receivers
            if occasion in receiver.occasions
        ]
        found = await asyncio.gather(*posts)
        return tuple(error for error in found if error is not None)

    async def _post(self, receiver: Receiver, occasion: Occasion, happening: Happening) -> OverlayError | None:
        at = int(self.clock())
        body: JsonObject = {
            "type": f"overlay.{occasion}",
            "timestamp": datetime.fromtimestamp(at, UTC).isoformat(),
            "data": {"producer": self.producer, "network": self.network.value, **_data(happening)},
        }
        message = f"msg_{self.randomness(12).hex()}"
        try:
            self._check_place(receiver.url)
            secret = self.secrets(env=receiver.env, file=receiver.file) if receiver.is_signed else None
            async with asyncio.timeout(PATIENCE):
                await post(self.http, receiver.url, json.dumps(body).encode(), message=message, at=at, secret=secret)
        except OverlayError as error:
            return error
        except TimeoutError:
            return StateError("a webhook took too long", where=origin_of(receiver.url))
        return None

    def _check_place(self, url: str) -> None:
        parts = urlsplit(url)
        is_here = is_local(parts.hostname or "")
        if self.network.is_toy and not is_here:
            raise StateError("nothing leaves this machine on a toy network, webhooks included", where=origin_of(url))
        if not self.network.is_toy and (is_here or parts.scheme != "https"):
            raise StateError("a webhook must be https, and not of this machine", where=origin_of(url))


def occasions_of(happening: Happening) -> tuple[Occasion, ...]:
    """What something that happened is an occasion of; most are of none."""
    match happening:
        case PlanApplied():
            return (Occasion.APPLIED,)
        case DriftFound():
            return (Occasion.DRIFT,)
        case RoundFailed(error=GuardError() as error):
            others = error.guards != (GuardName.COINS,)
            lacks = GuardName.COINS in error.guards
            return (*((Occasion.REFUSED,) if others else ()), *((Occasion.LOW_FUNDS,) if lacks else ()))
        case RoundFailed(error=LockedError()):  # somebody else is at work
            return ()
        case RoundFailed():
            return (Occasion.FAILED,)
        case _:
            return ()


def _data(happening: Happening) -> dict[str, Json]:
    match happening:
        case PlanApplied():
            return {
                "planId": happening.plan_id,
                "generation": happening.generation,
                "txid": happening.txid,
                "cost": happening.cost,
            }
        case DriftFound():
            return {"objects": [str(address) for address in happening.objects]}
        case RoundFailed(error=error):
            return {"error": error.message, "where": error.where, "hint": error.hint}
        case _:
            return {}


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
