"""Transactions to submit, the same for both sides, and the blocks that prove what they spend.

Every transaction spends an ancestor of its own, which a block of 1,024 transactions proves (a path of ten levels) and which
pays two outputs. Its own outputs are SHIP tokens of one identity, each with a URL of its own; the last one is change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import AdProtocol, Digest, IdentityKey, Outpoint, Txid
from reconciler.model.keys import FUNDING_KEY
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire.advertisement import AdToken, lock, preimage
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.merkle import MerklePath, path_of
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

LEAVES: Final = 1024
HEIGHT: Final = 800_000
"""Of the first block."""

TOPIC: Final = "tm_ship"
NAME: Final = "tm_bench"

_COIN: Final = 100_000
_FEE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Made:
    """One transaction to submit."""

    txid: Txid
    beef: bytes
    identity: IdentityKey
    outputs: int
    """How many of its outputs are SHIP tokens."""


@dataclass(frozen=True, slots=True)
class Coin:
    """An output of a transaction that a block proves."""

    number: int
    """Of the coin, in its material."""
    ancestor: Transaction
    proof: MerklePath
    vout: int = 0

    @property
    def spendable(self) -> Spendable:
        """The coin, for the purse to spend."""
        return Spendable(self.ancestor.outpoint(self.vout), self.ancestor.outputs[self.vout], FUNDING_KEY, Lock.P2PKH)

    def spent_by(self, transaction: Transaction) -> Beef:
        """A transaction that spends it, with its ancestry."""
        entries = {self.ancestor.txid: BeefTx(self.ancestor, 0), transaction.txid: BeefTx(transaction)}
        return Beef((self.proof,), entries)


@dataclass(slots=True)
class Material:
    """Makes transactions; the same again for the same seed."""

    seed: str
    blocks: int = 100
    """Over how many blocks ancestors are spread."""
    roots: dict[int, Digest] = field(default_factory=dict)
    """Merkle root by height, of all blocks that were needed so far."""
    _made: int = 0

    def transactions(self, count: int, outputs: int, *, identities: Sequence[Keys] = ()) -> Iterator[Made]:
        """So many transactions with so many SHIP tokens each, of an identity each or of one after another of these."""
        for coin in self.coins(count):
            keys = identities[coin.number % len(identities)] if identities else self.keys(f"identity {coin.number}")
            transaction = self._spend(coin, keys, outputs)
            yield Made(transaction.txid, coin.spent_by(transaction).to_bytes(), keys.identity, outputs)

    def coins(self, count: int) -> Iterator[Coin]:
        """So many coins of the purse, each of a transaction of its own."""
        while count > 0:
            some = min(count, LEAVES // 2 * self.blocks)
            yield from self._mined(some)
            count -= some

    def plain(self, count: int, outputs: int) -> Iterator[Made]:
        """So many transactions with so many outputs that only look like tokens: as long, and unsigned."""
        for some in range(0, count, LEAVES):
            numbers = range(self._made, self._made + min(LEAVES, count - some))
            self._made += len(numbers)
            ancestors = [self._ancestor(number, bytes(25)) for number in numbers]
            height = HEIGHT + len(self.roots)
            path = path_of([each.txid for each in ancestors], range(len(ancestors)), height)
            self.roots[height] = path.block_root
            for number, ancestor in zip(numbers, ancestors, strict=True):
                identity = IdentityKey(f"02{self._hash(f'identity {number}')}")
                tokens = tuple(
                    TxOutput(Satoshis(1), f"{number} {place}".encode().ljust(200)) for place in range(outputs)
                )
                transaction = Transaction((TxInput(ancestor.outpoint(0), bytes(107)),), tokens)
                coin = Coin(number, ancestor, path.only([ancestor.txid]))
                yield Made(transaction.txid, coin.spent_by(transaction).to_bytes(), identity, outputs)

    @property
    def purse(self) -> Keys:
        """Whose the coins are."""
        return self.keys("purse")

    def keys(self, name: str) -> Keys:
        """A key of this material's."""
        return Keys(hashlib.sha256(f"{self.seed} {name}".encode()).digest())

    def _mined(self, count: int) -> Iterator[Coin]:
        first = self._made
        self._made += count
        script = p2pkh(self.purse.public(FUNDING_KEY))
        ancestors = [self._ancestor(first + index, script) for index in range(count)]
        base = HEIGHT + len(self.roots)
        for block in range(min(self.blocks, count)):
            mined = ancestors[block :: self.blocks]
            filler = [Txid(self._hash(f"leaf {base + block} {index}")) for index in range(LEAVES - len(mined))]
            path = path_of([*(each.txid for each in mined), *filler], range(len(mined)), base + block)
            self.roots[base + block] = path.block_root
            for index, ancestor in enumerate(mined):
                yield Coin(first + block + index * self.blocks, ancestor, path.only([ancestor.txid]))

    def _ancestor(self, number: int, script: bytes) -> Transaction:
        spent = TxInput(Outpoint(Txid(self._hash(f"coin {number}")), 0), b"\x00" * 107)
        return Transaction((spent,), (TxOutput(Satoshis(_COIN), script), TxOutput(Satoshis(_COIN), script)))

    def _spend(self, coin: Coin, keys: Keys, outputs: int) -> Transaction:
        purse = self.purse
        tokens = [_token(keys, f"https://{coin.number}-{index}.bench.example") for index in range(outputs)]
        change = TxOutput(Satoshis(_COIN - outputs - _FEE), p2pkh(purse.public(FUNDING_KEY)))
        return signed([coin.spendable], [*tokens, change], purse)

    def _hash(self, text: str) -> str:
        return hashlib.sha256(f"{self.seed} {text}".encode()).hexdigest()


def _token(keys: Keys, url: str) -> TxOutput:
    token = AdToken(AdProtocol.SHIP, keys.identity, url, NAME)
    return TxOutput(Satoshis(1), lock(token, keys.sign(token.key, preimage(token))))
