"""What ARC is sent: raw, Extended Format or BEEF; as JSON, hexadecimal text or bytes; one or several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.chain.arc import unproven
from reconciler.chain.ledger import Ledger
from reconciler.chain.rules import refusal
from reconciler.model.json import Json
from reconciler.wire.arc import ArcError
from reconciler.wire.beef import Beef, parse_beef
from reconciler.wire.canonical import parse_json
from reconciler.wire.extended import is_extended, read_extended
from reconciler.wire.reading import Reading
from reconciler.wire.spv import roots_of
from reconciler.wire.transaction import Transaction, TxOutput, read_transaction

_BEEF: Final = bytes.fromhex("beef")
_ATOMIC: Final = bytes.fromhex("01010101")


@dataclass(frozen=True, slots=True)
class Submitted:
    """One transaction, and what its sender says that it spends."""

    transaction: Transaction
    spent: tuple[TxOutput, ...] | None = None


async def read_one(body: bytes, content_type: str, ledger: Ledger) -> tuple[Submitted, ...]:
    """The body of /v1/tx: the transaction meant is the last, after its unproven ancestry if it came as BEEF.

    Raises VerificationError, ValueError, or RefusedError with ARC's code.
    """
    match _kind(content_type):
        case "json":
            data = _raw(parse_json(body, "the body"))
        case "text":
            data = bytes.fromhex(body.decode("ascii"))
        case _:
            data = body
    return await _read(data, ledger)


async def read_many(body: bytes, content_type: str, ledger: Ledger) -> tuple[Submitted, ...]:
    """The body of /v1/txs: an array, as ARC reads it, or `{transactions: [...]}`, as its documentation says; or lines; or bytes.

    Raises as `read_one` does.
    """
    match _kind(content_type):
        case "json":
            value = parse_json(body, "the body")
            entries = value.get("transactions") if isinstance(value, Mapping) else value
            if not isinstance(entries, list):
                raise refusal(ArcError.BAD_REQUEST, "the body is not a list of transactions")
            parts: Iterable[bytes] = (_raw(entry) for entry in entries)
        case "text":
            parts = (bytes.fromhex(line) for line in body.decode("ascii").splitlines() if line.strip())
        case _:
            parts = (body,)
    return tuple([each for part in parts for each in await _read(part, ledger)])


async def _read(data: bytes, ledger: Ledger) -> tuple[Submitted, ...]:
    if not data:
        raise refusal(ArcError.BAD_REQUEST, "no transaction found: empty request body")
    if data[2:4] == _BEEF or data[:4] == _ATOMIC:
        beef, subject = parse_beef(data)
        await _check_roots(beef, ledger)
        lineage = unproven(beef, beef.subject_or_last(subject))
        return tuple(Submitted(extended.transaction, extended.spent) for extended in lineage)
    reading = Reading(data, "the transaction")
    submitted: list[Submitted] = []
    while reading.remaining:
        if is_extended(data[reading.position :][:10]):
            extended = read_extended(reading)
            submitted.append(Submitted(extended.transaction, extended.spent))
        else:
            submitted.append(Submitted(read_transaction(reading)))
    return tuple(submitted)


async def _check_roots(beef: Beef, ledger: Ledger) -> None:
    for height, root in roots_of(beef):
        block = await ledger.block(height)
        if block is None or block.header.merkle_root != root:
            raise refusal(ArcError.MERKLE_ROOTS, f"the Merkle root for height {height} is not that of the chain")


def _kind(content_type: str) -> str:
    for kind, name in (("json", "application/json"), ("text", "text/plain"), ("bytes", "application/octet-stream")):
        if name in content_type:
            return kind
    raise refusal(ArcError.BAD_REQUEST, f"the content type {content_type!r} is not one of those allowed")


def _raw(entry: Json) -> bytes:
    raw = entry.get("rawTx") if isinstance(entry, Mapping) else None
    if not isinstance(raw, str):
        raise refusal(ArcError.BAD_REQUEST, "rawTx is missing")
    return bytes.fromhex(raw)
