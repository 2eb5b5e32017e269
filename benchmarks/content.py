"""Plaintext that was bought, downloaded by its grant: opened from its sealed part, and counted in the database each time.

The limit to compare with is nginx, which sends a file of the same size that lies there as it is, and counts nothing. One client
asks both, and is itself what limits nginx, since it is slower than that; the processor time of each server is beside it.
"""

from __future__ import annotations

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

from benchmarks.hosts import CONNECTIONS, Side, postgresql, row
from benchmarks.load import Question, write_requests
from benchmarks.processes import Server, python, started
from benchmarks.setting import Row, Setting
from reconciler.model.errors import StateError

BUDGET: Final = 0.5
"""DESIGN §11, at 1 MiB."""

_MIB: Final = 1 << 20
_TRIES: Final = 50
_KEY: Final = sha256(b"benchmarks: the server").hexdigest()
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
    """Small content, which is in memory after its first download, on both databases; and large, which is opened every time."""
    database = f"sqlite:///{setting.folder / 'library.db'}"
    yield _measured(setting, database, _MIB, "SQLite", BUDGET)
    yield _measured(setting, database, 32 * _MIB, "SQLite", None)
    with postgresql(setting) as url:
        if url is not None:
            yield _measured(setting, url, _MIB, "PostgreSQL", BUDGET)


def _measured(setting: Setting, database: str, size: int, name: str, budget: float | None) -> Row:
    folder = setting.folder / f"content {size} {name}".replace(" ", "-")
    folder.mkdir()
    file = folder / "file.bin"
    file.write_bytes(shake_256(name.encode()).digest(size))
    question = {"database": database, "key": _KEY, "file": str(file), "folder": str(folder / "parts")}
    with ExitStack() as stack:
        ours = stack.enter_context(started(python("benchmarks.library", question), folder / "library.log"))
        sides = [(Side("ours", ours), str(ours.ready["path"]))]
        if setting.scale == 1 and shutil.which("nginx"):
            sides.append((Side("nginx", stack.enter_context(_nginx(folder))), f"/{file.name}"))
        _alternate(setting, sides)
    note = "nginx" if len(sides) > 1 else "nginx is not installed, or not wanted"
    return row(f"download of {size // _MIB} MiB, {name}", [side for side, _ in sides], budget=budget, note=note)


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
