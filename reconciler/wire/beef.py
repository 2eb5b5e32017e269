"""Transactions with their ancestry and its proofs: BEEF V1 (BRC-62), V2 (BRC-96) and Atomic BEEF (BRC-95).

Our own framing: bounded, iterative, linear in size. We read all three and write V2, or Atomic around V2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, Txid
from reconciler.wire.merkle import MerklePath, combine, read_path
from reconciler.wire.reading import Reading, varint
from reconciler.wire.transaction import Transaction, read_transaction

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_TRANSACTIONS: Final = 100_000

_V1: Final = bytes.fromhex("0100beef")
_V2: Final = bytes.fromhex("0200beef")
_ATOMIC: Final = bytes.fromhex("01010101")
_LEAST_PATH: Final = 37  # bytes: height, levels, count, and one leaf with its hash
_LEAST_ENTRY: Final = 11  # bytes: a transaction without inputs and outputs, and the byte that says how it is given


class _Form(IntEnum):
    """How BRC-96 gives a transaction."""

    RAW = 0
    PROVEN = 1
    TXID = 2


@dataclass(frozen=True, slots=True)
class BeefTx:
    """A transaction, and where it is proven the index of its Merkle path."""

    transaction: Transaction
    bump: int | None = None

    @property
    def parents(self) -> Iterator[Txid]:
        """The transactions whose outputs it spends, one per input."""
        return (spent.outpoint.txid for spent in self.transaction.inputs)


@dataclass(frozen=True, slots=True)
class Beef:
    """Transactions in topological order: each after those it spends. `known` are given by their txid only.

    A Merkle path named by a transaction proves it, or there is no such Beef (VerificationError). That the path leads to
    a block of the chain, that ancestors are there and that anything is valid is for `spv.verify` to say.
    """

    bumps: tuple[MerklePath, ...] = ()
    transactions: Mapping[Txid, BeefTx] = field(default_factory=dict)
    known: frozenset[Txid] = frozenset()

    def __post_init__(self) -> None:
        seen: set[Txid] = set()
        for txid, entry in self.transactions.items():
            if txid != entry.transaction.txid:
                raise VerificationError(f"transaction {entry.transaction.txid} is filed as {txid}")
            if any(parent in self.transactions and parent not in seen for parent in entry.parents):
                raise VerificationError(f"transaction {txid} stands before one that it spends")
            seen.add(txid)
            self._check_proof(txid, entry)
        if self.known & seen:
            raise VerificationError("a transaction is given both whole and by its txid only")

    @classmethod
    def of(cls, bumps: Sequence[MerklePath], entries: Iterable[BeefTx], known: Iterable[Txid] = ()) -> Beef:
        """Put together from entries in any order, which is kept as far as ancestors allow. Repeated ones are merged."""
        filed: dict[Txid, BeefTx] = {}
        for entry in entries:
            former = filed.setdefault(entry.transaction.txid, entry)
            if former.bump is None:
                filed[entry.transaction.txid] = entry
            elif entry.bump not in {None, former.bump}:
                raise VerificationError(f"transaction {entry.transaction.txid} names two Merkle paths")
        return cls(tuple(bumps), _ordered(filed), frozenset(known) - filed.keys())

    def subject_or_last(self, subject: Txid | None = None) -> Txid:
        """The subject that came with the bytes, else the last transaction. Raises VerificationError if there is none."""
        if subject is not None:
            return subject
        if not self.transactions:
            raise VerificationError("the BEEF holds no transaction")
        return list(self.transactions)[-1]

    def proof(self, txid: Txid) -> MerklePath | None:
        """The Merkle path that proves `txid`, if the BEEF has it."""
        entry = self.transactions.get(txid)
        return None if entry is None or entry.bump is None else self.bumps[entry.bump]

    def to_bytes(self) -> bytes:
        """BEEF V2."""
        parts = [_V2, varint(len(self.bumps))]
        parts += (bump.to_bytes() for bump in self.bumps)
        parts.append(varint(len(self.known) + len(self.transactions)))
        parts += (bytes([_Form.TXID]) + bytes.fromhex(txid)[::-1] for txid in sorted(self.known))
        for entry in self.transactions.values():
            parts.append(bytes([_Form.RAW]) if entry.bump is None else bytes([_Form.PROVEN]) + varint(entry.bump))
            parts.append(entry.transaction.raw)
        return b"".join(parts)

    def to_atomic(self, txid: Txid) -> bytes:
        """Atomic BEEF for `txid` with the ancestry it needs and nothing else. Raises VerificationError if it is absent."""
        return _ATOMIC + bytes.fromhex(txid)[::-1] + subset(self, (txid,)).to_bytes()

    def _check_proof(self, txid: Txid, entry: BeefTx) -> None:
        if entry.bump is None:
            return
        if not 0 <= entry.bump < len(self.bumps):
            raise VerificationError(f"transaction {txid} names Merkle path {entry.bump} of {len(self.bumps)}")
        if not self.bumps[entry.bump].proves(txid):
            raise VerificationError(f"transaction {txid} is not in the Merkle path it names")


def parse_beef(
    data: bytes, *, max_bytes: int = MAX_BYTES, max_transactions: int = MAX_TRANSACTIONS
) -> tuple[Beef, Txid | None]:
    """Parse V1, V2 or Atomic, transactions in any order; the subject is that of Atomic. Raises VerificationError."""
    if len(data) > max_bytes:
        raise VerificationError(f"the BEEF has {len(data)} bytes, more than {max_bytes}")
    reading = Reading(data, "the BEEF")
    version, subject = reading.take(4), None
    if version == _ATOMIC:
        subject, version = _read_txid(reading), reading.take(4)
    if version not in {_V1, _V2}:
        raise VerificationError(f"not a BEEF: it begins {version.hex()}")
    bumps = [read_path(reading) for _ in range(reading.count(_LEAST_PATH))]
    count = reading.count(_LEAST_ENTRY)
    if count > max_transactions:
        raise VerificationError(f"the BEEF holds {count} transactions, more than {max_transactions}")
    read = _read_v1 if version == _V1 else _read_v2
    entries = [read(reading) for _ in range(count)]
    reading.end()
    beef = Beef.of(
        bumps,
        (entry for entry in entries if isinstance(entry, BeefTx)),
        (entry for entry in entries if not isinstance(entry, BeefTx)),
    )
    if subject is not None and subject not in beef.transactions:
        raise VerificationError(f"the Atomic BEEF lacks its subject {subject}")
    return beef, subject


def beef_of(bumps: Sequence[bytes], transactions: Sequence[tuple[bytes, int | None]]) -> bytes:
    """BEEF V2 of parts that are in its form already: paths, and transactions, parents first, each with its path's index."""
    parts = [_V2, varint(len(bumps)), *bumps, varint(len(transactions))]
    for raw, bump in transactions:
        parts += (bytes([_Form.RAW]), raw) if bump is None else (bytes([_Form.PROVEN]) + varint(bump), raw)
    return b"".join(parts)


def merge(beefs: Sequence[Beef]) -> Beef:
    """All of them in one, the Merkle paths of each block combined.

    A proof beats none; of proofs in two different blocks the first stays. Raises VerificationError if two paths of one
    block disagree on its tree.
    """
    proofs: dict[Txid, MerklePath] = {}
    transactions: dict[Txid, Transaction] = {}
    for beef in beefs:
        for txid, entry in beef.transactions.items():
            transactions.setdefault(txid, entry.transaction)
            if entry.bump is not None:
                proofs.setdefault(txid, beef.bumps[entry.bump])
    return _assembled(transactions, proofs, (txid for beef in beefs for txid in beef.known))


def subset(beef: Beef, txids: Iterable[Txid]) -> Beef:
    """`txids` and the ancestry they need, back to what is proven; Merkle paths cut down to what is left.

    What the BEEF itself lacks of that ancestry stays lacking. Raises VerificationError if one of `txids` is absent.
    """
    needed, known = _needed(beef, txids)
    kept = {txid: entry for txid, entry in beef.transactions.items() if txid in needed}
    proofs = {txid: beef.bumps[entry.bump] for txid, entry in kept.items() if entry.bump is not None}
    return _assembled({txid: entry.transaction for txid, entry in kept.items()}, proofs, known)


def ancestry(beef: Beef, txids: Iterable[Txid]) -> tuple[tuple[Transaction, MerklePath | None], ...]:
    """`txids` and the ancestry they need, parents first, each with the path of the BEEF that proves it. Raises as `subset` does."""
    needed, _ = _needed(beef, txids)
    return tuple(
        (entry.transaction, None if entry.bump is None else beef.bumps[entry.bump])
        for each, entry in beef.transactions.items()
        if each in needed
    )


def _needed(beef: Beef, txids: Iterable[Txid]) -> tuple[set[Txid], set[Txid]]:
    """What `txids` need of the transactions that are there, and of those that are known by their txid only."""
    needed: set[Txid] = set()
    known: set[Txid] = set()
    waiting = list(txids)
    if absent := [txid for txid in waiting if txid not in beef.transactions]:
        raise VerificationError(f"the BEEF lacks transaction {absent[0]}")
    while waiting:
        txid = waiting.pop()
        entry = beef.transactions.get(txid)
        if entry is None:
            known |= {txid} & beef.known
        elif txid not in needed:
            needed.add(txid)
            if entry.bump is None:
                waiting.extend(entry.parents)
    return needed, known


def unproven(beef: Beef, txids: Collection[Txid]) -> Beef:
    """The same without the proofs of `txids`: whoever reads it has to go back to those that they spend."""
    proofs = {
        txid: beef.bumps[entry.bump]
        for txid, entry in beef.transactions.items()
        if entry.bump is not None and txid not in txids
    }
    return _assembled({txid: entry.transaction for txid, entry in beef.transactions.items()}, proofs, beef.known)


def _assembled(
    transactions: Mapping[Txid, Transaction], proofs: Mapping[Txid, MerklePath], known: Iterable[Txid]
) -> Beef:
    """A BEEF with one Merkle path per block, lowest block first."""
    blocks: dict[tuple[int, Digest], list[Txid]] = {}
    for txid, path in proofs.items():
        blocks.setdefault((path.height, path.block_root), []).append(txid)
    bumps: list[MerklePath] = []
    places: dict[Txid, int] = {}
    for _, proven in sorted(blocks.items()):
        places.update(dict.fromkeys(proven, len(bumps)))
        distinct = {id(proofs[txid]): proofs[txid] for txid in proven}  # one path often proves many transactions
        bumps.append(combine(tuple(distinct.values()), proven))
    return Beef.of(bumps, (BeefTx(tx, places.get(txid)) for txid, tx in transactions.items()), known)


def _ordered(entries: Mapping[Txid, BeefTx]) -> dict[Txid, BeefTx]:
    """Ancestors first, otherwise in the order given. A hash cannot contain itself, so there are no cycles."""
    placed: dict[Txid, BeefTx] = {}
    for first in entries:
        path = [first]
        while path:
            txid = path[-1]
            parents = () if txid in placed else entries[txid].parents
            before = [parent for parent in parents if parent in entries and parent not in placed]
            if before:
                path.extend(reversed(before))
            else:
                placed.setdefault(path.pop(), entries[txid])
    return placed


def _read_v1(reading: Reading) -> BeefTx | Txid:
    transaction = read_transaction(reading)
    match reading.integer(1):
        case 0:
            return BeefTx(transaction)
        case 1:
            return BeefTx(transaction, reading.varint())
        case flag:
            raise VerificationError(f"a transaction of the BEEF has the unknown flag {flag}")


def _read_v2(reading: Reading) -> BeefTx | Txid:
    match reading.integer(1):
        case _Form.RAW:
            return BeefTx(read_transaction(reading))
        case _Form.PROVEN:
            bump = reading.varint()
            return BeefTx(read_transaction(reading), bump)
        case _Form.TXID:
            return _read_txid(reading)
        case form:
            raise VerificationError(f"a transaction of the BEEF has the unknown form {form}")


def _read_txid(reading: Reading) -> Txid:
    return Txid(reading.take(32)[::-1].hex())
