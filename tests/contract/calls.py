"""Every question that a client of ours asks of a server, by name: what a stranger answers is held against all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from reconciler.chain.arc import Arc
from reconciler.chain.faucet import Faucet
from reconciler.chain.headers import Headers
from reconciler.chain.index import AddressIndex
from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.gasp import GaspClient
from reconciler.clients.gateway import GatewayClient
from reconciler.clients.host import HostClient
from reconciler.clients.settlements import SettlementsClient
from reconciler.clients.storage import StorageClient
from reconciler.clients.trackers import Tracker
from reconciler.clients.webhooks import post
from reconciler.content.fetching import download, piece
from reconciler.control.serving import serves
from reconciler.model.amounts import Satoshis
from reconciler.model.goods import Good
from reconciler.model.ids import Digest, IdentityKey, Kind, Outpoint, RecordId, Txid
from reconciler.wallet.keys import Keys
from reconciler.wire.extended import Extended
from reconciler.wire.gasp import ListRequest, NodeRequest
from reconciler.wire.http import Http
from reconciler.wire.submission import Submission
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

SHA = Digest("ab" * 32)
TXID = Txid("cd" * 32)
KEY = IdentityKey("02" + "ab" * 32)
GOOD = Good(RecordId(Kind.DATASET, "a"))
KEYS = Keys(bytes(31) + b"\x01")


async def chunks(count: int = 1) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 1000


async def drained(chunks: AsyncIterator[object]) -> None:
    async for _ in chunks:
        pass


def transaction() -> Extended:
    spent = TxInput(Outpoint(TXID, 0))
    return Extended(Transaction((spent,), (TxOutput(Satoshis(1), b"\x51"),)), (TxOutput(Satoshis(2), b"\x51"),))


CALLS: dict[str, Callable[[Http, str], Awaitable[Any]]] = {
    "host submit": lambda http, url: HostClient(http, url).submit(Submission(b"beef", ("tm_a",))),
    "host look-up": lambda http, url: HostClient(http, url).lookup("ls_a", {}),
    "host document": lambda http, url: HostClient(http, url).document(SHA),
    "host topics": lambda http, url: HostClient(http, url).topics(),
    "host services": lambda http, url: HostClient(http, url).services(),
    "host health": lambda http, url: HostClient(http, url).healthy(),
    "tracker": lambda http, url: Tracker(HostClient(http, url), plain_http=True).ads(KEY),
    "storage quote": lambda http, url: StorageClient(http, url).quote(1, 1),
    "storage upload": lambda http, url: StorageClient(http, url).upload(chunks(), size=1000, sha256=SHA, minutes=1),
    "storage find": lambda http, url: StorageClient(http, url).find(SHA),
    "storage list": lambda http, url: StorageClient(http, url).listing(),
    "storage download": lambda http, url: drained(StorageClient(http, url).download(SHA, size=1000, url=url)),
    "content": lambda http, url: drained(download(http, url, sha256=SHA, size=1000, plain_http=True)),
    "content from its middle": lambda http, url: drained(piece(http, url, size=1000, start=1, plain_http=True)),
    "headers root": lambda http, url: Headers(http, url).root(7),
    "headers height": lambda http, url: Headers(http, url).height(),
    "headers network": lambda http, url: Headers(http, url).network_id(),
    "arc submit": lambda http, url: Arc(http, url).send([transaction()]),
    "arc submit many": lambda http, url: Arc(http, url).send([transaction(), transaction()]),
    "arc status": lambda http, url: Arc(http, url).status(TXID),
    "arc policy": lambda http, url: Arc(http, url).policy(),
    "arc health": lambda http, url: Arc(http, url).health(),
    "index unspent": lambda http, url: AddressIndex(http, url).unspent("1abc"),
    "index spender": lambda http, url: AddressIndex(http, url).spender(Outpoint(TXID, 0)),
    "index beef": lambda http, url: AddressIndex(http, url).beef(TXID),
    "faucet": lambda http, url: Faucet(http, url).fund("1abc", Satoshis(1)),
    "webhook": lambda http, url: post(http, url, b"{}", message="1", at=1, secret=None),
    "gasp list": lambda http, url: GaspClient(http, url).listed("tm_a", ListRequest(0, 10)),
    "gasp node": lambda http, url: GaspClient(http, url).node(NodeRequest(Outpoint(TXID, 0), Outpoint(TXID, 0))),
    "handshake": lambda http, url: AuthenticatedHttp(http, KEYS).request("GET", f"{url}/v1/whoami"),
    "gateway": lambda http, url: serves(http, url, KEY),
    "gateway producer": lambda http, url: GatewayClient(http, url).producer(),
    "gateway catalog": lambda http, url: GatewayClient(http, url).catalog(),
    "gateway document": lambda http, url: GatewayClient(http, url).document(SHA),
    "gateway quote": lambda http, url: GatewayClient(http, url).quote(GOOD),
    "gateway template": lambda http, url: GatewayClient(http, url).template("AAAA", GOOD, Satoshis(1)),
    "gateway payment": lambda http, url: GatewayClient(http, url).pay_native(SHA, b"beef"),
    "gateway receipt": lambda http, url: GatewayClient(http, url).receipt(SHA),
    "gateway receipts": lambda http, url: GatewayClient(http, url).outcome(TXID),
    "gateway settlements": lambda http, url: drained(SettlementsClient(http, url).since(0)),
    "gateway plaintext": lambda http, url: drained(GatewayClient(http, url).plaintext(url, start=0, stop=1_000_000)),
}

INNOCENT: dict[str, Any] = {
    "host submit": {},
    "host health": False,
    "gateway": False,
    "arc health": False,
    "host topics": frozenset(),
    "host services": frozenset(),
    "index unspent": (),
}
"""What a call may make of an answer that is none for others."""
