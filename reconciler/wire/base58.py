"""Base58Check: text that a mistyped letter breaks. Addresses and UHRP URLs are written so."""

from __future__ import annotations

from typing import Final

from bsv.base58 import base58check_decode, base58check_encode

_MAX_TEXT: Final = 128  # decoding takes quadratic time, and nothing of ours is longer than 53


def encode_check(prefix: bytes, payload: bytes) -> str:
    """Prefix and payload, with four bytes of checksum behind them, as text."""
    text: str = base58check_encode(prefix + payload)
    return text


def decode_check(text: str, *, prefix: int, payload: int) -> tuple[bytes, bytes]:
    """Prefix and payload of exactly these sizes, in bytes. Raises ValueError."""
    if len(text) > _MAX_TEXT:
        raise ValueError(f"{len(text)} characters are too many for Base58Check")
    try:
        data: bytes = base58check_decode(text)
    except ValueError as error:  # it names checksums, which tell nobody what to do
        raise ValueError(f"not Base58Check, or its checksum is wrong: {text!r}") from error
    if len(data) != prefix + payload:
        raise ValueError(f"{len(data)} bytes of Base58Check where {prefix + payload} are expected: {text!r}")
    return data[:prefix], data[prefix:]
