"""Base58Check: text that a mistyped letter breaks. Addresses and UHRP URLs are written so."""

from __future__ import annotations

import hashlib
from typing import Final

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_ZERO: Final = _ALPHABET[0]
"""Also stands for each zero byte in front, which the number does not show."""
_CHECKSUM: Final = 4
_MAX_TEXT: Final = 128  # decoding takes quadratic time, and nothing of ours is longer than 53


def encode_check(prefix: bytes, payload: bytes) -> str:
    """Prefix and payload, with four bytes of checksum behind them, as text."""
    data = prefix + payload
    return _encode(data + _checksum(data))


def decode_check(text: str, *, prefix: int, payload: int) -> tuple[bytes, bytes]:
    """Prefix and payload of exactly these sizes, in bytes. Raises ValueError."""
    if len(text) > _MAX_TEXT:
        raise ValueError(f"{len(text)} characters are too many for Base58Check")
    checked = _decode(text)
    data = checked[:-_CHECKSUM]
    if checked[-_CHECKSUM:] != _checksum(data):
        raise ValueError(f"not Base58Check, or its checksum is wrong: {text!r}")
    if len(data) != prefix + payload:
        raise ValueError(f"{len(data)} bytes of Base58Check where {prefix + payload} are expected: {text!r}")
    return data[:prefix], data[prefix:]


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()[:_CHECKSUM]


def _encode(data: bytes) -> str:
    number, letters = int.from_bytes(data, "big"), ""
    while number:
        number, value = divmod(number, len(_ALPHABET))
        letters = _ALPHABET[value] + letters
    return _ZERO * (len(data) - len(data.lstrip(b"\x00"))) + letters


def _decode(text: str) -> bytes:
    """No bytes, which have no checksum, where a letter is none of the alphabet's."""
    number = 0
    for letter in text:
        value = _VALUES.get(letter)
        if value is None:
            return b""
        number = number * len(_ALPHABET) + value
    zeros = len(text) - len(text.lstrip(_ZERO))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
