from __future__ import annotations

from hashlib import sha256

import pytest

from reconciler.model.errors import VerificationError
from reconciler.model.keys import FUNDING_KEY, KeyRef, change_key, record_key
from reconciler.wallet.keys import Keys
from reconciler.wire.derivation import public_child, verify


def _keys(name: str) -> Keys:
    return Keys(sha256(name.encode()).digest())


def test_anyone_derives_the_record_key_and_checks_its_signature() -> None:
    keys = _keys("anyone derives")
    key = record_key("dataset", "btc/2024")

    assert public_child(keys.identity, key) == keys.public(key)
    signature = keys.sign(key, b"fields")
    assert verify(keys.public(key), b"fields", signature)
    assert not verify(keys.public(key), b"other fields", signature)


def test_every_key_id_is_another_key() -> None:
    keys = _keys("another key")
    named = {
        keys.public(key) for key in (FUNDING_KEY, change_key("a", 0), change_key("a", 1), record_key("dataset", "a"))
    }

    assert len(named) == 4


def test_two_parties_share_a_brc_2_key() -> None:
    producer, gateway = _keys("producer"), _keys("gateway")
    sent = producer.encrypt(KeyRef("data catalog sealed", "1", gateway.identity), b"secret", iv=bytes(32))

    assert gateway.decrypt(KeyRef("data catalog sealed", "1", producer.identity), sent) == b"secret"
    with pytest.raises(VerificationError):
        _keys("stranger").decrypt(KeyRef("data catalog sealed", "1", producer.identity), sent)


@pytest.mark.parametrize("secret", [b"", bytes(32), b"\xff" * 32, b"\x01" * 31])
def test_what_is_no_private_key_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="private key"):
        Keys(secret)
