from __future__ import annotations

import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from reconciler.model.errors import StateError
from reconciler.wallet.keyfile import read_key, write_key
from reconciler.wallet.keys import Keys


@pytest.fixture
def keys(request: pytest.FixtureRequest) -> Keys:
    return Keys(sha256(request.node.name.encode()).digest())


def test_an_encrypted_key_comes_back_with_its_passphrase(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "identity.key"
    write_key(path, keys, passphrase="correct horse", randomness=os.urandom)

    assert read_key(path, passphrase="correct horse", plain_allowed=False).identity == keys.identity
    assert keys.secret().hex() not in path.read_text()


def test_another_passphrase_opens_nothing(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "identity.key"
    write_key(path, keys, passphrase="correct horse", randomness=os.urandom)

    with pytest.raises(StateError, match="does not open"):
        read_key(path, passphrase="wrong", plain_allowed=True)
    with pytest.raises(StateError, match="is encrypted") as caught:
        read_key(path, passphrase=None, plain_allowed=True)
    assert "OVERLAY_PASSPHRASE" in (caught.value.hint or "")


def test_a_plain_key_is_read_only_where_that_is_allowed(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "identity.key"
    write_key(path, keys, passphrase=None, randomness=os.urandom)

    assert read_key(path, passphrase=None, plain_allowed=True).identity == keys.identity
    with pytest.raises(StateError, match="not encrypted"):
        read_key(path, passphrase=None, plain_allowed=False)


@pytest.mark.parametrize("passphrase", [None, "secret"])
def test_a_key_file_is_for_its_owner_only(tmp_path: Path, keys: Keys, passphrase: str | None) -> None:
    path = tmp_path / "identity.key"
    write_key(path, keys, passphrase=passphrase, randomness=os.urandom)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["identity.key"]


def test_an_existing_key_is_never_overwritten(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "identity.key"
    assert write_key(path, keys, passphrase=None, randomness=os.urandom)

    assert not write_key(path, Keys(sha256(b"another").digest()), passphrase=None, randomness=os.urandom)
    assert read_key(path, passphrase=None, plain_allowed=True).identity == keys.identity


@pytest.mark.parametrize("text", ["", "zz", "00" * 32, "{}", "{", '{"v": 1, "kdf": "scrypt", "n": 99999999999}', "é"])
def test_a_damaged_key_file_is_a_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "identity.key"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(StateError) as caught:
        read_key(path, passphrase="x", plain_allowed=True)
    assert caught.value.where == str(path)


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no identity key") as caught:
        read_key(tmp_path / "identity.key", passphrase=None, plain_allowed=True)
    assert "overlay identity new" in (caught.value.hint or "")


def test_the_secret_is_not_in_repr(keys: Keys) -> None:
    assert repr(keys) == f"Keys({keys.identity})"
    assert keys.secret().hex() not in repr(keys)
