"""A storage host as the guide runs it: uvicorn, the environment, and an S3 (moto's server, over HTTP); a producer stores on it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from reconciler.cli.storing import Settings
from reconciler.model.errors import UsageError
from reconciler.model.networks import ENDPOINTS
from tests.patience import PATIENCE

GUIDE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
DOCUMENTED = GUIDE.partition("## A storage host\n")[2].partition("\n## ")[0]
KEY = hashlib.sha256(b"a storage host's").hexdigest()
RIGHT = {
    "OVERLAY_NETWORK": "main",
    "OVERLAY_STORAGE_URL": "https://storage.example",
    "OVERLAY_STORAGE_KEY": KEY,
    "OVERLAY_STORAGE_PLACE": "s3://bucket/objects",
    "OVERLAY_STORAGE_PRICE": "5000000",
    "DATABASE_URL": "sqlite:////nowhere/state.db",
}


def test_the_guide_names_every_variable_and_no_other():
    named = {*re.findall(r"`(OVERLAY_\w+|DATABASE_URL)`", DOCUMENTED)}
    others = {f"OVERLAY_STORAGE_{each}" for each in ("HOSTS", "ARC", "CHAIN_TRACKER")}
    assert named == RIGHT.keys() | others | {"OVERLAY_REQUEST_TIMEOUT"}


def test_settings_are_the_networks_own_unless_somebody_says_otherwise():
    assert Settings.of(RIGHT).endpoints.hosts == ENDPOINTS[Settings.of(RIGHT).network].hosts
    told = {**RIGHT, "OVERLAY_STORAGE_HOSTS": "https://one.example https://two.example"}
    assert Settings.of(told).endpoints.hosts == ("https://one.example", "https://two.example")
    assert (Settings.of(RIGHT).patience, Settings.of(RIGHT | {"OVERLAY_REQUEST_TIMEOUT": "1m"}).patience) == (0, 60)


@pytest.mark.parametrize("variable", RIGHT)
def test_a_variable_that_is_missing_is_named(variable):
    with pytest.raises(UsageError, match=variable):
        Settings.of({name: value for name, value in RIGHT.items() if name != variable})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OVERLAY_NETWORK", "moon"),
        ("OVERLAY_STORAGE_KEY", KEY[:-1]),
        ("OVERLAY_STORAGE_PRICE", "-1"),
        ("OVERLAY_STORAGE_URL", "http://storage.example"),  # no advertisement may name it, and uploaders would pay
        ("OVERLAY_STORAGE_URL", "storage.example"),
        ("OVERLAY_STORAGE_URL", "https://storage.example?at=1"),
    ],
)
def test_one_that_is_wrong_is_named_and_not_quoted(variable, value):
    with pytest.raises(UsageError, match=variable) as refused:
        Settings.of({**RIGHT, variable: value})
    assert value not in str(refused.value)


@pytest.fixture
def s3(monkeypatch):
    """The URL of an S3 with the bucket `mine`."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/mine", trust_env=False).raise_for_status()
    yield f"http://{host}:{port}"
    server.stop()


def command(port: int) -> list[str]:
    """The guide's, for one process at a port of this machine."""
    (line,) = re.findall(r"^uvicorn .*$", DOCUMENTED, re.MULTILINE)
    words = shlex.split(line)
    words[words.index("--host") + 1], words[words.index("--port") + 1] = "127.0.0.1", str(port)
    words[words.index("--workers") + 1] = "1"
    return [sys.executable, "-m", *words]


@pytest.mark.long
def test_what_a_producer_stores_there_lies_on_s3_and_is_read_from_there(overlay, local, s3):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://localhost:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OVERLAY_", "AWS_"))}
    environment |= {
        "OVERLAY_NETWORK": "local",
        "OVERLAY_STORAGE_URL": url,
        "OVERLAY_STORAGE_KEY": KEY,
        "OVERLAY_STORAGE_PLACE": "s3://mine/objects",
        "OVERLAY_STORAGE_PRICE": "0",
        "OVERLAY_STORAGE_HOSTS": " ".join(local.ready["hosts"]),
        "OVERLAY_STORAGE_ARC": local.ready["arc"],
        "OVERLAY_STORAGE_CHAIN_TRACKER": local.ready["chainTracker"],
        "DATABASE_URL": f"sqlite:///{overlay.home.parent / 'storage.db'}",
        "AWS_ENDPOINT_URL": s3,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "something",
    }
    operator = replace(overlay, state={"DATABASE_URL": environment["DATABASE_URL"]})
    operator.run("db", "upgrade", "--network", "local")
    manifest = overlay.folder / "producer.yaml"
    stores = json.dumps([{"name": "mine", "url": url, "region": "EU"}])
    manifest.write_text(re.sub(r"storageHosts: .*", f"storageHosts: {stores}", manifest.read_text()))
    log = overlay.home.parent / "storage.log"
    with log.open("w") as said, subprocess.Popen(command(port), env=environment, stderr=said, stdout=said) as process:
        try:
            answers(url, process, log)
            overlay.run("apply", "--yes")
            assert httpx.get(f"{s3}/mine?list-type=2&prefix=objects/", trust_env=False).text.count("<Key>") == 2
            for name in ("a", "b"):
                content = (overlay.folder / "data" / f"{name}.csv").read_bytes()
                assert httpx.get(f"{url}/cdn/{hashlib.sha256(content).hexdigest()}").content == content
            assert "No changes." in overlay.run("plan", "--refresh").stdout
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == -signal.SIGTERM  # uvicorn's way to end, once it has ended well
        finally:
            process.kill()
    assert "Application shutdown complete" in log.read_text()
    assert KEY not in log.read_text()


@pytest.mark.long
def test_one_whose_database_is_not_set_up_says_so_and_ends(overlay):
    told = {**RIGHT, "OVERLAY_NETWORK": "local", "OVERLAY_STORAGE_PLACE": str(overlay.folder)}
    told["DATABASE_URL"] = f"sqlite:///{overlay.home.parent / 'empty.db'}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OVERLAY_")}
    done = subprocess.run(command(0), env={**environment, **told}, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "overlay db upgrade" in done.stderr
    assert KEY not in done.stderr


def answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until it does."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            assert httpx.get(f"{url}/health").is_success
        except httpx.TransportError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return
