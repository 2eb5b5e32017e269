"""What a machine that serves and must not apply is given: its gateway's key, and whose gateway that is (PROTOCOL §3).

JSON {"v": 1, "producer": the identity key, "network": where its hosts are, "key": what a key file holds}, mode 0600. Only the
key is secret. Whoever changes the rest makes the machine follow a root that its key does not open.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.model.errors import StateError
from reconciler.model.ids import IdentityKey, Network, identity_key
from reconciler.model.json import JsonObject
from reconciler.wallet.keyfile import key_in, key_text, read_text, write_text
from reconciler.wallet.keys import Keys

_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway, as its own machine knows it."""

    producer: IdentityKey
    """The identity whose root it follows."""
    network: Network
    world: JsonObject
    """The Producer's `network`, where its manifests say more than a preset; else empty."""
    keys: Keys
    """The gateway's own: they open the root's sealed document, and neither spend nor publish."""


def read_gateway(path: Path, *, passphrase: str | None, toy: bool) -> Gateway:
    """What `write_gateway` wrote; on `toy` networks the key may be plain. Raises StateError where it cannot be used."""
    text = read_text(path, missing="there is no gateway key", hint="`overlay identity gateway --export FILE` makes one")
    try:
        fields = json.loads(text)
        if fields["v"] != _VERSION:
            raise StateError("the gateway's key file is of a kind that this version does not know", where=str(path))
        world = fields["world"]
        return Gateway(
            producer=identity_key(fields["producer"]),
            network=Network(fields["network"]),
            world=world if isinstance(world, dict) else {},
            keys=key_in(str(fields["key"]), path, passphrase=passphrase, plain_allowed=toy),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StateError("the gateway's key file is damaged", where=str(path), hint="export it again") from error


def write_gateway(path: Path, gateway: Gateway, *, passphrase: str | None, randomness: Callable[[int], bytes]) -> bool:
    """Write it whole or not at all, and never over another one; False if there is one."""
    fields = {
        "v": _VERSION,
        "producer": gateway.producer,
        "network": gateway.network.value,
        "world": dict(gateway.world),
        "key": key_text(gateway.keys, passphrase, randomness),
    }
    return write_text(path, json.dumps(fields))
