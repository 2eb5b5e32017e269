"""A world, vendors and a buyer as processes of their own, each with a folder, a home and a database that the others never see."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

GATEWAYS = 14
"""Ports from here on above the world's are free (conftest.base_port)."""

VENDOR = """\
apiVersion: overlay/v1
kind: Producer
metadata: {{name: {name}}}
spec:
  displayName: {title}
  regions: [{region}]
  gateway: {{url: "{gateway}"}}
  network: {network}
  storageHosts: {storage}
  payees: {{partner: {{identityKey: {partner}}}}}
  defaults: {{paymentRule: standard}}
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {{name: standard}}
spec: {rule}
---
apiVersion: overlay/v1
kind: ConsumerPolicy
metadata: {{name: consumers}}
spec: {{tiers: {{standard: {{quota: {{requests: 100_000, window: 24h}}}}}}, defaultTier: standard}}
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {{name: {capability}}}
spec: {{serviceType: {service}, capability: {capability}, availability: {availability}, regions: [{region}]}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: {dataset}}}
spec:
  source: {{glob: "data/*"}}
  title: "{title}: {{stem}}"
  capability: {capability}
  tags: [premium]
  license: commercial
  price: {price}
"""

PARTNER = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"


@dataclass
class Actor:
    """Somebody with a shell: everything is run in a process of its own."""

    overlay: Any
    """conftest.Overlay of this actor's folder and home."""
    command: Path

    @property
    def folder(self) -> Path:
        return self.overlay.folder

    @property
    def home(self) -> Path:
        return self.overlay.home

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """A command, run to its end."""
        done = subprocess.run(
            [self.command, *arguments],
            cwd=self.folder,
            env=self.overlay.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str) -> Any:
        """What a command prints for programs."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def events(self, *arguments: str) -> list[Any]:
        """The same of one that prints several lines."""
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]

    def data(self, files: Mapping[str, bytes]) -> None:
        """Files to be sold."""
        (self.folder / "data").mkdir()
        for name, content in files.items():
            (self.folder / "data" / name).write_bytes(content)

    @contextmanager
    def serving(self, port: int, *more: str) -> Iterator[Any]:
        """The gateway, as long as the block."""
        with self.overlay.started("serve", "--port", str(port), *more) as server:
            yield server
            assert server.stop() == 0, server.log.read_text()


@dataclass
class World:
    """A local world on TCP, and everybody in it."""

    ready: Mapping[str, Any]
    base_port: int
    overlay: Any
    command: Path
    vendors: int = 0

    def actor(self, name: str) -> Actor:
        """Somebody new."""
        folder = self.overlay.folder.parent / name
        folder.mkdir()
        return Actor(replace(self.overlay, folder=folder, home=folder / ".overlay", state={}), self.command)

    def vendor(self, name: str, **spec: Any) -> tuple[Actor, int]:
        """A producer with a manifest, and the port of its gateway."""
        port = self.base_port + GATEWAYS + self.vendors
        self.vendors += 1
        network = {"preset": "local", **{each: self.ready[each] for each in ("arc", "chainTracker", "hosts")}}
        facts = {
            "name": name,
            "title": name.title(),
            "region": "EU",
            "gateway": f"http://localhost:{port}",
            "network": json.dumps(network),
            "storage": json.dumps(self.ready["storageHosts"]),
            "partner": PARTNER,
            "rule": "{http: {min: 1, max: 1_000_000}}",
            "capability": "tables",
            "service": "lookup-tables",
            "availability": 99.9,
            "dataset": "tables",
            "price": 1000,
            **spec,
        }
        actor = self.actor(name)
        (actor.folder / "producer.yaml").write_text(VENDOR.format(**facts))
        return actor, port

    def buyer(self, name: str = "buyer", *more: str) -> Actor:
        """Somebody with coins of the faucet."""
        actor = self.actor(name)
        told = ["--arc", self.ready["arc"], "--chain-tracker", self.ready["chainTracker"]]
        told += [word for host in self.ready["hosts"] for word in ("--host", host)]
        actor.run("consumer", "init", "--network", "local", "--fund", "500000", *told, *more)
        return actor


def examples(folder: Path, port: int, network: object = "embedded") -> None:
    """A copy of the project's examples, whose gateway is at a port of this machine."""
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns(".overlay"))
    manifest = folder / "examples" / "producer.yaml"
    text = manifest.read_text(encoding="utf-8").replace("localhost:3000", f"localhost:{port}")
    manifest.write_text(text.replace("network: embedded", f"network: {json.dumps(network)}"), encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of one language in a page of the documentation."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def incompressible(size: int) -> bytes:
    """Bytes that nobody guesses."""
    return os.urandom(size)
