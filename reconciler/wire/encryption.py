"""BRC-2 encryption: AES-256-GCM as the SDK's SymmetricKey frames it, IV (32 bytes) ‖ ciphertext ‖ tag (16 bytes).

Keys are BRC-42 symmetric keys, which only a wallet can derive; here they arrive as 32 bytes.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler.model.errors import VerificationError

KEY_BYTES: Final = 32
IV_BYTES: Final = 32
"""GCM hashes an IV of any length but 12 bytes into its counter; the SDK draws 32."""
_TAG_BYTES: Final = 16


def encrypt(key: bytes, plaintext: bytes, iv: bytes) -> bytes:
    """Encrypt under a key that may be used with other random IVs before and after.

    Raises ValueError for a key or IV of wrong size, and for an empty plaintext, which the SDK would not decrypt.
    """
    _check_key(key)
    if not plaintext:
        raise ValueError("nothing to encrypt")
    if len(iv) != IV_BYTES:
        raise ValueError(f"an IV has {IV_BYTES} bytes, not {len(iv)}")
    return iv + AESGCM(key).encrypt(iv, plaintext, None)


def decrypt(key: bytes, data: bytes) -> bytes:
    """Undo `encrypt`. Raises VerificationError for another key or tampered bytes, ValueError for a key of wrong size."""
    _check_key(key)
    if len(data) <= IV_BYTES + _TAG_BYTES:
        raise VerificationError(f"encrypted data has more than {IV_BYTES + _TAG_BYTES} bytes, not {len(data)}")
    try:
        return AESGCM(key).decrypt(data[:IV_BYTES], data[IV_BYTES:], None)
    except InvalidTag as error:
        raise VerificationError("encrypted data was tampered with, or is for another key") from error


def _check_key(key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a symmetric key has {KEY_BYTES} bytes, not {len(key)}")
