"""Where a private key is kept: a file, encrypted unless the network is a toy.

Encrypted: JSON {"v": 1, "kdf": "scrypt", "n", "r", "p", "salt", "nonce", "ciphertext"} (hex), AES-256-GCM under scrypt of the
passphrase, the public key as associated data. Plain: the 64 hex digits and a newline. Both mode 0600.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from reconciler.model.errors import StateError
from reconciler.wallet.keys import Keys

_N: Final = 2**15
_R: Final = 8
_P: Final = 1
_MOST_N: Final = 2**20


def read_key(path: Path, *, passphrase: str | None, plain_allowed: bool) -> Keys:
    """The key in `path`. Raises StateError where it cannot be used, saying what to do."""
    hint = "make one with `overlay identity new`, or restore your backup"
    text = read_text(path, missing="there is no identity key", hint=hint)
    return key_in(text, path, passphrase=passphrase, plain_allowed=plain_allowed)


def write_key(path: Path, keys: Keys, *, passphrase: str | None, randomness: Callable[[int], bytes]) -> bool:
    """Write a new key file: whole or not at all, and never over another one; False if there is one."""
    return write_text(path, key_text(keys, passphrase, randomness))


def key_in(text: str, path: Path, *, passphrase: str | None, plain_allowed: bool) -> Keys:
    """The key that the file `path` holds as `text`. Raises StateError."""
    if text.startswith("{"):
        return _open(text, path, passphrase)
    if not plain_allowed:
        raise StateError(
            "the key file is not encrypted",
            where=str(path),
            hint="plain key files are for embedded and local only; set OVERLAY_PASSPHRASE and make a new one",
        )
    try:
        return Keys(bytes.fromhex(text))
    except ValueError as error:
        raise StateError("the key file does not hold a private key", where=str(path)) from error


def key_text(keys: Keys, passphrase: str | None, randomness: Callable[[int], bytes]) -> str:
    """What a key file holds: the key encrypted, without a passphrase plain."""
    return keys.secret().hex() if passphrase is None else _closed(keys, passphrase, randomness)


def read_text(path: Path, *, missing: str, hint: str) -> str:
    """What a file of keys holds. Raises StateError, with `missing` and `hint` where there is none."""
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        raise StateError(missing, where=str(path), hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"the key file cannot be read: {error}", where=str(path)) from error


def write_text(path: Path, text: str) -> bool:
    """Write a file of keys: whole or not at all, and never over another one; False if there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".key-")  # mode 0600 from the first byte on
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        Path(temporary).unlink()
    return True


def _closed(keys: Keys, passphrase: str, randomness: Callable[[int], bytes]) -> str:
    salt, nonce = randomness(16), randomness(12)
    secret = AESGCM(_stretch(passphrase, salt, _N, _R, _P)).encrypt(nonce, keys.secret(), bytes.fromhex(keys.identity))
    return json.dumps(
        {
            "v": 1,
            "identity": keys.identity,
            "kdf": "scrypt",
            "n": _N,
            "r": _R,
            "p": _P,
            "salt": salt.hex(),
            "nonce": nonce.hex(),
            "ciphertext": secret.hex(),
        }
    )


def _open(text: str, path: Path, passphrase: str | None) -> Keys:
    if passphrase is None:
        raise StateError("the key file is encrypted", where=str(path), hint="set OVERLAY_PASSPHRASE")
    try:
        box = json.loads(text)
        if (
            box["v"] != 1
            or box["kdf"] != "scrypt"
            or not 1 < int(box["n"]) <= _MOST_N
            or box["r"] != _R
            or box["p"] != _P
        ):
            raise StateError("the key file is of a kind that this version does not know", where=str(path))
        stretched = _stretch(passphrase, bytes.fromhex(box["salt"]), int(box["n"]), _R, _P)
        secret = AESGCM(stretched).decrypt(
            bytes.fromhex(box["nonce"]), bytes.fromhex(box["ciphertext"]), bytes.fromhex(box["identity"])
        )
        return Keys(secret)
    except InvalidTag as error:
        raise StateError("the passphrase does not open the key file", where=str(path)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise StateError("the key file is damaged", where=str(path), hint="restore your backup") from error


def _stretch(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase.encode())
