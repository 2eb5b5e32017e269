"""A storage host for any ASGI server, told by the environment: `uvicorn --factory reconciler.cli.storing:app` (docs/operations.md).

It is no command of `overlay`: it is somebody's who keeps bytes for others, with a key, coins and a database that are no producer's.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from reconciler.cli.doors import patience
from reconciler.cli.wiring import clock
from reconciler.clients.http import HttpClient
from reconciler.devnet.storage import storage_host
from reconciler.model.amounts import satoshis
from reconciler.model.errors import UsageError
from reconciler.model.ids import Network
from reconciler.model.json import Json
from reconciler.model.networks import Endpoints, endpoints_of
from reconciler.storage.bucket import Bucket
from reconciler.storage.disk import Disk
from reconciler.storage.terms import Prices
from reconciler.store.database import Database
from reconciler.store.schema import check
from reconciler.wallet.keys import Keys
from reconciler.web.lifespans import App, Opening
from reconciler.wire.uhrp import location_fault

T = TypeVar("T")

_S3: Final = "s3://"
_SWEEP_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says of a storage host."""

    network: Network
    endpoints: Endpoints
    url: str
    """Where uploaders and readers reach it."""
    keys: Keys
    database: str
    place: str
    """A folder, or `s3://BUCKET/PREFIX`."""
    s3: str | None
    """The URL of an S3 that is not Amazon's."""
    prices: Prices
    patience: float
    """Seconds that every answer is given at least."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Raises UsageError, which names the variable, where one is missing or wrong."""
        network = _read(environment, "OVERLAY_NETWORK", Network)
        named: dict[str, Json] = {
            field: environment[variable]
            for field, variable in (("arc", "OVERLAY_STORAGE_ARC"), ("chainTracker", "OVERLAY_STORAGE_CHAIN_TRACKER"))
            if environment.get(variable)
        }
        hosts = environment.get("OVERLAY_STORAGE_HOSTS", "").split()
        return cls(
            network=network,
            endpoints=endpoints_of(network, {"network": {**named, **({"hosts": [*hosts]} if hosts else {})}}),
            url=_read(environment, "OVERLAY_STORAGE_URL", partial(_advertisable, network)),
            keys=_read(environment, "OVERLAY_STORAGE_KEY", lambda text: Keys(bytes.fromhex(text.strip()))),
            database=_read(environment, "DATABASE_URL", str),
            place=_read(environment, "OVERLAY_STORAGE_PLACE", str),
            s3=environment.get("AWS_ENDPOINT_URL") or None,
            prices=Prices(_read(environment, "OVERLAY_STORAGE_PRICE", lambda text: satoshis(int(text)))),
            patience=patience(environment),
        )


def app() -> Opening:
    """The storage host of this process's environment. Raises UsageError."""
    settings = Settings.of(os.environ)
    return Opening(lambda: _opened(settings))


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[App]:
    """Raises StateError and UnreachableError where its database is not there, or not as it should be."""
    database = Database.open(settings.database)
    try:
        await check(database)
        async with HttpClient(patience=settings.patience) as http:
            yield storage_host(
                database,
                settings.endpoints,
                network=settings.network,
                url=settings.url,
                keys=settings.keys,
                bucket=_bucket(settings),
                prices=settings.prices,
                http=http,
                clock=clock,
                randomness=secrets.token_bytes,
                sweep_every=_SWEEP_SECONDS,
            )
    finally:
        await database.close()


def _advertisable(network: Network, url: str) -> str:
    """What advertisements may name: else uploaders would have paid before it shows. Raises ValueError."""
    fault = location_fault(url, plain_http=network.is_toy)
    if fault or "?" in url or "#" in url:
        raise ValueError(fault)
    return url.rstrip("/")


def _bucket(settings: Settings) -> Bucket:
    if not settings.place.startswith(_S3):
        return Disk(Path(settings.place))
    try:
        from reconciler.storage.s3 import S3  # noqa: PLC0415 - an extra, which a folder does without
    except ImportError:
        raise UsageError("S3 needs the extra s3", hint="pip install 'overlay-reconciler[s3]'") from None
    bucket, _, prefix = settings.place.removeprefix(_S3).partition("/")
    return S3(bucket, prefix=prefix, endpoint=settings.s3)


def _read(environment: Mapping[str, str], variable: str, meaning: Callable[[str], T]) -> T:
    text = environment.get(variable)
    if not text:
        raise UsageError(f"the variable {variable} is not set")
    try:
        return meaning(text)
    except ValueError:  # which may quote a key
        raise UsageError(f"what the variable {variable} holds is not one", hint="see docs/operations.md") from None
