"""`wallet audit`: books = coins = chain, to the satoshi (PROTOCOL §5).

The books are recomputed from the raw transactions and the key alone, as if the coins table did not exist; then both are held
against each other, and every live coin against the chain.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.apply.contest import Reporter
from reconciler.chain.headers import Headers
from reconciler.control.binding import check_identity
from reconciler.control.evidence import unconfirmed
from reconciler.control.takings import Takings, takings
from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey, Outpoint, Txid
from reconciler.model.journal import COMMITTED, UNFINISHED
from reconciler.model.keys import (
    FUNDING_KEY,
    GATEWAY_KEY,
    PAYMENT_PROTOCOL,
    KeyRef,
    batch_key,
    change_key,
    is_settlement,
    purse_key,
    settlement_key,
    sweep_key,
)
from reconciler.model.observed import ObservedRoot
from reconciler.store.coins import Balance, Coins, CoinState, Purpose, StoredCoin
from reconciler.store.database import Database
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.published import Published
from reconciler.store.purchases import Bought, Purchases
from reconciler.store.transactions import StoredTransaction, Transactions
from reconciler.wallet.keys import Keys
from reconciler.wire import advertisement, record
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction

_MOST: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the audit found. Amounts in satoshis."""

    balance: Balance
    tokens: int
    """Locked in live record tokens."""
    fees: int
    """Paid by the applies of this database."""
    storage: int
    """Paid to storage hosts by them."""
    unused: tuple[Bought, ...]
    """What storage hosts were paid for and have not given."""
    coins: int
    """Live outputs of ours, money and tokens."""
    takings: Takings
    """What the gateway was paid, as far as this database knows."""
    in_flight: tuple[str, ...]
    """Journal entries that are neither committed nor given up; their coins are locked."""
    differences: tuple[str, ...]
    """One sentence each, those of the takings included; none means that everything adds up."""

    @property
    def balanced(self) -> bool:
        """Whether books, coins and chain agree."""
        return not self.differences


async def audit(
    *, database: Database, keys: Keys, arc: Reporter, headers: Headers, gateway: Keys | None = None
) -> Audit:
    """Check everything. `gateway` is the gateway's own key, where that is not the identity's child.

    Raises UnreachableError where the chain cannot be asked, GuardError where the database belongs to another identity.
    """
    await check_identity(database, keys.identity)
    async with database.reading() as connection:
        root = await Published(connection).root()
        coins = await Coins(connection).all()
        balance = await Coins(connection).balance()
        entries = await Journal(connection).list(_MOST)
        storage, unused = await Purchases(connection).paid(), await Purchases(connection).open()
        stored = await _transactions(Transactions(connection), coins, entries)
    child = keys.child(GATEWAY_KEY)
    own = gateway or child
    named = own if root is None or root.gateway_key == own.identity else None
    live = {coin.outpoint: coin for coin in coins if coin.state in {CoinState.FREE, CoinState.LOCKED}}
    committed = [txid for entry in entries if entry.state in COMMITTED for txid in entry.txids]
    expected = unspent_outputs(stored, committed, coins, keys, _gateways(coins, root, child))
    proofs = {txid: stored[txid].proof if txid in stored else None for txid in {each.txid for each in live}}
    sold = await takings(database=database, gateway=named, arc=arc, headers=headers)
    found = (*_compare(live, expected), *await unconfirmed(proofs, arc=arc, headers=headers), *sold.differences)
    return Audit(
        balance=balance,
        tokens=sum(coin.satoshis for coin in live.values() if coin.purpose is Purpose.TOKEN),
        fees=sum(_fee(stored, txid) for txid in committed),
        storage=storage,
        unused=unused,
        coins=len(live),
        in_flight=tuple(entry.id for entry in entries if entry.state in UNFINISHED),
        takings=sold,
        differences=found,
    )


def unspent_outputs(
    stored: Mapping[Txid, StoredTransaction],
    committed: Iterable[Txid],
    coins: Collection[StoredCoin],
    keys: Keys,
    gateways: Iterable[IdentityKey] = (),
) -> dict[Outpoint, int]:
    """The outputs of ours, with their satoshis, that no committed transaction spends.

    They come from committed transactions and from those that were received or rebuilt (coins that no entry created), among
    them what `gateways` have settled, and what came by BRC-29.
    """
    payers = tuple(gateways)
    ours = set(committed)
    # The name of a key of BRC-29 is in no transaction: refunds are found where the books say, and are what transactions say.
    named = {coin.outpoint: coin.key for coin in coins if coin.key.protocol == PAYMENT_PROTOCOL}
    sources = {coin.outpoint.txid for coin in coins if coin.created_by is None} | ours
    foreign = {coin.outpoint for coin in coins if coin.state is CoinState.SPENT and coin.spent_by not in ours}
    spent = {each.outpoint for txid in ours for each in stored[txid].transaction.inputs} | foreign
    known = {coin.outpoint for coin in coins}
    owned: dict[Outpoint, int] = {}
    for txid in sources & stored.keys():
        transaction = stored[txid].transaction
        for vout in _ours(transaction, keys, payers, named):
            outpoint = transaction.outpoint(vout)
            if outpoint not in spent and (outpoint in known or txid in ours):
                owned[outpoint] = transaction.outputs[vout].satoshis
    return owned


def _gateways(coins: Iterable[StoredCoin], root: ObservedRoot | None, child: Keys) -> frozenset[IdentityKey]:
    """Who may have settled to us: today's gateway, and those before it."""
    before = {IdentityKey(coin.key.counterparty) for coin in coins if is_settlement(coin.key)}
    return frozenset(before | {child.identity} | ({root.gateway_key} if root is not None else set()))


def _ours(
    transaction: Transaction, keys: Keys, gateways: Iterable[IdentityKey], named: Mapping[Outpoint, KeyRef]
) -> Iterator[int]:
    """Which outputs these keys can unlock: our address, tokens, settlements, and what a transaction of ours leaves over.

    `named` are keys that nothing but the books can name.
    """
    first = str(transaction.inputs[0].outpoint) if transaction.inputs else ""
    for vout, output in enumerate(transaction.outputs):
        made = (key(first, vout) for key in (change_key, purse_key, batch_key, sweep_key))
        given = named.get(transaction.outpoint(vout))
        settled = (settlement_key(first, vout, gateway) for gateway in gateways)
        money = (FUNDING_KEY, *made, *settled, *(() if given is None else (given,)))
        if _is_token(output.locking, keys) or any(output.locking == p2pkh(keys.public(key)) for key in money):
            yield vout


def _is_token(locking: bytes, keys: Keys) -> bool:
    """Whether this is a record or an advertisement of ours. Where it may be reached does not matter for whose it is."""
    try:
        token = record.parse(locking) or advertisement.parse(locking, plain_http=True)
    except VerificationError:
        return False
    return token is not None and token.identity == keys.identity


def _compare(live: Mapping[Outpoint, StoredCoin], expected: Mapping[Outpoint, int]) -> Iterator[str]:
    for outpoint in sorted(expected.keys() - live.keys()):
        yield f"{outpoint}: the transactions give us {expected[outpoint]} satoshis that are not among the coins"
    for outpoint in sorted(live.keys() - expected.keys()):
        yield f"{outpoint}: a coin of {live[outpoint].satoshis} satoshis that no transaction gives us"
    for outpoint in sorted(live.keys() & expected.keys()):
        if live[outpoint].satoshis != expected[outpoint]:
            yield f"{outpoint}: {live[outpoint].satoshis} satoshis in the books, {expected[outpoint]} in the transaction"


def _fee(stored: Mapping[Txid, StoredTransaction], txid: Txid) -> int:
    transaction = stored[txid].transaction
    paid = 0
    for spent in transaction.inputs:
        source = stored.get(spent.outpoint.txid)
        if source is None:
            return 0
        paid += source.transaction.outputs[spent.outpoint.vout].satoshis
    return paid - sum(output.satoshis for output in transaction.outputs)


async def _transactions(
    repository: Transactions, coins: Iterable[StoredCoin], entries: Iterable[JournalEntry]
) -> dict[Txid, StoredTransaction]:
    wanted = {coin.outpoint.txid for coin in coins} | {txid for entry in entries for txid in entry.txids}
    return await repository.find(wanted)
