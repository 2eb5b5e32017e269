"""PushDrop (BRC-48), lock before: `<key> OP_CHECKSIG <field>... OP_2DROP...`. WIRE §4.2.

The reference's reader cannot tell an empty field from a zero byte, and loses the byte 16; so those are never written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey, identity_key
from reconciler.wire.script import OP_2DROP, OP_CHECKSIG, OP_DROP, push, pushes

_LOST: Final = frozenset({b"", b"\x00", b"\x10"})
_OPCODES: Final = frozenset({*(bytes([value]) for value in range(1, 16)), b"\x81"})

_HEAD: Final = 35  # the key's push, and OP_CHECKSIG
_PARTS: Final = 150
"""Fields and drops: a hundred fields, ten times what any token has."""


@dataclass(frozen=True, slots=True)
class PushDrop:
    """A token's locking key and its fields, the signature among them."""

    key: IdentityKey
    fields: tuple[bytes, ...]


def lock(key: IdentityKey, fields: Sequence[bytes], *, numbers: bool = False) -> bytes:
    """The locking script of a token.

    Raises ValueError for a field that readers do not give back: empty, or the single byte 0 or 16; and, unless `numbers`
    says that small numbers are meant, for the other single bytes that become an opcode (1 to 15, 0x81).
    """
    if not fields:
        raise ValueError("a token has at least one field")
    for index, field in enumerate(fields):
        if field in _LOST or (field in _OPCODES and not numbers):
            raise ValueError(f"field {index} of a token must not be {field.hex() or 'empty'}: readers would lose it")
    return _script(key, fields)


def parse(locking: bytes) -> PushDrop | None:
    """The token that a locking script is, or None where it is none in exactly this form, minimal pushes included."""
    # What does not begin as one is not taken apart: a stranger's script is as long as he likes.
    if len(locking) < _HEAD or locking[:1] != b"\x21" or locking[1] not in {2, 3} or locking[34] != OP_CHECKSIG:
        return None
    try:
        parts = pushes(locking[_HEAD:], most=_PARTS)
    except VerificationError:
        return None
    fields = tuple(part for part in parts if isinstance(part, bytes))
    if not fields:
        return None
    token = PushDrop(identity_key(locking[1:34]), fields)
    return token if _script(token.key, token.fields) == locking else None


def _script(key: IdentityKey, fields: Sequence[bytes]) -> bytes:
    pairs, odd = divmod(len(fields), 2)
    drops = bytes([OP_2DROP]) * pairs + bytes([OP_DROP]) * odd
    return b"".join((push(bytes.fromhex(key)), bytes([OP_CHECKSIG]), *map(push, fields), drops))
