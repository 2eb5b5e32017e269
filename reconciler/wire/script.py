"""Script, as far as money and tokens need it: pushes, pay-to-public-key-hash, addresses, unlocking scripts.

Sizes here are upper bounds in bytes; a signature is DER with low S (BIP 146), so it has at most 71 bytes.
"""

from __future__ import annotations

from typing import Final

from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey
from reconciler.wire.base58 import decode_check, encode_check
from reconciler.wire.reading import Reading
from reconciler.wire.sdk import hash160

MAX_SIGNATURE: Final = 71
"""A DER signature without its sighash byte."""

P2PKH_INPUT: Final = 148
"""Outpoint 36, length 1, push of signature and sighash byte 73, push of key 34, sequence 4."""

PUSHDROP_INPUT: Final = 114
"""Outpoint 36, length 1, push of signature and sighash byte 73, sequence 4."""

P2PKH_OUTPUT: Final = 34
"""Amount 8, length 1, script 25."""

SIGHASH: Final = 0x41
"""ALL | FORKID: every signature of ours covers the whole transaction."""

OP_1NEGATE: Final = 0x4F
OP_1: Final = 0x51
OP_16: Final = 0x60
OP_2DROP: Final = 0x6D
OP_DROP: Final = 0x75
OP_DUP: Final = 0x76
OP_EQUALVERIFY: Final = 0x88
OP_HASH160: Final = 0xA9
OP_CHECKSIG: Final = 0xAC

_LENGTHS: Final = {0x4C: 1, 0x4D: 2, 0x4E: 4}  # OP_PUSHDATA1, 2, 4: how many bytes state the length
_MAINNET: Final = b"\x00"
_TESTNET: Final = b"\x6f"


def push(data: bytes) -> bytes:
    """The shortest script that pushes `data`: an opcode for what has one, else length and bytes."""
    if not data:
        return b"\x00"
    if len(data) == 1 and 1 <= data[0] <= 16:
        return bytes([OP_1 - 1 + data[0]])
    if data == b"\x81":
        return bytes([OP_1NEGATE])
    if len(data) < min(_LENGTHS):
        return bytes([len(data)]) + data
    for opcode, size in _LENGTHS.items():
        if len(data) < 1 << (8 * size):
            return bytes([opcode]) + len(data).to_bytes(size, "little") + data
    raise ValueError(f"{len(data)} bytes are too many for one push")


def pushes(script: bytes, *, most: int) -> tuple[bytes | int, ...]:
    """A script taken apart: what a push pushes as bytes, any other opcode as its number.

    Raises VerificationError where the script ends inside a push, or has more than `most` parts.
    """
    reading = Reading(script, "the script")
    parts: list[bytes | int] = []
    while reading.remaining:
        if len(parts) == most:
            raise VerificationError(f"the script has more than {most} parts")
        parts.append(_part(reading))
    return tuple(parts)


def p2pkh(key: IdentityKey) -> bytes:
    """The locking script that pays to a public key's hash."""
    return _p2pkh(hash160(bytes.fromhex(key)))


def address(key: IdentityKey, *, mainnet: bool) -> str:
    """The address that stands for `p2pkh(key)`."""
    return encode_check(_MAINNET if mainnet else _TESTNET, hash160(bytes.fromhex(key)))


def p2pkh_of_address(address: str) -> bytes:
    """The locking script that an address of either network stands for. Raises ValueError."""
    version, key_hash = decode_check(address, prefix=1, payload=20)
    if version not in {_MAINNET, _TESTNET}:
        raise ValueError(f"not a pay-to-public-key-hash address: {address!r}")
    return _p2pkh(key_hash)


def unlock_p2pkh(signature_der: bytes, key: IdentityKey) -> bytes:
    """The unlocking script of a P2PKH output; the sighash byte is added here."""
    return unlock_pushdrop(signature_der) + push(bytes.fromhex(key))


def unlock_pushdrop(signature_der: bytes) -> bytes:
    """The unlocking script of a PushDrop output; the sighash byte is added here."""
    return push(signature_der + bytes([SIGHASH]))


def _p2pkh(key_hash: bytes) -> bytes:
    return bytes([OP_DUP, OP_HASH160]) + push(key_hash) + bytes([OP_EQUALVERIFY, OP_CHECKSIG])


def _part(reading: Reading) -> bytes | int:
    opcode = reading.integer(1)
    if opcode < min(_LENGTHS):
        return reading.take(opcode)
    if opcode in _LENGTHS:
        return reading.take(reading.integer(_LENGTHS[opcode]))
    if opcode == OP_1NEGATE:
        return b"\x81"
    if OP_1 <= opcode <= OP_16:
        return bytes([opcode - OP_1 + 1])
    return opcode
