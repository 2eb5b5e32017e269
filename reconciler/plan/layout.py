"""Laying out the transactions of an apply, before anything is signed (PROTOCOL §4, Small and Ads). Apply builds precisely this.

- Splitter, only where advertisements change and the purse cannot pay for it: inputs money coins; outputs [coin for the
  root transaction, purse].
- Root, where anything changes that the root commits to: inputs the live root's token; the tokens of updated, moved and
  deleted records, sorted by the record id they have had; then money coins, sorted by outpoint, or the splitter's first
  output. Outputs the new root's token; the tokens of created, updated and moved records, sorted by record id; change.
- Ads, where tokens of advertisements are made or spent: inputs purse coins, sorted by outpoint; the splitter's second
  output; old tokens, sorted by address and outpoint. Outputs new tokens, sorted by address; what is left, the next purse.
  Where no new token shows it to a rebuild, what is left is paid to the funding address.

What `i` of every record token names is the root transaction's first input. Tokens are of 1 satoshi, money is P2PKH. All money
is spent, up to 100 coins, so that all of it lies in the change of the latest root, where a rebuild finds it (PROTOCOL §5). A
fee is that of the largest size the transaction can have, and is paid exactly; so what is shown is what is paid, although
signatures vary by a byte. Where everything is destroyed nothing is made, and what is left is paid to the funding address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reconciler.model.amounts import FeeRate
from reconciler.model.ids import Address, ObjectType, Outpoint, RecordId
from reconciler.model.json import Json
from reconciler.model.keys import is_purse
from reconciler.model.observed import Coin, CoinStatus, ListedAd, Snapshot
from reconciler.plan import sizes
from reconciler.plan.action import Action
from reconciler.plan.change import Change
from reconciler.plan.transactions import Made, Output, OutputRole, Spend, TxLayout, TxRole

TOKEN: Final = 1
"""Satoshis that a token locks."""

MAX_COINS: Final = 100

RESERVE: Final = 10
"""For how many further ads transactions a new purse is filled, where there is money."""

_ROOT_COIN: Final = Made(TxRole.SPLITTER, 0)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What transactions are to be laid out for."""

    root: RecordId
    """The producer's own record."""
    changes: Sequence[Change]
    ads: tuple[ListedAd, ...]
    """All that the new root will list."""
    destroys: bool = False


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The tokens that one transaction spends and makes, and the bytes of the outputs."""

    spends: tuple[Outpoint, ...]
    outputs: tuple[Output, ...]
    size: int

    @property
    def locked(self) -> int:
        """Satoshis that the new tokens take more than the old ones give."""
        return (len(self.outputs) - len(self.spends)) * TOKEN

    def bytes(self, coins: int) -> int:
        """Of the transaction with so many money coins, and one output for what is left."""
        return sizes.transaction(
            p2pkh_inputs=coins,
            pushdrop_inputs=len(self.spends),
            outputs=len(self.outputs) + 1,
            outputs_size=self.size + sizes.P2PKH_OUTPUT,
        )


def lay_out(wish: Wish, snapshot: Snapshot) -> Layout:
    """The transactions that carry out the changes; none where nothing is to be signed."""
    records, ads = _record_tokens(wish, snapshot), _ad_tokens(wish, snapshot)
    money, purse = _coins(snapshot.coins)
    if wish.destroys and (records is None or ads is None):
        money, purse = sorted([*money, *purse], key=_outpoint), []  # the one transaction there is takes all
    layout = _Funding(snapshot.fee_rate, money, purse, wish.destroys).of(records, ads)
    return replace(layout, released=sum(len(tokens.spends) for tokens in (records, ads) if tokens))


def _record_tokens(wish: Wish, snapshot: Snapshot) -> _Tokens | None:
    """The root's and the records' tokens; None where the root stays as it is."""
    root = snapshot.root.record.outpoint if snapshot.root else None
    if not (_changes_root(wish, snapshot) and (root or not wish.destroys)):
        return None
    changes = [change for change in _signed(wish.changes) if change.record and not change.is_root]
    spent = sorted(change.before_id for change in changes if change.before_id)
    made = sorted((change.record, _parents(change)) for change in changes if change.record and change.after is not None)
    outputs = [] if wish.destroys else [(wish.root, 0), *made]
    return _Tokens(
        spends=(*((root,) if root else ()), *(snapshot.records[record].outpoint for record in spent)),
        outputs=tuple(_token(OutputRole.RECORD, Address.of_record(record)) for record, _ in outputs),
        size=sum(sizes.record_output(record, parents) for record, parents in outputs),
    )


def _changes_root(wish: Wish, snapshot: Snapshot) -> bool:
    """Every object but a stored copy is covered by the root, and ads never go without a root; adopted ones may be listed."""
    listed = snapshot.root.ads if snapshot.root else ()
    adopted = {change.object for change in wish.changes if change.action is Action.ADOPT}
    return any(change.object.type is not ObjectType.REPLICA for change in _signed(wish.changes)) or any(
        Address.of_ad(ad.protocol, ad.name) in adopted for ad in set(wish.ads) - set(listed)
    )


def _ad_tokens(wish: Wish, snapshot: Snapshot) -> _Tokens | None:
    """The advertisements' tokens; None where they stay as they are."""
    changed = {change.object for change in _signed(wish.changes)}
    spent = sorted((Address.of_ad(ad.protocol, ad.name), ad.outpoint) for ad in snapshot.ads)
    spends = tuple(outpoint for address, outpoint in spent if address in changed)
    listed = sorted((Address.of_ad(ad.protocol, ad.name), ad) for ad in wish.ads)
    made = [(address, ad) for address, ad in listed if address in changed]
    if not (spends or made):
        return None
    return _Tokens(
        spends=spends,
        outputs=tuple(_token(OutputRole.AD, address) for address, _ in made),
        size=sum(sizes.ad_output(ad.protocol, ad.name, ad.url) for _, ad in made),
    )


@dataclass(frozen=True, slots=True)
class _Funding:
    """Where the money comes from and goes to."""

    rate: FeeRate
    money: list[Coin]
    purse: list[Coin]
    destroys: bool

    def of(self, records: _Tokens | None, ads: _Tokens | None) -> Layout:
        """Lay out a transaction for each that is there."""
        if records is None:
            return Layout() if ads is None else self._alone(TxRole.ADS, ads)
        root = self._alone(TxRole.ROOT, records)
        if ads is None:
            return root
        coins = len(self.purse)
        left = _total(self.purse) - self._need(ads, coins) + 1
        if not coins or left < 1:
            return self._split(records, ads)
        paid = self._transaction(TxRole.ADS, ads, _outpoints(self.purse), coins, left)
        return replace(root, transactions=(*root.transactions, paid))

    def _alone(self, role: TxRole, tokens: _Tokens) -> Layout:
        """One transaction that the money coins pay for."""
        available, coins = _total(self.money), len(self.money)
        if available < self._need(tokens, coins):
            coins += 1
        needed = self._need(tokens, coins)
        left = max(available, needed) - needed + 1
        transaction = self._transaction(role, tokens, _outpoints(self.money), coins, left)
        return Layout(transactions=(transaction,), available=available, needed=needed)

    def _split(self, records: _Tokens, ads: _Tokens) -> Layout:
        """A splitter, and two transactions with one of its outputs each."""
        purse_coins = len(self.purse) + 1
        coin = max(1, self._need(records, 1))
        purse = max(1, self._need(ads, purse_coins) - _total(self.purse))
        available, coins = _total(self.money), max(1, len(self.money))
        if available < self._splitter_fee(coins) + coin + purse:
            coins = len(self.money) + 1
        fee = self._splitter_fee(coins)
        needed = fee + coin + purse
        spare = max(available, needed) - needed
        reserve = min(RESERVE * self._fee(ads, purse_coins), spare // 2) if ads.outputs else 0
        coin, purse = coin + spare - reserve, purse + reserve
        splitter = TxLayout(
            role=TxRole.SPLITTER,
            spends=_outpoints(self.money),
            outputs=(Output(role=OutputRole.COIN, satoshis=coin), Output(role=OutputRole.PURSE, satoshis=purse)),
            size=_splitter_size(coins),
            fee=fee,
        )
        left = coin - self._need(records, 1) + 1
        root = self._transaction(TxRole.ROOT, records, (_ROOT_COIN,), 1, left)
        left = _total(self.purse) + purse - self._need(ads, purse_coins) + 1
        paid = self._transaction(TxRole.ADS, ads, (*_outpoints(self.purse), _PURSE), purse_coins, left)
        return Layout(transactions=(splitter, root, paid), available=available, needed=needed)

    def _transaction(self, role: TxRole, tokens: _Tokens, money: tuple[Spend, ...], coins: int, left: int) -> TxLayout:
        """`coins` are more than `money` where some is missing."""
        is_root = role is TxRole.ROOT
        is_last = self.destroys or not tokens.outputs
        rest = OutputRole.PAYOUT if is_last else OutputRole.CHANGE if is_root else OutputRole.PURSE
        return TxLayout(
            role=role,
            spends=(*tokens.spends, *money) if is_root else (*money, *tokens.spends),
            outputs=(*tokens.outputs, Output(role=rest, satoshis=left)),
            size=tokens.bytes(coins),
            fee=self._fee(tokens, coins),
        )

    def _need(self, tokens: _Tokens, coins: int) -> int:
        """Satoshis that so many money coins must bring to leave 1 over; below 0 where the old tokens bring more."""
        return tokens.locked + self._fee(tokens, coins) + 1

    def _fee(self, tokens: _Tokens, coins: int) -> int:
        return self.rate.fee(tokens.bytes(coins))

    def _splitter_fee(self, coins: int) -> int:
        return self.rate.fee(_splitter_size(coins))


def _splitter_size(coins: int) -> int:
    return sizes.transaction(p2pkh_inputs=coins, pushdrop_inputs=0, outputs=2, outputs_size=2 * sizes.P2PKH_OUTPUT)


def _signed(changes: Iterable[Change]) -> list[Change]:
    """Those that need a signature: what is adopted stays as it is on chain."""
    return [change for change in changes if change.action is not Action.ADOPT]


def _token(role: OutputRole, address: Address) -> Output:
    return Output(role=role, object=address, satoshis=TOKEN)


def _parents(change: Change) -> int:
    parents: Json = (change.after or {}).get("parents", ())
    return len(parents) if isinstance(parents, Sequence) else 0


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
