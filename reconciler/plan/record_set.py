"""The transactions that carry out what a new root commits to: one, or a set whose members are nothing without each other.

Up to `batch` tokens made and spent (100; PROTOCOL §4) there is one root transaction. Where more are made, a *lock* makes the
root pending and funds the *batches*, which make the tokens; the root transaction spends the pending root and one output of
every batch, so that it cannot be valid unless all of them are. Where more are spent, the root transaction funds *sweeps*,
which spend them afterwards; where everything is destroyed, an *end* spends the last root and one output of every sweep.

- Lock: the live root's token; money. Makes the pending root's token, a funding for each batch, change.
- Batch: its funding. Makes tokens, a link of 1 satoshi.
- Root: the live or pending root's token; tokens that go; the links; money, or the lock's change. Makes the new root's token;
  tokens; a funding for each sweep; change.
- Sweep: its funding; tokens that go. What is left is paid to the funding address, or to the end.
- End: the root's token; the sweeps' links; the root's change. Pays everything to the funding address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

from reconciler.model.amounts import FeeRate
from reconciler.model.ids import Outpoint
from reconciler.plan import sizes
from reconciler.plan.tokens import TOKEN, RecordTokens, Token
from reconciler.plan.transactions import Made, Output, OutputRole, Spend, TxLayout, TxRole

_Item = TypeVar("_Item")

BATCH: Final = 100
"""Tokens that one transaction makes or spends (PROTOCOL §4)."""


@dataclass(frozen=True)
class RecordSet:
    """The records' transactions of one apply, from the money that they need to their last output."""

    tokens: RecordTokens
    rate: FeeRate
    batch: int
    destroys: bool

    @cached_property
    def _batches(self) -> tuple[tuple[Token, ...], ...]:
        made = self.tokens.made
        return _parted(made, self.batch) if len(made) > self.batch else ()

    @cached_property
    def _sweeps(self) -> tuple[tuple[Outpoint, ...], ...]:
        spent = self.tokens.spent
        return _parted(spent, self.batch) if len(spent) > self.batch else ()

    @property
    def _ends(self) -> bool:
        return self.destroys and bool(self._sweeps)

    @property
    def _root_spends(self) -> tuple[Spend, ...]:
        """The tokens and links that the root transaction spends."""
        live: tuple[Spend, ...] = (self.tokens.live,) if self.tokens.live else ()
        if self._batches:
            live = (Made(TxRole.LOCK, 0),)
        links = (Made(TxRole.BATCH, len(tokens), number) for number, tokens in enumerate(self._batches))
        return (*live, *(() if self._sweeps else self.tokens.spent), *links)

    @property
    def _root_makes(self) -> tuple[Token, ...]:
        root = () if self.destroys and not self._ends else (self.tokens.root,)
        return (*root, *(() if self._batches else self.tokens.made))

    def need(self, coins: int) -> int:
        """Satoshis that so many money coins must bring; below 0 where old tokens bring more."""
        if not self._batches:
            return self._root_need(coins)
        locked = TOKEN - TOKEN * (self.tokens.live is not None)
        funds = sum(self._funding(tokens) for tokens in self._batches)
        return locked + funds + self._lock_change + self.rate.fee(self._lock_size(coins))

    def lay_out(self, money: tuple[Spend, ...], coins: int, spare: int) -> tuple[TxLayout, ...]:
        """The transactions, where `money` brings `spare` satoshis more than needed; `coins` are more than it where some is missing."""
        if not self._batches:
            return (self._root(money, coins, spare), *self._swept(spare))
        lock = self._lock(money, coins, spare)
        change = (Made(TxRole.LOCK, len(lock.outputs) - 1),)
        spare = lock.change - self._root_need(1)
        return (
            lock,
            *(self._batch(number, tokens) for number, tokens in enumerate(self._batches)),
            self._root(change, 1, spare),
            *self._swept(spare),
        )

    # The lock and its batches.

    @property
    def _lock_change(self) -> int:
        return max(1, self._root_need(1))

    def _lock(self, money: tuple[Spend, ...], coins: int, spare: int) -> TxLayout:
        live: tuple[Spend, ...] = (self.tokens.live,) if self.tokens.live else ()
        size = self._lock_size(coins)
        return TxLayout(
            role=TxRole.LOCK,
            spends=(*live, *money),
            outputs=(
                self.tokens.root.output,
                *(_money(OutputRole.FUNDING, self._funding(tokens)) for tokens in self._batches),
                _money(OutputRole.CHANGE, self._lock_change + spare),
            ),
            size=size,
            fee=self.rate.fee(size),
        )

    def _lock_size(self, coins: int) -> int:
        live = int(self.tokens.live is not None)
        return _size(coins=coins, spent=live, made=(self.tokens.root,), money=len(self._batches) + 1)

    def _batch(self, number: int, tokens: Sequence[Token]) -> TxLayout:
        size = _size(coins=1, spent=0, made=tokens, money=1)
        return TxLayout(
            role=TxRole.BATCH,
            index=number,
            spends=(Made(TxRole.LOCK, 1 + number),),
            outputs=(*(token.output for token in tokens), _money(OutputRole.LINK, 1)),
            size=size,
            fee=self.rate.fee(size),
        )

    def _funding(self, tokens: Sequence[Token]) -> int:
        return len(tokens) * TOKEN + 1 + self.rate.fee(_size(coins=1, spent=0, made=tokens, money=1))

    # The root transaction.

    def _root_need(self, coins: int) -> int:
        given = len(self._root_spends)  # a token and a link are of 1 satoshi each
        taken = len(self._root_makes) * TOKEN + sum(map(self._sweeping, self._sweeps)) + self._least_change
        return taken + self.rate.fee(self._root_size(coins)) - given

    def _root(self, money: tuple[Spend, ...], coins: int, spare: int) -> TxLayout:
        size = self._root_size(coins)
        rest = OutputRole.PAYOUT if self.destroys and not self._ends else OutputRole.CHANGE
        return TxLayout(
            role=TxRole.ROOT,
            spends=(*self._root_spends, *money),
            outputs=(
                *(token.output for token in self._root_makes),
                *(_money(OutputRole.SWEEPING, self._sweeping(tokens)) for tokens in self._sweeps),
                _money(rest, self._least_change + spare),
            ),
            size=size,
            fee=self.rate.fee(size),
        )

    def _root_size(self, coins: int) -> int:
        links = len(self._batches)
        return _size(
            coins=coins + links,
            spent=len(self._root_spends) - links,
            made=self._root_makes,
            money=len(self._sweeps) + 1,
        )

    @property
    def _least_change(self) -> int:
        """What must be left over: 1, and what the end lacks."""
        if not self._ends:
            return 1
        links = sum(self._link(tokens) for tokens in self._sweeps)
        return max(1, 1 + self.rate.fee(self._end_size) - TOKEN - links)

    # Sweeps and the end.

    def _swept(self, spare: int) -> tuple[TxLayout, ...]:
        sweeps = tuple(self._sweep(number, tokens) for number, tokens in enumerate(self._sweeps))
        return (*sweeps, self._end(spare)) if self._ends else sweeps

    def _sweep(self, number: int, tokens: tuple[Outpoint, ...]) -> TxLayout:
        size = _sweep_size(tokens)
        return TxLayout(
            role=TxRole.SWEEP,
            index=number,
            spends=(Made(TxRole.ROOT, len(self._root_makes) + number), *tokens),
            outputs=(_money(OutputRole.LINK if self._ends else OutputRole.PAYOUT, self._link(tokens)),),
            size=size,
            fee=self.rate.fee(size),
        )

    def _sweeping(self, tokens: Sequence[Outpoint]) -> int:
        """The funding of a sweep; tokens that bring more than the fee need only the least there is."""
        return max(1, self.rate.fee(_sweep_size(tokens)) + 1 - len(tokens) * TOKEN)

    def _link(self, tokens: Sequence[Outpoint]) -> int:
        """What a sweep leaves."""
        return self._sweeping(tokens) + len(tokens) * TOKEN - self.rate.fee(_sweep_size(tokens))

    def _end(self, spare: int) -> TxLayout:
        links = tuple(Made(TxRole.SWEEP, 0, number) for number in range(len(self._sweeps)))
        change = Made(TxRole.ROOT, len(self._root_makes) + len(self._sweeps))
        fee = self.rate.fee(self._end_size)
        brought = TOKEN + sum(self._link(tokens) for tokens in self._sweeps) + self._least_change + spare
        return TxLayout(
            role=TxRole.END,
            spends=(Made(TxRole.ROOT, 0), *links, change),
            outputs=(_money(OutputRole.PAYOUT, brought - fee),),
            size=self._end_size,
            fee=fee,
        )

    @property
    def _end_size(self) -> int:
        return _size(coins=len(self._sweeps) + 1, spent=1, made=(), money=1)


def _sweep_size(tokens: Sequence[Outpoint]) -> int:
    return _size(coins=1, spent=len(tokens), made=(), money=1)


def _size(*, coins: int, spent: int, made: Sequence[Token], money: int) -> int:
    """Bytes of a transaction with so many money coins and tokens as inputs, and tokens and so much money as outputs."""
    return sizes.transaction(
        p2pkh_inputs=coins,
        pushdrop_inputs=spent,
        outputs=len(made) + money,
        outputs_size=sum(token.size for token in made) + money * sizes.P2PKH_OUTPUT,
    )


def _money(role: OutputRole, satoshis: int) -> Output:
    return Output(role=role, satoshis=satoshis)


def _parted(items: tuple[_Item, ...], size: int) -> tuple[tuple[_Item, ...], ...]:
    return tuple(items[start : start + size] for start in range(0, len(items), size))
