"""The toy world as a process: on TCP for everyone, or embedded in whoever asks."""

from __future__ import annotations

import json
import signal
import socket

import httpx
import pytest

from reconciler.wire.beef import parse_beef
from reconciler.wire.canonical import sha256_hex
from tests.patience import PATIENCE

pytestmark = pytest.mark.long

ADDRESS = "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8"


def test_the_local_world_tells_its_addresses_and_ends_cleanly(overlay, base_port):
    with overlay.started("devnet", "up", "--base-port", str(base_port)) as world:
        assert world.ready["event"] == "ready"
        assert world.ready["hosts"] == [f"http://localhost:{base_port}"]
        assert world.ready["arc"] == world.ready["chainTracker"] == f"http://localhost:{base_port + 10}"
        assert [host["url"] for host in world.ready["storageHosts"]] == [
            f"http://localhost:{base_port + 11 + index}" for index in range(3)
        ]
        for url in (*world.ready["hosts"], *(host["url"] for host in world.ready["storageHosts"])):
            assert httpx.get(f"{url}/health").json()["ready"] is True
        assert httpx.get(f"{world.ready['arc']}/v1/health").json()["healthy"] is True
        assert world.stop(signal.SIGTERM) == 0
        assert world.process.stdout.read() == ""
        assert world.log.read_text() == ""


def test_ctrl_c_ends_it_cleanly_too_and_the_chain_goes_on_where_it_stopped(overlay, base_port):
    at = ("--network", "local", "--base-port", str(base_port))
    with overlay.started("devnet", "up", "--base-port", str(base_port)) as world:
        overlay.run("devnet", "mine", "3", *at)
        before = overlay.json("devnet", "status", *at)
        assert world.stop(signal.SIGINT) == 0
    with overlay.started("devnet", "up", "--base-port", str(base_port)):
        assert overlay.json("devnet", "status", *at) == before


def test_a_port_that_is_in_use_is_named_and_nothing_is_left_running(overlay, base_port):
    with socket.create_server(("127.0.0.1", base_port + 12)):
        done = overlay.run("devnet", "up", "--base-port", str(base_port), code=1)
    assert done.stdout == ""
    assert f"port {base_port + 12} is in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("where", ["embedded", "local"])
def test_the_faucet_pays_proven_coins_and_time_moves_by_hand(overlay, request, where):
    at = ["--network", where]
    if where == "local":
        base_port = request.getfixturevalue("base_port")
        at += ["--base-port", str(base_port)]
        request.getfixturevalue("local")

    gift = overlay.json("devnet", "fund", ADDRESS, "50000", *at)
    beef, subject = parse_beef(bytes.fromhex(gift["beef"]))
    assert subject == gift["txid"]
    assert beef.transactions[subject].transaction.outputs[gift["vout"]].satoshis == 50_000
    assert beef.proof(subject) is not None

    before = overlay.json("devnet", "status", *at)
    assert before["network"] == where
    mined = overlay.json("devnet", "mine", "2", *at)
    assert (mined["height"], len(mined["blocks"])) == (before["height"] + 2, 2)
    replaced = overlay.json("devnet", "reorg", "1", *at)
    assert replaced["height"] == mined["height"] + 1
    assert mined["blocks"][-1] not in replaced["blocks"]
    after = overlay.json("devnet", "status", *at)
    assert (after["height"], after["tip"]) == (replaced["height"], replaced["blocks"][-1])


def test_a_producer_publishes_on_the_local_world_and_other_commands_find_it_again(overlay, local):
    assert overlay.run("plan", "--detailed-exitcode", code=2)
    assert "Apply complete: " in overlay.run("apply", "--yes").stdout
    assert overlay.run("plan", "--detailed-exitcode").stdout.endswith("The overlay matches the manifests.\n")
    assert overlay.run("wallet", "audit")
    state = overlay.json("state", "list")
    found = httpx.post(f"{local.ready['hosts'][0]}/lookup", json={"service": "ls_data_catalog", "query": {}}).json()
    records = [each["documentHash"] for each in state["objects"] if "documentHash" in each]
    documents = {sha256_hex(bytes(output["context"])) for output in found["outputs"]}
    assert len(found["outputs"]) == len(records) == 3
    assert len(documents & set(records)) == 2  # the root's context is two documents


def test_a_chain_without_a_pace_mines_at_the_word_only(overlay, base_port):
    at = ("--network", "local", "--base-port", str(base_port))
    with overlay.started("devnet", "up", "--base-port", str(base_port), "--block-time", "0") as world:
        httpx.post(f"{world.ready['arc']}/v1/tx", json={"rawTx": _spend(overlay, base_port)}).raise_for_status()
        before = overlay.json("devnet", "status", *at)
        assert (before["mempool"], before["blockTime"]) == (1, 0)
        overlay.run("devnet", "mine", *at)
        after = overlay.json("devnet", "status", *at)
        assert (after["mempool"], after["height"]) == (0, before["height"] + 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("devnet", "up", "--block-time", "soon"), "'soon' is no duration"),
        (("devnet", "up", "--base-port", "65530"), "a base port is from 1 to 65522"),
        (("devnet", "up", "--network", "embedded"), "devnet up runs the local network"),
        (("devnet", "mine", "--network", "main"), "main is nobody's toy"),
        (("devnet", "mine", "0", "--network", "embedded"), "blocks must be a whole number"),
        (("devnet", "fund", ADDRESS, "0", "--network", "embedded"), "satoshis must be"),
        (
            ("devnet", "fund", "nobody", "5", "--network", "embedded"),
            "not Base58Check, or its checksum is wrong: 'nobody'",
        ),
        (("devnet", "status", "--network", "local", "--base-port", "1"), "could not be reached"),
    ],
)
def test_wishes_that_make_no_sense_are_refused_in_one_sentence(overlay, arguments, said):
    done = overlay.run(*arguments, code=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_callbacks_are_made_while_the_world_runs(overlay, base_port):
    """ARC's lifespan runs: it mines and calls back although nobody asks it anything."""
    with (
        overlay.started("devnet", "up", "--base-port", str(base_port), "--block-time", "100ms") as world,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        listener.settimeout(PATIENCE)
        arc = world.ready["arc"]
        ours = f"http://127.0.0.1:{listener.getsockname()[1]}/callback"
        raw = _spend(overlay, base_port)
        answer = httpx.post(
            f"{arc}/v1/tx", json={"rawTx": raw}, headers={"X-CallbackUrl": ours, "X-CallbackToken": "known"}
        )
        assert answer.json()["txStatus"] == "SEEN_ON_NETWORK"
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:
            head = iter(stream.readline, b"\r\n")
            fields = dict(line.decode().strip().lower().split(": ", 1) for line in list(head)[1:])
            told = json.loads(stream.read(int(fields["content-length"])))
            stream.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        assert fields["authorization"] == "bearer known"
        assert (told["txid"], told["txStatus"]) == (answer.json()["txid"], "MINED")


def _spend(overlay, base_port: int) -> str:
    """A signed transaction, raw, that spends a coin of the faucet's."""
    import hashlib

    from reconciler.model.amounts import Satoshis
    from reconciler.model.ids import Outpoint
    from reconciler.model.keys import FUNDING_KEY
    from reconciler.wallet.keys import Keys
    from reconciler.wallet.signing import Lock, Spendable, signed
    from reconciler.wire.script import address, p2pkh
    from reconciler.wire.transaction import TxOutput

    keys = Keys(hashlib.sha256(str(overlay.home).encode()).digest())
    own = keys.public(FUNDING_KEY)
    at = ("--network", "local", "--base-port", str(base_port))
    gift = overlay.json("devnet", "fund", address(own, mainnet=False), "10000", *at)
    coin = Spendable(
        Outpoint(gift["txid"], gift["vout"]), TxOutput(Satoshis(10_000), p2pkh(own)), FUNDING_KEY, Lock.P2PKH
    )
    return signed([coin], [TxOutput(Satoshis(9_000), p2pkh(own))], keys).raw.hex()
