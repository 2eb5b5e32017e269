"""What a gateway was paid, for `wallet audit`: books = coins = chain, from the payments themselves (PROTOCOL §7).

A payment shows by its own transaction what it gave, and by the gateway's key to whom. Receipts, revenue and all that was added up
are recomputed from the payments and held against what is written; what is still there of their coins, against payouts; and
whatever counts, against the chain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from reconciler.apply.contest import Reporter
from reconciler.chain.headers import Headers
from reconciler.control.evidence import unconfirmed
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.model.payment import EARNED, PaymentState
from reconciler.model.payout import PayoutKind
from reconciler.store.accounts import Account, Accounts, Counters
from reconciler.store.database import Database
from reconciler.store.payments import Payment
from reconciler.store.payouts import Payout, Payouts
from reconciler.store.producer import RevenueStatus
from reconciler.store.sales import STATUS
from reconciler.store.terms import Terms
from reconciler.wallet.keys import Keys
from reconciler.wire.merkle import MerklePath
from reconciler.wire.receipt import Receipt
from reconciler.wire.script import p2pkh

_OURS: Final = EARNED | {PaymentState.RETURNED}
"""States in which what a payment gave is for us to settle, or to give back."""


@dataclass(frozen=True, slots=True)
class Sum:
    """So many, and how many satoshis they are together."""

    count: int = 0
    satoshis: int = 0

    def __add__(self, satoshis: int) -> Sum:
        return Sum(self.count + 1, self.satoshis + satoshis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Takings:
    """What a gateway was paid, and what became of it. Amounts in satoshis."""

    revenue: Sum
    """Earned by sales, shares of payees included."""
    payees: int
    """Of that, what went past us."""
    unsettled: Sum
    """Coins of payments that nothing has spent yet."""
    settled: int
    """Arrived at the producer's identity, or on its way."""
    refunded: int
    """Given back to buyers, or on its way."""
    fees: int
    """Of settlements and refunds."""
    pending: Sum
    """Payments that the network has not shown yet."""
    doubtful: Sum
    """Earned ones that it does not show any more."""
    unbooked: Sum
    """Payments that were lost after they were accepted."""
    returned: Sum
    """Payments that are, or are to be, given back: their coins, or as credits."""
    differences: tuple[str, ...]
    """One sentence each; none means that everything adds up."""


@dataclass(slots=True)
class _Tally:
    """What the payments add up to, one after another."""

    sums: dict[str, Sum] = field(default_factory=dict)
    payees: int = 0
    coins: dict[Outpoint, int] = field(default_factory=dict)
    consumers: Counter[tuple[str, str]] = field(default_factory=Counter)
    producers: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    revenues: int = 0
    proofs: dict[Txid, MerklePath | None] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def add(self, account: Account, gateway: Keys | None) -> None:
        payment, terms = account.payment, account.payment.terms
        faults = (*_payment_faults(account, gateway), *_sale_faults(account))
        self.differences += (f"payment {payment.txid}: {fault}" for fault in faults)
        self.revenues += account.revenue is not None and account.revenue.status == RevenueStatus.EARNED
        if payment.state in _OURS and payment.coin is not None:
            self.coins[payment.coin.outpoint] = payment.coin.satoshis
        if payment.state in EARNED and payment.doubted is None:
            self.proofs[payment.txid] = account.proof
        if payment.state in EARNED and terms is not None:
            self._sold(payment, terms)
        for name in _columns(payment):
            self.sums[name] = self.sum(name) + payment.satoshis

    def sum(self, name: str) -> Sum:
        return self.sums.get(name, Sum())

    def _sold(self, payment: Payment, terms: Terms) -> None:
        self.payees += payment.satoshis - (0 if payment.coin is None else payment.coin.satoshis)
        self.consumers[terms.producer, payment.buyer] += payment.satoshis
        self.producers[terms.producer] += payment.satoshis
        self.records[str(terms.good.sold)] += payment.satoshis


async def takings(*, database: Database, gateway: Keys | None, arc: Reporter, headers: Headers) -> Takings:
    """Check everything. Without the gateway's keys, all but that the payments were made to them.

    Raises UnreachableError where the chain cannot be asked.
    """
    tally = _Tally()
    async with database.reading() as connection:
        async for account in Accounts(connection).all():
            tally.add(account, gateway)
        counters = await Accounts(connection).counters()
        payouts = await Payouts(connection).standing()
    spent = {outpoint for payout in payouts for outpoint in payout.inputs}
    left = [amount for outpoint, amount in tally.coins.items() if outpoint not in spent]
    proofs = tally.proofs | {payout.txid: payout.proof for payout in payouts if payout.proof is not None}
    return Takings(
        revenue=tally.sum("revenue"),
        payees=tally.payees,
        unsettled=Sum(len(left), sum(left)),
        settled=sum(payout.satoshis for payout in payouts if payout.kind is PayoutKind.SETTLEMENT),
        refunded=sum(payout.satoshis for payout in payouts if payout.kind is PayoutKind.REFUND),
        fees=sum(payout.fee for payout in payouts),
        pending=tally.sum("pending"),
        doubtful=tally.sum("doubtful"),
        unbooked=tally.sum("unbooked"),
        returned=tally.sum("returned"),
        differences=(
            *tally.differences,
            *_counter_faults(tally, counters),
            *_payout_faults(payouts, tally.coins),
            *await unconfirmed(proofs, arc=arc, headers=headers),
        ),
    )


def _columns(payment: Payment) -> Iterator[str]:
    """What a payment is counted as."""
    if payment.state in EARNED:
        if payment.terms is not None:
            yield "revenue"
        if payment.doubted is not None:
            yield "doubtful"
    elif payment.state in {PaymentState.PENDING, PaymentState.UNBOOKED, PaymentState.RETURNED}:
        yield payment.state.value


def _payment_faults(account: Account, gateway: Keys | None) -> Iterator[str]:
    payment, coin = account.payment, account.payment.coin
    portions = () if payment.terms is None else payment.terms.portions
    ours = 0 if coin is None else coin.satoshis
    shown = sum(portion.satoshis for portion in portions) if portions else ours
    if payment.satoshis != shown:
        yield f"{payment.satoshis} satoshis in the books, {shown} by its transaction"
    if payment.satoshis < payment.price:
        yield f"{payment.satoshis} satoshis for what cost {payment.price}"
    if coin is not None and gateway is not None and coin.locking != p2pkh(gateway.public(coin.key)):
        yield "what it gave is not under a key of this gateway's"
    if account.held != (payment.inputs if payment.holds else frozenset()):
        yield f"it is {payment.state}, and the coins that it spends are not kept accordingly"


def _sale_faults(account: Account) -> Iterator[str]:
    payment, terms, revenue, receipt = account.payment, account.payment.terms, account.revenue, account.receipt
    if terms is None:
        if revenue is not None or receipt is not None:
            yield "a sale was booked for it, though nothing was sold"
        return
    if (revenue is None) != (receipt is None) or (revenue is None and payment.state in EARNED):
        yield f"it is {payment.state}, with {'no' if revenue is None else 'a'} row of revenue and {'no' if receipt is None else 'a'} receipt"
    if revenue is not None:
        booked = revenue.satoshis, revenue.status, revenue.producer, revenue.consumer, revenue.is_confirmed
        ought = payment.satoshis, STATUS[payment.state], terms.producer, payment.buyer, payment.height is not None
        if booked != ought:
            yield "its row of revenue says something else"
    if receipt is not None:
        yield from _receipt_faults(receipt.receipt, payment, terms)
        if receipt.used.downloads > terms.downloads or receipt.used.bytes > terms.bytes:
            yield "more was had for its receipt than that allows"


def _receipt_faults(receipt: Receipt, payment: Payment, terms: Terms) -> Iterator[str]:
    said = receipt.buyer, receipt.producer, receipt.good, receipt.document, receipt.price, receipt.satoshis
    ought = payment.buyer, terms.producer, terms.good, terms.document, payment.price, payment.satoshis
    if said != ought or receipt.allowance != terms.allowance(receipt.issued):
        yield "its receipt says something else"
    try:
        receipt.check()
    except VerificationError as error:
        yield error.message


def _counter_faults(tally: _Tally, counters: Counters) -> Iterator[str]:
    if counters.revenues != tally.revenues:
        yield f"{counters.revenues - tally.revenues} rows of revenue belong to no payment"
    for producer, consumer in sorted(tally.consumers.keys() | counters.consumers.keys()):
        paid, said = tally.consumers[producer, consumer], counters.consumers.get((producer, consumer), 0)
        if paid != said:
            yield f"consumer {consumer}: has paid {paid} satoshis, and {said} in the books"
    yield from _differing("producer", tally.producers, counters.producers)
    sold = {
        record: tally.records[record] for record in counters.records
    }  # what is not published any more has no counter
    yield from _differing("record", sold, counters.records)


def _differing(what: str, earned: Mapping[str, int], said: Mapping[str, int]) -> Iterator[str]:
    for name in sorted(earned.keys() | said.keys()):
        if earned.get(name, 0) != said.get(name, 0):
            yield f"{what} {name}: has earned {earned.get(name, 0)} satoshis, and {said.get(name, 0)} in the books"


def _payout_faults(payouts: Iterable[Payout], coins: Mapping[Outpoint, int]) -> Iterator[str]:
    spenders: dict[Outpoint, Txid] = {}
    for payout in payouts:
        for outpoint in payout.inputs:
            if outpoint not in coins:
                yield f"payout {payout.txid}: spends {outpoint}, which no payment has given"
            elif spenders.setdefault(outpoint, payout.txid) != payout.txid:
                yield f"payout {payout.txid}: spends {outpoint}, which {spenders[outpoint]} spends"
        given = sum(coins.get(outpoint, 0) for outpoint in payout.inputs)
        if given != payout.satoshis + payout.fee:
            yield f"payout {payout.txid}: gives {payout.satoshis} satoshis and {payout.fee} as a fee out of {given}"
