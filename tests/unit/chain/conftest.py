from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from bsv.keys import PrivateKey

from reconciler.chain.ledger import Ledger
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import IdentityKey
from reconciler.wire.beef import parse_beef
from reconciler.wire.script import address, p2pkh, unlock_p2pkh
from reconciler.wire.sighash import Commitments
from reconciler.wire.transaction import FINAL, Transaction, TxInput, TxOutput, double_sha256


@dataclass
class Clock:
    """Time that passes when told to."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


class Payer:
    """One key and what it can sign."""

    def __init__(self, name: str) -> None:
        self._key = PrivateKey(hashlib.sha256(name.encode()).digest())
        self.key = IdentityKey(self._key.public_key().hex())
        self.locking = p2pkh(self.key)
        self.address = address(self.key, mainnet=False)

    def pay(
        self,
        sources: Sequence[tuple[Transaction, int]],
        outputs: Sequence[int] | Sequence[TxOutput],
        *,
        sequence: int = FINAL,
        lock_time: int = 0,
    ) -> Transaction:
        """Spend outputs of this key into others, of this key where only an amount is given."""
        spent = [parent.outputs[vout] for parent, vout in sources]
        made = tuple(each if isinstance(each, TxOutput) else TxOutput(Satoshis(each), self.locking) for each in outputs)
        inputs = tuple(TxInput(parent.outpoint(vout), b"", sequence) for parent, vout in sources)
        digest = Commitments(Transaction(inputs, made, 1, lock_time))
        signed = tuple(
            TxInput(each.outpoint, self._unlock(digest.preimage(index, spent[index])), sequence)
            for index, each in enumerate(inputs)
        )
        return Transaction(signed, made, 1, lock_time)

    def _unlock(self, preimage: bytes) -> bytes:
        return unlock_p2pkh(self._key.sign(double_sha256(preimage), hasher=None), self.key)


async def coin(ledger: Ledger, payer: Payer, satoshis: int = 100_000) -> tuple[Transaction, int]:
    """A mined output of the payer's, ready to be a source."""
    funding = await ledger.faucet(payer.locking, Satoshis(satoshis))
    beef, subject = parse_beef(funding.beef)
    assert subject == funding.outpoint.txid
    return beef.transactions[subject].transaction, funding.outpoint.vout


def salts(name: str) -> Callable[[int], bytes]:
    """Randomness that is the same in every run of a test."""
    numbers = count()
    return lambda size: hashlib.shake_256(f"{name} {next(numbers)}".encode()).digest(size)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def payer(request: pytest.FixtureRequest) -> Payer:
    return Payer(request.node.nodeid)


@pytest.fixture
async def ledger(tmp_path: Path, clock: Clock, request: pytest.FixtureRequest) -> AsyncIterator[Ledger]:
    """A world that mines only by hand."""
    async with Ledger(
        tmp_path / "chain.db", clock=clock, randomness=salts(request.node.nodeid), block_time=0
    ) as opened:
        yield opened


@pytest.fixture
def fund(ledger: Ledger, payer: Payer) -> Callable[..., Awaitable[tuple[Transaction, int]]]:
    """Makes a mined output of the payer's, ready to be a source."""
    return lambda satoshis=100_000: coin(ledger, payer, satoshis)


@pytest.fixture
def new_ledger(clock: Clock, request: pytest.FixtureRequest) -> Callable[..., Ledger]:
    """Opens a world of any path and block time; the test closes it."""

    def open_ledger(path: Path, block_time: float = 0, salt: str = "") -> Ledger:
        return Ledger(path, clock=clock, randomness=salts(request.node.nodeid + salt), block_time=block_time)

    return open_ledger
