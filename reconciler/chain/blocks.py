"""Blocks of the embedded chain: 80-byte headers with real, if easy, proof of work, coinbases, and the one genesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median_low
from typing import Final

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.wire.merkle import merkle_root
from reconciler.wire.reading import Reading
from reconciler.wire.transaction import FINAL, Transaction, TxInput, TxOutput, double_sha256

REGTEST_BITS: Final = 0x207FFFFF
"""The easiest target there is: about every second hash meets it."""

ANYONE: Final = b"\x51"
"""OP_TRUE: the locking script of coinbases and of the faucet's reserve."""

SUBSIDY: Final = Satoshis(5_000_000_000)
"""What a block's miner gets beside fees."""

RESERVE: Final = Satoshis(100_000_000_000_000)
"""What the coinbase of block 1 pays: a million coins for the faucet, spendable at once."""

MATURITY: Final = 100
"""Blocks until any later coinbase may be spent; also the deepest reorg, so that one never takes a spent coinbase away."""

_NOWHERE: Final = Digest("00" * 32)
_MEDIAN_SPAN: Final = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockHeader:
    """What is hashed; `time` is in unix seconds."""

    version: int = 0x20000000
    previous: Digest
    merkle_root: Digest
    time: int
    bits: int = REGTEST_BITS
    nonce: int = 0

    def to_bytes(self) -> bytes:
        """The 80 bytes."""
        return b"".join(
            (
                self.version.to_bytes(4, "little"),
                bytes.fromhex(self.previous)[::-1],
                bytes.fromhex(self.merkle_root)[::-1],
                self.time.to_bytes(4, "little"),
                self.bits.to_bytes(4, "little"),
                self.nonce.to_bytes(4, "little"),
            )
        )

    @property
    def hash(self) -> Digest:
        """The block's hash, in display order."""
        return Digest(double_sha256(self.to_bytes())[::-1].hex())

    @property
    def meets_target(self) -> bool:
        """Whether the hash is small enough for `bits`."""
        return int(self.hash, 16) <= target(self.bits)


def parse_header(data: bytes) -> BlockHeader:
    """Read 80 bytes. Raises VerificationError, also where the proof of work is missing."""
    reading = Reading(data, "the block header")
    header = BlockHeader(
        version=reading.integer(4),
        previous=Digest(reading.take(32)[::-1].hex()),
        merkle_root=Digest(reading.take(32)[::-1].hex()),
        time=reading.integer(4),
        bits=reading.integer(4),
        nonce=reading.integer(4),
    )
    reading.end()
    if not header.meets_target:
        raise VerificationError(f"the block header {header.hash} has no proof of work")
    return header


def target(bits: int) -> int:
    """The largest hash that a block with these compact `bits` may have."""
    exponent, mantissa = bits >> 24, bits & 0x007FFFFF
    return mantissa << 8 * (exponent - 3) if exponent >= 3 else mantissa >> 8 * (3 - exponent)


def difficulty(bits: int) -> float:
    """How much harder than Bitcoin's easiest target, as block explorers show it."""
    return target(0x1D00FFFF) / target(bits)


def work(header: BlockHeader) -> BlockHeader:
    """The same header with a nonce that meets its target."""
    while not header.meets_target:
        header = replace(header, nonce=header.nonce + 1)
    return header


def median_time(times: Sequence[int]) -> int:
    """The median of the last eleven block times, which is the clock of lock times and must be passed by the next block."""
    return median_low(times[-_MEDIAN_SPAN:])


def next_header(parent: BlockHeader, transactions: Sequence[Txid], *, times: Sequence[int], now: int) -> BlockHeader:
    """A worked header on top of `parent`; `times` are the last block times, oldest first."""
    time = max(now, median_time(times) + 1)
    return work(BlockHeader(previous=parent.hash, merkle_root=merkle_root(transactions), time=time))


def coinbase(height: int, value: int, salt: bytes) -> Transaction:
    """The first transaction of a block; height and salt (at most 64 bytes) make it unlike any other."""
    label = height.to_bytes(4, "little")
    unlocking = bytes((len(label),)) + label + bytes((len(salt),)) + salt
    nothing = TxInput(Outpoint(Txid(_NOWHERE), 0xFFFFFFFF), unlocking, FINAL)
    return Transaction((nothing,), (TxOutput(Satoshis(value), ANYONE),))


GENESIS_COINBASE: Final = coinbase(0, 0, b"an embedded world; nothing leaves this machine")

GENESIS: Final = work(
    BlockHeader(
        version=1,
        previous=_NOWHERE,
        merkle_root=Digest(GENESIS_COINBASE.txid),
        time=1_231_006_505,
    )
)
"""Header 0, the same in every embedded world; block 1 is what tells them apart."""
