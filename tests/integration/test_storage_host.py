"""A storage host in a process of its own: gigabytes in little memory, and what is left of an upload when the process is killed."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.http import HttpClient
from reconciler.clients.storage import StorageClient
from reconciler.model.ids import Digest
from reconciler.wallet.keys import Keys

pytestmark = [pytest.mark.long, pytest.mark.only("sqlite")]  # the local world keeps all in files
MIB = 1 << 20
KEYS = Keys(hashlib.sha256(__name__.encode()).digest())


@pytest.fixture
def world(overlay, base_port) -> Iterator[object]:
    """Starts the local world, as often as it is asked to."""
    return lambda: overlay.started("devnet", "up", "--base-port", str(base_port))


def storage_url(server) -> str:
    return next(host["url"] for host in server.ready["storageHosts"])


def client_of(http, server) -> StorageClient:
    return StorageClient(http, storage_url(server), signed=AuthenticatedHttp(http, KEYS))


def peak(server) -> int:
    """The most memory that a process ever had, in MiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) // 1024


def block_of(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8, "big")).digest() * (MIB // 32)


async def blocks(count: int) -> AsyncIterator[bytes]:
    for number in range(count):
        yield block_of(number)


def digest_of(count: int) -> Digest:
    whole = hashlib.sha256()
    for number in range(count):
        whole.update(block_of(number))
    return Digest(whole.hexdigest())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not say what memory a process has")
async def test_a_gigabyte_comes_and_goes_in_little_memory(world):
    size, sha256 = 1024 * MIB, digest_of(1024)
    with world() as server:
        async with HttpClient() as http:
            client = client_of(http, server)
            await client.upload(blocks(1), size=MIB, sha256=digest_of(1), minutes=60)
            before = peak(server)

            await client.upload(blocks(1024), size=size, sha256=sha256, minutes=60)
            count = 0
            async for chunk in client.download(sha256, size=size):
                count += len(chunk)

            assert count == size
            assert peak(server) - before < 64


@pytest.mark.parametrize("sent", [0, 100, 3 * MIB + 5, 8 * MIB - 1])
async def test_a_host_that_is_killed_while_bytes_come_keeps_nothing_and_takes_them_again(world, overlay, sent):
    data = b"".join([block async for block in blocks(8)])
    sha256 = digest_of(8)
    with world() as server:
        async with HttpClient() as http:
            client = client_of(http, server)
            leave = await client._signed.request(
                "POST",
                f"{client.url}/upload",
                content=json.dumps({"fileSize": len(data), "retentionPeriod": 60}).encode(),
            )
            url = urlsplit(leave.json()["uploadURL"])
            with socket.create_connection((url.hostname, url.port)) as connection:
                head = (
                    f"PUT {url.path}?{url.query} HTTP/1.1\r\nhost: {url.netloc}\r\ncontent-length: {len(data)}\r\n\r\n"
                )
                connection.sendall(head.encode() + data[:sent])
                assert await client.listing() == {}  # by now it reads the other connection, too
                server.process.kill()
                server.process.wait()
    with world() as server:
        async with HttpClient() as http:
            client = client_of(http, server)
            assert await client.find(sha256) is None
            assert await client.listing() == {}
            until = await client.upload(blocks(8), size=len(data), sha256=sha256, minutes=60)
            assert await client.listing() == {sha256: until}
            assert b"".join([chunk async for chunk in client.download(sha256, size=len(data))]) == data
