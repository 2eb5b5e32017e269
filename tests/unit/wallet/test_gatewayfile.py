from __future__ import annotations

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from reconciler.model.errors import StateError
from reconciler.model.ids import Network
from reconciler.model.keys import GATEWAY_KEY
from reconciler.wallet.gatewayfile import Gateway, read_gateway, write_gateway
from reconciler.wallet.keys import Keys


@pytest.fixture
def gateway(request: pytest.FixtureRequest) -> Gateway:
    keys = Keys(sha256(request.node.name.encode()).digest())
    world = {"preset": "local", "hosts": ["http://localhost:1"]}
    return Gateway(producer=keys.identity, network=Network.LOCAL, world=world, keys=keys.child(GATEWAY_KEY))


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_what_was_written_is_read_back_and_only_its_owner_can(
    tmp_path: Path, gateway: Gateway, passphrase: str | None
) -> None:
    path = tmp_path / "gateway.key"
    assert write_gateway(path, gateway, passphrase=passphrase, randomness=os.urandom)
    found = read_gateway(path, passphrase=passphrase, toy=True)

    assert (found.producer, found.network, found.world) == (gateway.producer, gateway.network, gateway.world)
    assert found.keys.identity == gateway.keys.identity
    assert path.stat().st_mode & 0o077 == 0
    assert (gateway.keys.secret().hex() in path.read_text()) is (passphrase is None)
    assert not write_gateway(path, gateway, passphrase=passphrase, randomness=os.urandom)


def test_a_plain_key_is_for_toy_networks_and_another_passphrase_opens_nothing(tmp_path: Path, gateway: Gateway) -> None:
    plain, closed = tmp_path / "plain", tmp_path / "closed"
    write_gateway(plain, gateway, passphrase=None, randomness=os.urandom)
    write_gateway(closed, gateway, passphrase="correct horse", randomness=os.urandom)

    with pytest.raises(StateError, match="is not encrypted"):
        read_gateway(plain, passphrase=None, toy=False)
    with pytest.raises(StateError, match="does not open"):
        read_gateway(closed, passphrase="wrong", toy=False)


@pytest.mark.parametrize(
    "edit",
    [
        lambda fields: fields.update(v=2),
        lambda fields: fields.update(producer="03"),
        lambda fields: fields.update(network="moon"),
        lambda fields: fields.pop("key"),
    ],
)
def test_a_damaged_file_says_so(tmp_path: Path, gateway: Gateway, edit: Callable[[dict[str, object]], object]) -> None:
    path = tmp_path / "gateway.key"
    write_gateway(path, gateway, passphrase=None, randomness=os.urandom)
    fields = json.loads(path.read_text())
    edit(fields)
    path.write_text(json.dumps(fields))
    with pytest.raises(StateError, match=r"damaged|does not know"):
        read_gateway(path, passphrase=None, toy=True)
    path.write_text("no json")
    with pytest.raises(StateError, match="damaged"):
        read_gateway(path, passphrase=None, toy=True)


def test_where_there_is_none_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no gateway key"):
        read_gateway(tmp_path / "gateway.key", passphrase=None, toy=True)
