"""`python -m benchmarks.large --gib 5 --folder DIR`: large content, from the first plan to a verified download, in constant memory.

Two files of one size: one is free, one is sold, whose source is sparse (it is sealed like anything else). The real commands, as
processes, against a local world in a process of its own: plan, an apply that is killed in the middle, the apply that
goes on, `serve`, delivery by the gateway with and without ranges, and a buyer who gets the free file. Each row has the greatest
memory of whoever took part; at two sizes it must be the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

from benchmarks.processes import ROOT, Server
from benchmarks.scale import forget_peak
from benchmarks.shop import DATASET, GATEWAY, environment
from benchmarks.soak import serving_command
from reconciler.gateway.grants import Grant
from reconciler.model.errors import StateError
from reconciler.model.ids import Kind, RecordId
from reconciler.model.keys import GRANT_KEY

_GIB: Final = 1 << 30
_MIB: Final = 1 << 20
_BASE_PORT: Final = 18_280
_DAY: Final = 86_400
_HEADINGS: Final = ("step", "seconds", "CPU s", "memory, MB", "world CPU s", "world memory, MB", "gateway memory, MB")
_PRODUCER: Final = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: large}
spec: SPEC
"""
_DATASETS: Final = f"""\
---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: free}}
spec: {{title: Free, source: {{path: free.bin}}, replication: {{replicas: 1}}}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: {DATASET}}}
spec:
  title: Sold
  source: {{path: sold.bin}}
  replication: {{replicas: 1}}
  pricing: {{model: per-request, satoshis: 1}}
"""


class Depot:
    """A producer with two large files, and the processes whose memory is looked at."""

    def __init__(self, folder: Path, size: int, world: Server, port: int) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.size = size
        self._world = world
        places = {"--arc": "arc", "--chain-tracker": "chainTracker"}
        self.world = [word for option, name in places.items() for word in (option, world.ready[name])]
        self.world += [word for url in world.ready["hosts"] for word in ("--host", url)]
        self.gateway: Server | None = None
        self.url = f"http://localhost:{port}"
        spec = {
            "displayName": "Large",
            "network": {"preset": "local", **{name: world.ready[name] for name in ("arc", "chainTracker", "hosts")}},
            "storageHosts": world.ready["storageHosts"],
            "gateway": {"url": self.url},
        }
        self.home.mkdir()
        text = _PRODUCER.replace("SPEC", json.dumps(spec)) + _DATASETS
        (folder / "producer.yaml").write_text(text, encoding="ascii")
        with (folder / "sold.bin").open("wb") as sold:
            sold.truncate(size)
        with (folder / "free.bin").open("wb") as free:
            for number in range(size // _MIB):
                free.write(number.to_bytes(8, "big") * (_MIB // 8))

    def command(self, name: str, words: Sequence[str], *, kill_after: int | None = None) -> None:
        """Run one, and print its row; killed without a word once storage hosts have so many bytes. Raises StateError."""
        log = self.folder / "output"
        line = [sys.executable, "-m", "reconciler.cli", "-C", str(self.folder), *words]

        def run() -> tuple[float, int]:
            with log.open("w") as output:
                process = subprocess.Popen(
                    line, cwd=ROOT, env=environment(self.home, None), stdout=output, stderr=output, text=True
                )
                while kill_after is not None and self.stored() < kill_after and process.poll() is None:
                    time.sleep(0.1)
                if kill_after is not None:
                    process.send_signal(signal.SIGKILL)
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            expected = -signal.SIGKILL if kill_after is not None else 0
            if process.returncode != expected:
                raise StateError(f"{name} ends with {process.returncode}: {log.read_text()[-800:]}")
            return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024

        self.measured(name, run)

    def measured(self, name: str, do: Callable[[], tuple[float, int]]) -> None:
        """Do it, which gives seconds of processor time and bytes of memory, and print its row."""
        servers = [self._world, *([self.gateway] if self.gateway else [])]
        for server in servers:
            forget_peak(server)
        world, begun = self._world.cpu(), time.perf_counter()
        cpu, memory = do()
        gateway = "" if self.gateway is None else f"{self.gateway.memory('VmHWM') / 1e6:.0f}"
        _row(
            (
                name,
                f"{time.perf_counter() - begun:.0f}",
                f"{cpu:.1f}",
                f"{memory / 1e6:.0f}" if memory else "",
                f"{self._world.cpu() - world:.1f}",
                f"{self._world.memory('VmHWM') / 1e6:.0f}",
                gateway,
            )
        )

    def stored(self) -> int:
        """Bytes in the folders of the world's storage hosts, unfinished ones too."""
        sizes = (path.stat().st_size for path in _files(self.folder / "world") if "files" in path.parts)
        return sum(sizes)

    def deliver(self, path: str, begin: int, end: int) -> tuple[float, int]:
        """A range of the plaintext, as the gateway gives it: every byte is looked at. Raises StateError."""
        headers = {"range": f"bytes={begin}-{end - 1}"}
        digest, wanted, count = hashlib.sha256(), hashlib.sha256(), 0
        with urlopen(Request(self.url + path, headers=headers)) as answer:  # noqa: S310 - our own gateway
            if answer.status != 206:
                raise StateError(f"the gateway answers {answer.status} to a range")
            while chunk := answer.read(_MIB):
                digest.update(chunk)
                wanted.update(bytes(len(chunk)))
                count += len(chunk)
        if count != end - begin or digest.digest() != wanted.digest():
            raise StateError(f"the gateway gave {count} bytes, or others")
        return 0.0, 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and print a row for each step as it ends."""
    asked = _parsed(arguments)
    size = round(asked.gib * _GIB) // _MIB * _MIB
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="overlay-large-", dir=asked.folder)))
        up = ["devnet", "up", "--base-port", str(asked.base_port)]
        world = stack.enter_context(serving_command(up, folder / "world", None))
        depot = Depot(folder, size, world, asked.base_port + 50)
        _row(_HEADINGS)
        _row(["---"] * len(_HEADINGS))
        _steps(depot, asked.base_port + 50, stack)
    return 0


def _steps(depot: Depot, port: int, stack: ExitStack) -> None:
    depot.command("plan: both are hashed", ["plan"])
    depot.command("apply, killed when a quarter is stored", ["apply", "--yes"], kill_after=depot.size // 2)
    depot.command("apply, which goes on", ["apply", "--yes"])
    depot.command("plan, no change", ["plan"])
    serve = ["serve", "--network", "local", "--port", str(port)]
    depot.gateway = stack.enter_context(serving_command(serve, depot.home, None))
    depot.command("a buyer", ["consumer", "init", "--network", "local", "--overlay-url", depot.url, *depot.world])
    depot.command("he pays", ["consumer", "pay", f"dataset/{DATASET}", "--max-price", "100"])
    path, middle = _granted(depot.home / "local" / "state.db"), depot.size // 2
    depot.measured("delivery: 1 MiB from the middle", lambda: depot.deliver(path, middle, middle + _MIB))
    depot.measured("delivery: all of it, opened", lambda: depot.deliver(path, 0, depot.size))
    for name, source in ((DATASET, "sold.bin"), ("free", "free.bin")):
        target = depot.folder / f"got-{name}"
        depot.command(f"he gets {source}", ["consumer", "get", f"dataset/{name}", "--output", str(target)])
        if _digest(target) != _digest(depot.folder / source):
            raise StateError(f"what the buyer got is not {source}")
        target.unlink()


def _granted(database: Path) -> str:
    """The path by which the gateway delivers what was paid for. It is made here, with the gateway's key: a shop's buyer asks for one."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        ((receipt,),) = connection.execute("SELECT id FROM receipts")
    grant = Grant(receipt.hex(), RecordId(Kind.DATASET, DATASET), int(time.time()) + _DAY)
    return f"/v1/datasets/{DATASET}/content?grant={grant.text(lambda data: GATEWAY.mac(GRANT_KEY, data))}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--gib", type=float, default=5, help="of each of the two files (default 5)")
    parser.add_argument("--folder", type=Path, help="where all of it lies: five times as much must be free")
    parser.add_argument("--base-port", type=int, default=_BASE_PORT, help="of the local world")
    return parser.parse_args(arguments)


def _row(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
