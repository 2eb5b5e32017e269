"""Our gateway, as a server that is measured: what it sells was applied in an embedded world, which is left alone afterwards.

Buyers' coins are of another chain, whose headers and ARC are over TCP (benchmarks/world.py).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette

from benchmarks.processes import ROOT, python
from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.cli.arguments import Globals
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation
from reconciler.cli.libraries import open_library
from reconciler.cli.wiring import open_site
from reconciler.gateway.app import build_app
from reconciler.model.errors import StateError
from reconciler.model.ids import Network
from reconciler.model.keys import GATEWAY_KEY
from reconciler.payments.till import Till
from reconciler.wallet.keys import Keys
from reconciler.web.listening import Listening, listening
from reconciler.web.metrics import Metrics
from reconciler.web.operators import Operator
from reconciler.web.server import GRACE, Door, serving
from reconciler.web.workers import Inheritance, Parent, Workers

DATASET: Final = "ticks"
"""What is sold. Every quantity is a good of its own, at as many satoshis."""

_KEY: Final = sha256(b"benchmarks: the producer").hexdigest()
PRODUCER: Final = Keys(bytes.fromhex(_KEY))
GATEWAY: Final = PRODUCER.child(GATEWAY_KEY)

TICKS: Final = "\n".join(f"{number},{number * 7 % 1000}" for number in range(1000)).encode()
"""Small, as what is sold by the request is."""

_HOST: Final = "127.0.0.1"
_MANIFEST: Final = f"""\
apiVersion: overlay/v1
kind: Producer
metadata: {{name: shop}}
spec: SPEC
---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: {DATASET}}}
spec:
  title: Ticks
  source: {{path: ticks.csv}}
  pricing: {{model: per-request, satoshis: 1}}
"""


def environment(home: Path, database: str | None) -> dict[str, str]:
    """What a command of the producer's runs in; without a URL the database is in its home."""
    foreign = ("OVERLAY_", "PRODUCER_", "DATABASE_URL")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    named = {} if database is None else {"DATABASE_URL": database}
    return {**inherited, **named, "OVERLAY_HOME": str(home), "OVERLAY_IDENTITY_KEY": _KEY}


def stocked(
    home: Path, database: str | None, world: Mapping[str, Any] | None = None, *, content: bytes = TICKS
) -> None:
    """Apply what is sold, in an embedded world, or in a local one that has said where it is. Raises StateError."""
    home.mkdir(parents=True)
    spec: dict[str, Any] = {"displayName": "Shop", "network": "embedded"}
    if world is not None:
        spec["network"] = {"preset": "local", **{name: world[name] for name in ("arc", "chainTracker", "hosts")}}
        spec["storageHosts"] = world["storageHosts"]
    (home / "producer.yaml").write_text(_MANIFEST.replace("SPEC", json.dumps(spec)), encoding="ascii")
    (home / "ticks.csv").write_bytes(content)
    commands = [["apply", "--yes"]]
    if database is not None:
        commands.insert(0, ["db", "upgrade", "--network", "embedded" if world is None else "local"])
    for words in commands:
        command(words, home, database)


def command(words: Sequence[str], home: Path, database: str | None) -> str:
    """Run a command of the producer's; what it prints. Raises StateError where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "reconciler.cli", "-C", str(home), *words],
        cwd=ROOT,
        env=environment(home, database),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StateError(f"overlay {' '.join(words)} has failed: {done.stderr[-800:]}")
    return done.stdout


async def alone(question: Mapping[str, Any]) -> None:
    """One process, until standard input ends."""
    async with _serving(question, None) as url:
        print(json.dumps({"url": url}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def work(question: Mapping[str, Any], inherited: Inheritance) -> None:
    """One of several, until its parent is gone or ends it."""
    parent, end = Parent(inherited.control), asyncio.Event()
    parent.on_end(end.set)
    async with _serving(question, Listening.inherited(inherited.sockets, _HOST)):
        parent.ready({})
        await end.wait()


async def supervise(question: Mapping[str, Any]) -> None:
    """Several processes, until standard input ends."""
    with listening(_HOST, 0) as place:
        workers = Workers(
            lambda inherited: [*python("benchmarks.shop", question), str(inherited)],
            place,
            question["workers"],
            environment=os.environ,
            grace=GRACE,
            tell=lambda text: print(text, file=sys.stderr),
            dice=random.random,
        )
        async with workers.serving():
            print(json.dumps({"url": place.url, "workers": workers.pids}), flush=True)
            await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def _serving(question: Mapping[str, Any], place: Listening | None) -> AsyncIterator[str]:
    """As `overlay serve` puts it together, but for the chain, and for other hosts, of which there are none."""
    home = Path(question["home"])
    console = Console(width=80, colour=False, interactive=False, quiet=True, verbose=False)
    surroundings = environment(home, question["database"])
    invocation = Invocation(options=Globals(directory=home), console=console, environment=surroundings)
    async with (
        open_site(invocation, Network.EMBEDDED, identity=PRODUCER.identity) as site,
        open_library(site, GATEWAY) as library,
    ):
        metrics = Metrics(site.database, Operator(), clock=time.time)
        till = Till(
            database=site.database,
            receiver=GATEWAY,
            miner=metrics.watched(Arc(site.http, question["world"])),
            chain=Headers(site.http, question["world"]),
            clock=time.time,
            randomness=secrets.token_bytes,
        )
        app = build_app(
            database=site.database,
            identity=PRODUCER.identity,
            host=Starlette(),
            keys=GATEWAY,
            contents=library,
            clock=time.time,
            randomness=secrets.token_bytes,
            metrics=metrics,
            till=till,
        )
        async with serving([Door(app=metrics.counted(app), host=_HOST, listening=place)]) as (url,):
            yield url


def main(words: Sequence[str]) -> None:
    """As a parent has started it, or as a parent."""
    question = json.loads(words[0])
    if len(words) > 1:
        asyncio.run(work(question, Inheritance.parse(words[1])))
    else:
        asyncio.run(alone(question) if question["workers"] == 1 else supervise(question))


if __name__ == "__main__":
    main(sys.argv[1:])
