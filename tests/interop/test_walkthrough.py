"""The program of docs/buying.md for users of the reference SDK: AuthFetch pays and downloads from `overlay serve`."""

from __future__ import annotations

import hashlib
import socket

import pytest

from reconciler.wallet.keys import Keys
from reconciler.wire.script import address
from tests.e2e.market import blocks, examples

pytestmark = pytest.mark.long


def test_authfetch_buys_by_the_lines_of_the_documentation(overlay, run_peer, request):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    examples(overlay.folder, port)
    overlay.run("apply", "examples/producer.yaml", "--yes")
    buyer = Keys(hashlib.sha256(request.node.name.encode()).digest())
    coins = [overlay.json("devnet", "fund", address(buyer.identity, mainnet=False), "10000") for _ in range(2)]
    (program,) = blocks("buying.md", "js")
    with overlay.started("serve", "--port", str(port)):
        told = run_peer(
            "documented.mjs",
            {
                "program": program.replace("3000", str(port)),
                "key": buyer.secret().hex(),
                "coins": [{"beef": coin["beef"], "vout": coin["vout"]} for coin in coins],
            },
        )
    data = overlay.folder / "examples" / "data" / "bitcoin-supply.csv"
    assert told["content"] == data.read_text(encoding="utf-8")
    assert told["made"] == [told["receipt"]["txid"]]
    assert told["receipt"]["buyer"] == buyer.identity
