"""BRC-24: what a look-up service answers, as JSON and in the aggregated binary form. WIRE §4.1.

BEEF is opaque here. Servers differ in how they write bytes into JSON: the TypeScript ones as arrays of numbers, the Go ones
as base64, others as hex; we write arrays and read all three.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.model.json import Json
from reconciler.wire.reading import Reading, varint

AGGREGATION: Final = ("x-aggregation", "yes")
"""The request header that asks for the binary form."""

AFTER: Final = "x-after"
"""The request header that names the last output of the page before, `txid.vout`: a host that knows it goes on from there.

To any other host it says nothing, and `skip`, which comes with it, counts. So does it where the output is not to be found.
"""

BINARY: Final = "application/octet-stream"
"""The answer's content type in that form, to the letter: clients compare the whole string."""

_NUMBERS: Final = tuple(map(str, range(256)))
_LEAST: Final = 34  # bytes of one entry of the binary form
_MAX_INDEX: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class OutputAnswer:
    """One output that was found: its transaction as BEEF, and what the service has to say about it."""

    beef: bytes
    vout: int
    context: bytes | None = None


def answer_text(outputs: Sequence[OutputAnswer]) -> bytes:
    """The JSON form, in UTF-8. What is the same for many outputs is spelled once."""
    spelled: dict[bytes, str] = {}
    parts = []
    for output in outputs:
        beef = spelled.get(output.beef) or spelled.setdefault(output.beef, _numbers(output.beef))
        context = "" if output.context is None else f',"context":{_numbers(output.context)}'
        parts.append(f'{{"beef":{beef},"outputIndex":{output.vout}{context}}}')
    return f'{{"type":"output-list","outputs":[{",".join(parts)}]}}'.encode()


def _numbers(data: bytes) -> str:
    return f"[{','.join(map(_NUMBERS.__getitem__, data))}]"


def parse_answer(value: Json) -> tuple[OutputAnswer, ...]:
    """Read the JSON form. Raises VerificationError."""
    match value:
        case {"type": "output-list", "outputs": [*outputs]}:
            return tuple(_output(output) for output in outputs)
    raise VerificationError("the look-up's answer is not an output-list")


@dataclass(frozen=True, slots=True)
class AggregatedAnswer:
    """The binary form: which outputs were found, each with its context, and one BEEF (V2) that holds them all."""

    outputs: tuple[tuple[Outpoint, bytes | None], ...]
    beef: bytes

    def to_bytes(self) -> bytes:
        """As it stands in the answer's body. A context without bytes is no context."""
        parts = [varint(len(self.outputs))]
        for outpoint, context in self.outputs:
            parts += (bytes.fromhex(outpoint.txid), varint(outpoint.vout), varint(len(context or b"")), context or b"")
        return b"".join((*parts, self.beef))


def parse_aggregated(data: bytes) -> AggregatedAnswer:
    """Read the binary form; whatever follows the list is the BEEF. Raises VerificationError."""
    reading = Reading(data, "the look-up's answer")
    outputs = tuple(_entry(reading) for _ in range(reading.count(_LEAST)))
    return AggregatedAnswer(outputs, reading.rest())


def _output(value: Json) -> OutputAnswer:
    if not isinstance(value, Mapping):
        raise VerificationError("an output of the look-up's answer is not an object")
    beef, vout, context = value.get("beef"), value.get("outputIndex"), value.get("context")
    if type(vout) is not int or not 0 <= vout <= _MAX_INDEX:
        raise VerificationError("an output of the look-up's answer has no output index")
    # The first byte of every BEEF is 1 or 2: in hex that is "0", in base64 "A". The context is spelled as the BEEF is.
    decode = bytes.fromhex if isinstance(beef, str) and beef.startswith("0") else _base64
    return OutputAnswer(_bytes(beef, decode), vout, None if context is None else _bytes(context, decode))


def _bytes(value: Json, decode: Callable[[str], bytes]) -> bytes:
    try:
        if isinstance(value, str):
            return decode(value)
        if isinstance(value, list) and all(type(number) is int for number in value):
            return bytes(value)
    except ValueError as error:
        raise VerificationError(f"bytes of the look-up's answer are malformed: {error}") from error
    raise VerificationError("bytes of the look-up's answer are neither an array of numbers nor text")


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _entry(reading: Reading) -> tuple[Outpoint, bytes | None]:
    txid = Txid(reading.take(32).hex())
    vout = reading.varint()
    if vout > _MAX_INDEX:
        raise VerificationError(f"an output of the look-up's answer has the index {vout}")
    return Outpoint(txid, vout), reading.take(reading.varint()) or None
