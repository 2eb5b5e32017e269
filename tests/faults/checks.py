"""What must hold once an apply has come through: counted on the chain itself, independently of our books (DESIGN §4.4)."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Kind, Outpoint
from reconciler.model.journal import COMMITTED, GIVEN_UP
from reconciler.model.keys import FUNDING_KEY, batch_key, change_key, purse_key, sweep_key
from reconciler.store.coins import CoinState, StoredCoin
from reconciler.store.journal import JournalEntry
from reconciler.wallet.keys import Keys
from reconciler.wire import advertisement, record
from reconciler.wire.advertisement import AdToken
from reconciler.wire.record import RecordToken
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction, parse_transaction
from tests.faults.vendor import Vendor


@dataclass
class Chain:
    """Every transaction in pool and chain, and which of their outputs are ours: found out from the key alone."""

    keys: Keys
    transactions: dict[str, Transaction] = field(default_factory=dict)
    unspent: dict[Outpoint, int] = field(default_factory=dict)
    """Ours, money and tokens, in satoshis."""
    records: dict[Outpoint, RecordToken] = field(default_factory=dict)
    ads: dict[Outpoint, AdToken] = field(default_factory=dict)
    given: int = 0
    """Satoshis that somebody else paid to us."""
    fees: int = 0
    """Satoshis that transactions which spend coins of ours paid to miners."""
    burned: int = 0
    """Satoshis of ours that went to somebody else."""
    paying: list[Transaction] = field(default_factory=list)
    """Those that spend coins of ours."""

    @classmethod
    def read(cls, path: Path, keys: Keys) -> Chain:
        """Read the chain's own file."""
        with sqlite3.connect(path) as connection:
            rows = connection.execute("SELECT raw FROM tx WHERE place IN ('pool', 'chain') ORDER BY arrival").fetchall()
        connection.close()
        chain = cls(keys, {each.txid: each for each in (parse_transaction(raw) for (raw,) in rows)})
        chain._count()
        return chain

    def _count(self) -> None:
        spent = {each.outpoint for transaction in self.transactions.values() for each in transaction.inputs}
        ours: dict[Outpoint, int] = {}
        for transaction in self.transactions.values():
            for outpoint, satoshis in self._owned(transaction):
                ours[outpoint] = satoshis
                if outpoint not in spent:
                    self.unspent[outpoint] = satoshis
                else:
                    self.records.pop(outpoint, None)
                    self.ads.pop(outpoint, None)
        for transaction in self.transactions.values():
            paid = sum(ours.get(each.outpoint, 0) for each in transaction.inputs)
            kept = sum(satoshis for outpoint, satoshis in ours.items() if outpoint.txid == transaction.txid)
            if not paid:
                self.given += kept
                continue
            self.paying.append(transaction)
            assert all(each.outpoint in ours for each in transaction.inputs), "nobody pays together with us"
            out = sum(output.satoshis for output in transaction.outputs)
            self.fees += paid - out
            self.burned += out - kept

    def _owned(self, transaction: Transaction) -> Iterator[tuple[Outpoint, int]]:
        first = str(transaction.inputs[0].outpoint) if transaction.inputs else ""
        for vout, output in enumerate(transaction.outputs):
            outpoint = transaction.outpoint(vout)
            if self._is_token(outpoint, output.locking) or any(
                output.locking == p2pkh(self.keys.public(key))
                for key in (FUNDING_KEY, *(make(first, vout) for make in (change_key, purse_key, batch_key, sweep_key)))
            ):
                yield outpoint, output.satoshis

    def _is_token(self, outpoint: Outpoint, locking: bytes) -> bool:
        if len(locking) < 100:
            return False
        try:
            token = record.parse(locking) or advertisement.parse(locking, plain_http=True)
        except VerificationError:
            return False
        if token is None or token.identity != self.keys.identity:
            return False
        (self.records if isinstance(token, RecordToken) else self.ads)[outpoint] = token
        return True

    @property
    def named(self) -> Counter[str]:
        """The live records, the root as `producer/NAME`."""
        return Counter(str(token.id) for token in self.records.values())

    @property
    def advertised(self) -> Counter[str]:
        """The live advertisements."""
        return Counter(f"{token.protocol}/{token.name}" for token in self.ads.values())

    @property
    def roots(self) -> list[Outpoint]:
        return [outpoint for outpoint, token in self.records.items() if token.id.kind is Kind.PRODUCER]

    def funding(self) -> frozenset[Outpoint]:
        """Unspent coins at the wallet's address, which anybody may fill at any time."""
        locking = p2pkh(self.keys.public(FUNDING_KEY))
        return frozenset(
            outpoint
            for outpoint in self.unspent
            if self.transactions[outpoint.txid].outputs[outpoint.vout].locking == locking
        )


def difference(expected: Mapping[str, int] | Counter[str], found: Counter[str]) -> str:
    """How two countings differ, for people."""
    missing, extra = Counter(expected) - found, found - Counter(expected)
    return "; ".join(
        f"{word} {name} x{count}"
        for word, names in (("no", missing), ("too many", extra))
        for name, count in names.items()
    )


def of_tokens(chain: Chain, wanted: set[str], listed: Mapping[str, Outpoint], root: Outpoint) -> list[str]:
    """Live record tokens on the chain are the records that the root commits to, each once, and the root."""
    named = dict.fromkeys([*wanted, "producer/acme"], 1)
    told = difference(named, chain.named)
    shown = {*listed.values(), root}
    return [
        *([f"on the chain: {told}"] if told else []),
        *([f"hosts list {listed.keys() ^ wanted}"] if listed.keys() != wanted else []),
        *(f"the chain has {each}, hosts do not list it" for each in chain.records.keys() - shown),
        *(f"hosts list {each}, which is spent" for each in shown - chain.records.keys()),
    ]


def of_ads(chain: Chain, vendor: Vendor) -> list[str]:
    wanted = {f"{protocol}_{name}": 1 for name in vendor.ads for protocol in ("SHIP/tm_data", "SLAP/ls_data")}
    told = difference(wanted, chain.advertised)
    return [f"advertised on the chain: {told}"] if told else []


def of_money(chain: Chain, coins: Iterable[StoredCoin], total: int) -> list[str]:
    """What was given to us is in our coins and tokens, or was paid as fees, or went to whoever double-spent it."""
    live = {coin.outpoint: coin.satoshis for coin in coins if coin.state in {CoinState.FREE, CoinState.LOCKED}}
    unknown = chain.unspent.keys() - live.keys() - chain.funding()
    owned = sum(chain.unspent.values())
    told = []
    if chain.given != owned + chain.fees + chain.burned:
        told.append(f"{chain.given} given, {owned} owned, {chain.fees} fees, {chain.burned} burned")
    told += [f"{each} is ours on the chain, and not in the books" for each in sorted(map(str, unknown))]
    told += [
        f"{each} is in the books, and not on the chain" for each in sorted(map(str, live.keys() - chain.unspent.keys()))
    ]
    if sum(live.values()) != total:
        told.append(f"coins hold {sum(live.values())}, the audit says {total}")
    return told


def of_journal(chain: Chain, entries: Iterable[JournalEntry], coins: Iterable[StoredCoin]) -> list[str]:
    """Given up is what is not on the chain, committed is what is; no coin waits for an entry that has ended."""
    told = []
    states = {}
    for entry in entries:
        states[entry.id] = entry.state
        alive = [txid for txid in entry.txids if txid in chain.transactions]
        if entry.state in GIVEN_UP and alive:
            told.append(f"the entry {entry.id[:8]} is {entry.state}, and on the chain")
        if entry.state in COMMITTED and len(alive) < len(entry.txids):
            told.append(f"the entry {entry.id[:8]} is {entry.state}, and not on the chain")
    for coin in coins:
        if coin.state is CoinState.EXPECTED and states.get(coin.created_by or "") not in GIVEN_UP:
            told.append(f"{coin.outpoint} is expected of an entry that is {states.get(coin.created_by or '')}")
        if coin.state is CoinState.LOCKED:
            told.append(f"{coin.outpoint} is locked")
    return told
