"""Plaintext that was bought, downloaded by its grant: opened from its sealed part, and counted in the database each time.

The limit to compare with is nginx, which sends a file of the same size that lies there as it is, and counts nothing. One client
asks both; the processor time of each server is beside its figures.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256, shake_256
from pathlib import Path
from typing import Final

from benchmarks.granted import granted
from benchmarks.hosts import CONNECTIONS, Side, postgresql, row
from benchmarks.load import Question, write_requests
from benchmarks.processes import Server, python, started
from benchmarks.setting import Row, Setting
from benchmarks.shop import stocked
from reconciler.model.errors import StateError
from reconciler.wallet.keys import Keys

BUDGET: Final = 0.5
"""DESIGN §11, at 1 MiB."""

_MIB: Final = 1 << 20
_TRIES: Final = 50
_BUYER: Final = Keys(sha256(b"benchmarks: the client").digest())
_CONFIGURATION: Final = """\
daemon off; master_process off; pid FOLDER/pid; error_log FOLDER/error.log;
events { worker_connections 256; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; default_type application/octet-stream;
  client_body_temp_path FOLDER/1; proxy_temp_path FOLDER/2; fastcgi_temp_path FOLDER/3; uwsgi_temp_path FOLDER/4;
  scgi_temp_path FOLDER/5;
  server { listen 127.0.0.1:PORT; root FOLDER; }
}
"""


def measure(setting: Setting) -> Iterator[Row]:
    """Small content, in memory after its first download, on both databases and by two processes; large, opened every time."""
    sqlite = f"sqlite:///{setting.folder / 'gateway.db'}"
    yield from _measured(setting, sqlite, "SQLite", _MIB, BUDGET)
    with postgresql(setting) as url:
        if url is not None:
            yield from _measured(setting, url, "PostgreSQL", _MIB, BUDGET)
    yield from _measured(setting, f"sqlite:///{setting.folder / 'large.db'}", "SQLite", 32 * _MIB, None)


def _measured(setting: Setting, database: str, name: str, size: int, budget: float | None) -> Iterator[Row]:
    folder = setting.folder / f"{size} {name}".replace(" ", "-")
    content = shake_256(name.encode()).digest(size)
    stocked(folder, database, content=content)
    file = folder / "file.bin"
    file.write_bytes(content)
    path = asyncio.run(granted(database, _BUYER))
    for workers in setting.workers if budget is not None else (1,):
        question = {"home": str(folder), "database": database, "world": "http://nobody.embedded", "workers": workers}
        with ExitStack() as stack:
            ours = stack.enter_context(started(python("benchmarks.shop", question), folder / "shop.log"))
            sides = [(Side("ours", ours), path)]
            if setting.scale == 1 and shutil.which("nginx"):
                sides.append((Side("nginx", stack.enter_context(_nginx(folder))), f"/{file.name}"))
            _alternate(setting, sides)
        note = "nginx" if len(sides) > 1 else "nginx is not installed, or not wanted"
        title = f"download of {size // _MIB} MiB, {name}, {workers} worker{'s' * (workers > 1)}"
        yield row(title, [side for side, _ in sides], budget=budget, note=note)


def _alternate(setting: Setting, sides: list[tuple[Side, str]]) -> None:
    """Measure in turns, after a round of each that is not counted."""
    for number in range(setting.rounds + 1):
        for side, path in sides:
            if number <= 1:
                side.forget()
            requests = setting.folder / f"{side.name}.requests"
            write_requests(requests, [f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()])
            question = Question(
                url=side.server.url,
                requests=str(requests),
                connections=CONNECTIONS,
                seconds=setting.seconds,
                again=True,
                discard=True,
            )
            side.measure(question)


@contextmanager
def _nginx(folder: Path) -> Iterator[Server]:
    """One worker, which serves the files of a folder for the block."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.replace("FOLDER", str(folder)).replace("PORT", str(port)), encoding="utf-8")
    process = subprocess.Popen(["nginx", "-c", str(configuration)], text=True)
    try:
        yield Server(process, _told(port))
    finally:
        process.terminate()
        process.wait()


def _told(port: int) -> str:
    """What a server of ours says when it is ready. Raises StateError where nobody listens."""
    for _ in range(_TRIES):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return json.dumps({"url": f"http://127.0.0.1:{port}"})
    raise StateError("nginx does not start")
