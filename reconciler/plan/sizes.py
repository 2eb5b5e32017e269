"""How large the parts of a transaction can get, in bytes, known before anything is signed.

Every figure is an upper bound that is usually met: a DER signature with low s has 71 bytes, or one or two fewer.
"""

from __future__ import annotations

from typing import Final

from reconciler.model.ids import AdProtocol, RecordId
from reconciler.wire import script

SIGNATURE: Final = script.MAX_SIGNATURE
P2PKH_OUTPUT: Final = script.P2PKH_OUTPUT
P2PKH_INPUT: Final = script.P2PKH_INPUT
PUSHDROP_INPUT: Final = script.PUSHDROP_INPUT
_KEY: Final = 33

_ANCHOR: Final = 1 + (3 + 2 + 32) + (2 + 2 + 36)
"""CBOR {"mh": 32 bytes, "i": 36 bytes}: a map head; each key as text; each value behind a two-byte head (PROTOCOL §2)."""

_PARENT: Final = 2 + 32


def compact_size(number: int) -> int:
    """Bytes of a count or length inside a transaction."""
    if number < 0xFD:
        return 1
    return 3 if number <= 0xFFFF else 5


def push(length: int) -> int:
    """Bytes that a script needs to push `length` bytes, at least 2 (PUSHDATA1 above 75, PUSHDATA2 above 255)."""
    if length <= 75:
        return length + 1
    return length + (2 if length <= 0xFF else 3)


def anchor(parents: int) -> int:
    """The anchor's CBOR; `p` is there only with parents, an array with a head of its own."""
    if not parents:
        return _ANCHOR
    head = 1 if parents < 24 else 2 if parents <= 0xFF else 3
    return _ANCHOR + 2 + head + parents * _PARENT


def record_script(record: RecordId, parents: int = 0) -> int:
    """The locking script of a record token: PushDrop, lock-before, of six fields, which three 2DROPs take away."""
    return _pushdrop(len("DLM1"), _KEY, len(record.kind), len(record.name), anchor(parents), SIGNATURE)


def record_output(record: RecordId, parents: int = 0) -> int:
    """The whole output of a record token."""
    return _output(record_script(record, parents))


def ad_script(protocol: AdProtocol, name: str, url: str) -> int:
    """The locking script of a SHIP or SLAP token (WIRE §4.2): PushDrop, lock-before, of five fields."""
    return _pushdrop(len(protocol), _KEY, len(url.encode()), len(name.encode()), SIGNATURE)


def ad_output(protocol: AdProtocol, name: str, url: str) -> int:
    """The whole output of a SHIP or SLAP token."""
    return _output(ad_script(protocol, name, url))


def _pushdrop(*fields: int) -> int:
    """A key, OP_CHECKSIG, the fields, and as many OP_2DROP and OP_DROP as take them away."""
    return push(_KEY) + 1 + sum(push(length) for length in fields) + -(-len(fields) // 2)


def _output(script: int) -> int:
    return 8 + compact_size(script) + script


def transaction(*, p2pkh_inputs: int, pushdrop_inputs: int, outputs: int, outputs_size: int) -> int:
    """A transaction with this many inputs, and this many `outputs` of `outputs_size` bytes together."""
    inputs = p2pkh_inputs * P2PKH_INPUT + pushdrop_inputs * PUSHDROP_INPUT
    counts = compact_size(p2pkh_inputs + pushdrop_inputs) + compact_size(outputs)
    return 4 + counts + inputs + outputs_size + 4
