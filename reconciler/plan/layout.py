"""Laying out the transactions of an apply, before anything is signed (PROTOCOL §4). Apply builds precisely this.

- Splitter, only where storage hosts are paid, or advertisements change and the purse cannot pay for it: inputs money coins;
  outputs [coin for the records' transactions, or what is left where there are none; purse?; money for storage...].
- Pouches and payments, where storage hosts are paid (plan/storage_set.py).
- The records' transactions, where anything changes that the root commits to (plan/record_set.py), from money coins, sorted by
  outpoint, or the splitter's first output.
- Ads, where tokens of advertisements are made or spent: inputs purse coins, sorted by outpoint; the splitter's second
  output; old tokens, sorted by address and outpoint. Outputs new tokens, sorted by address; what is left, the next purse.
  Where no new token shows it to a rebuild, what is left is paid to the funding address.

What `i` of a record token names is the first input of the transaction that makes it. Tokens are of 1 satoshi, money is P2PKH.
All money is spent, up to 100 coins, so that all of it lies in the change of the latest root, where a rebuild finds it (PROTOCOL
§5). A fee is that of the largest size the transaction can have, and is paid exactly; so what is shown is what is paid,
although signatures vary by a byte. Where everything is destroyed nothing is made, and what is left is paid to the funding
address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from reconciler.model.amounts import FeeRate
from reconciler.model.ids import Outpoint
from reconciler.model.keys import is_purse
from reconciler.model.observed import Coin, CoinStatus, Snapshot
from reconciler.plan import sizes
from reconciler.plan.record_set import BATCH, RecordSet
from reconciler.plan.storage import Purchase
from reconciler.plan.storage_set import StorageSet
from reconciler.plan.tokens import TOKEN, AdTokens, Wish, ad_tokens, record_tokens
from reconciler.plan.transactions import Made, Output, OutputRole, Spend, TxLayout, TxRole

MAX_COINS: Final = 100

AT_ONCE: Final = 1000
"""Records that are handed over to another key in one transaction (PROTOCOL §10)."""

RESERVE: Final = 10
"""For how many further ads transactions a new purse is filled, where there is money."""

_SPENDS_A_ROOT_MADE_HERE: Final = frozenset({TxRole.LOCK, TxRole.END})
"""Roles whose presence says so: a lock's root is spent by the root transaction, the last root by the end."""

_RECORDS_COIN: Final = Made(TxRole.SPLITTER, 0)
_PURSE: Final = Made(TxRole.SPLITTER, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The transactions in the order in which they are sent, and whether there is money for them."""

    transactions: tuple[TxLayout, ...] = ()
    available: int = 0
    """Satoshis of the money coins spent; those of the purse are not among them."""
    needed: int = 0
    """Satoshis that so many money coins must have together; where there are too few, so many and one more."""
    released: int = 0
    """Tokens that are spent."""

    @property
    def missing(self) -> int:
        """Satoshis that one more coin must bring; 0 where there is enough."""
        return max(0, self.needed - self.available)


class Part(Protocol):
    """Transactions that some money coins pay for."""

    def need(self, coins: int) -> int:
        """Satoshis that so many money coins must bring; below 0 where old tokens bring more."""
        ...

    def lay_out(self, money: tuple[Spend, ...], coins: int, spare: int) -> tuple[TxLayout, ...]:
        """The transactions, where `money` brings `spare` satoshis more than needed; `coins` are more than it where some is missing."""
        ...


def lay_out(wish: Wish, snapshot: Snapshot, *, purchases: Sequence[Purchase] = (), batch: int = BATCH) -> Layout:
    """The transactions that carry out the changes; none where nothing is to be signed.

    `batch`: see plan/record_set.py; so many payments are paid from one transaction, too.
    """
    records, ads = record_tokens(wish, snapshot), ad_tokens(wish, snapshot)
    money, purse = _coins(snapshot.coins)
    if (wish.destroys or wish.rotates) and (records is None or ads is None):
        money, purse = sorted([*money, *purse], key=_outpoint), []  # the one chain of transactions there is takes all
    rate, batch = snapshot.fee_rate, AT_ONCE if wish.rotates else batch
    layout = _Funding(rate, money, purse).of(
        RecordSet(records, rate, batch, wish.destroys) if records else None,
        _Ads(ads, rate, wish.destroys) if ads else None,
        StorageSet(tuple(purchases), rate, batch),
    )
    live = 1 if records and records.live else 0
    own = sum(transaction.role in _SPENDS_A_ROOT_MADE_HERE for transaction in layout.transactions)
    return replace(layout, released=live + own + sum(len(tokens.spent) for tokens in (records, ads) if tokens))


@dataclass(frozen=True, slots=True)
class _Ads:
    """The one transaction of the advertisements."""

    tokens: AdTokens
    rate: FeeRate
    destroys: bool

    def need(self, coins: int) -> int:
        """See Part."""
        return (len(self.tokens.made) - len(self.tokens.spent)) * TOKEN + self.fee(coins) + 1

    def lay_out(self, money: tuple[Spend, ...], coins: int, spare: int) -> tuple[TxLayout, ...]:
        """See Part."""
        is_last = self.destroys or not self.tokens.made
        rest = Output(role=OutputRole.PAYOUT if is_last else OutputRole.PURSE, satoshis=1 + spare)
        transaction = TxLayout(
            role=TxRole.ADS,
            spends=(*money, *self.tokens.spent),
            outputs=(*(token.output for token in self.tokens.made), rest),
            size=self._size(coins),
            fee=self.fee(coins),
        )
        return (transaction,)

    def fee(self, coins: int) -> int:
        """Satoshis."""
        return self.rate.fee(self._size(coins))

    def _size(self, coins: int) -> int:
        return sizes.transaction(
            p2pkh_inputs=coins,
            pushdrop_inputs=len(self.tokens.spent),
            outputs=len(self.tokens.made) + 1,
            outputs_size=sum(token.size for token in self.tokens.made) + sizes.P2PKH_OUTPUT,
        )


@dataclass(frozen=True, slots=True)
class _Funding:
    """Where the money comes from and goes to."""

    rate: FeeRate
    money: list[Coin]
    purse: list[Coin]

    def of(self, records: RecordSet | None, ads: _Ads | None, storage: StorageSet) -> Layout:
        """Lay out what is there."""
        coins = len(self.purse)
        spare = 0 if ads is None else _total(self.purse) - ads.need(coins)
        is_poor = ads is not None and records is not None and (not coins or spare < 0)
        if storage.purchases or is_poor:
            layout = self._split(records, ads if is_poor else None, storage)
        elif records is not None:
            layout = self._alone(records)
        else:
            return Layout() if ads is None else self._alone(ads)
        if ads is None or is_poor:
            return layout
        following = ads.lay_out(_outpoints(self.purse), coins, spare)
        return replace(layout, transactions=(*layout.transactions, *following))

    def _alone(self, part: Part) -> Layout:
        """What the money coins pay for."""
        available, coins = _total(self.money), len(self.money)
        if available < part.need(coins):
            coins += 1
        needed = part.need(coins)
        spare = max(available, needed) - needed
        return Layout(
            transactions=part.lay_out(_outpoints(self.money), coins, spare), available=available, needed=needed
        )

    def _split(self, records: RecordSet | None, ads: _Ads | None, storage: StorageSet) -> Layout:
        """A splitter, and outputs of it for whatever is there."""
        purse_coins = len(self.purse) + 1
        coin = 1 if records is None else max(1, records.need(1))
        purse = 0 if ads is None else max(1, ads.need(purse_coins) - _total(self.purse))
        rest = sum(output.satoshis for output in storage.outputs)
        outputs = 1 + (ads is not None) + len(storage.outputs)
        available, coins = _total(self.money), max(1, len(self.money))
        if available < self.rate.fee(_splitter_size(coins, outputs)) + coin + purse + rest:
            coins = len(self.money) + 1
        size = _splitter_size(coins, outputs)
        needed = self.rate.fee(size) + coin + purse + rest
        spare = max(available, needed) - needed
        reserve = min(RESERVE * ads.fee(purse_coins), spare // 2) if ads is not None and ads.tokens.made else 0
        coin, purse = coin + spare - reserve, purse + reserve
        purses = () if ads is None else (Output(role=OutputRole.PURSE, satoshis=purse),)
        splitter = TxLayout(
            role=TxRole.SPLITTER,
            spends=_outpoints(self.money),
            outputs=(
                Output(role=OutputRole.PAYOUT if records is None else OutputRole.COIN, satoshis=coin),
                *purses,
                *storage.outputs,
            ),
            size=size,
            fee=self.rate.fee(size),
        )
        transactions = (splitter, *storage.lay_out(1 + len(purses)))
        if records is not None:
            transactions += records.lay_out((_RECORDS_COIN,), 1, coin - records.need(1))
        if ads is not None:
            left = _total(self.purse) + purse - ads.need(purse_coins)
            transactions += ads.lay_out((*_outpoints(self.purse), _PURSE), purse_coins, left)
        return Layout(transactions=transactions, available=available, needed=needed)


def _splitter_size(coins: int, outputs: int) -> int:
    return sizes.transaction(
        p2pkh_inputs=coins, pushdrop_inputs=0, outputs=outputs, outputs_size=outputs * sizes.P2PKH_OUTPUT
    )


def _coins(coins: Iterable[Coin]) -> tuple[list[Coin], list[Coin]]:
    """Money and purse, up to 100 of each, sorted by outpoint: a block in between must not make another plan."""
    free = [coin for coin in coins if coin.status is not CoinStatus.LOCKED]
    money = [coin for coin in free if not is_purse(coin.key)][:MAX_COINS]
    purse = [coin for coin in free if is_purse(coin.key)][:MAX_COINS]
    return sorted(money, key=_outpoint), sorted(purse, key=_outpoint)


def _outpoint(coin: Coin) -> Outpoint:
    return coin.outpoint


def _outpoints(coins: Iterable[Coin]) -> tuple[Outpoint, ...]:
    return tuple(coin.outpoint for coin in coins)


def _total(coins: Iterable[Coin]) -> int:
    return sum(coin.satoshis for coin in coins)
