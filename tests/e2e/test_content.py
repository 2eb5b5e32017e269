"""Large content over TCP: from a gateway that has its own key and nothing else, out of storage hosts, in ranges and in bounded memory."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from reconciler.gateway.grants import Grant
from reconciler.model.ids import Digest, RecordId
from reconciler.model.keys import GRANT_KEY
from reconciler.wallet.gatewayfile import read_gateway
from tests.e2e.market import World, incompressible
from tests.patience import PATIENCE

pytestmark = pytest.mark.long

MIB = 1 << 20
SIZE = 160 * MIB + 17
"""Three parts."""
GOOD = "tables/data/ticks.bin"


@pytest.fixture
def world(overlay, base_port, command):
    with overlay.started("devnet", "up", "--base-port", str(base_port), "--block-time", "300ms") as started:
        yield World(started.ready, base_port, overlay, command)


def memory(server) -> int:
    """Bytes that a server has had at most."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def test_large_content_is_delivered_in_bounded_memory_by_a_gateway_with_a_key_and_a_database_of_its_own(world):
    block = incompressible(1_000_003)
    content = (block * (SIZE // len(block) + 1))[:SIZE]
    vendor, port = world.vendor("acme")
    vendor.data({"ticks.bin": content})
    vendor.run("apply", "--yes")
    shop = world.actor("shop")
    shop.home.mkdir()
    exported = shop.home / "gateway.key"
    vendor.run("identity", "gateway", "--export", str(exported))
    with shop.serving(port, "--network", "local") as server:
        url = server.ready["url"]
        deadline = time.monotonic() + PATIENCE
        while not httpx.get(f"{url}/v1/catalog/dataset/{GOOD}").is_success:
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.1)  # it is not told when there is something new

        buyer = world.buyer("buyer", "--overlay-url", url)
        (order,) = buyer.json("consumer", "pay", GOOD, "--yes")["orders"]
        assert order["paid"] == 1000
        gateway = read_gateway(exported, passphrase=None, toy=True)
        grant = Grant(Digest(order["receipt"]), RecordId.parse(f"dataset/{GOOD}"), int(time.time()) + 600)
        path = f"{url}/v1/datasets/{GOOD}/content?grant={grant.text(lambda data: gateway.keys.mac(GRANT_KEY, data))}"

        head = httpx.head(path)
        assert head.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
        assert int(head.headers["content-length"]) == SIZE
        before = memory(server)
        assert fetched(path) == hashlib.sha256(content).hexdigest()
        with ThreadPoolExecutor(4) as threads:
            starts = range(0, SIZE, 40 * MIB)
            pieces = threads.map(lambda start: ranged(path, start, min(start + 40 * MIB, SIZE)), starts)
            assert hashlib.sha256(b"".join(pieces)).digest() == hashlib.sha256(content).digest()
        assert memory(server) - before < 96 * MIB
        part = 1000
        with httpx.stream("GET", path) as broken:  # somebody goes away, and comes back
            beginning = next(broken.iter_bytes(part))
        rest = httpx.get(path, headers={"range": f"bytes={part}-{part + 99}", "if-range": head.headers["etag"]})
        assert (rest.status_code, beginning + rest.content) == (206, content[: part + 100])

        kept = [each.read_bytes() for each in (shop.home / "cache" / "parts").iterdir()]
        assert len(kept) == 3
        assert not any(block[:64] in each for each in kept)
        assert not (shop.home / "identity.key").exists()


def fetched(url: str) -> str:
    """The hash of what is there."""
    digest = hashlib.sha256()
    with httpx.stream("GET", url) as reply:
        assert reply.status_code == 200
        for chunk in reply.iter_bytes():
            digest.update(chunk)
    return digest.hexdigest()


def ranged(url: str, start: int, stop: int) -> bytes:
    reply = httpx.get(url, headers={"range": f"bytes={start}-{stop - 1}"})
    assert reply.status_code == 206
    return reply.content
