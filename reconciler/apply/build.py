"""The transactions of an apply, exactly as the plan laid them out (plan/layout.py), built and signed in order.

Pure but for the keys it signs with. A splitter comes first, since record tokens name what the root transaction spends; the
draft of the records is made in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StalePlanError
from reconciler.model.ids import Address, AdProtocol, Outpoint, RecordId
from reconciler.model.keys import FUNDING_KEY, KeyRef, ad_key, change_key, purse_key, record_key
from reconciler.plan.plan import Plan
from reconciler.plan.transactions import Made, Output, OutputRole, Spend, TxLayout, TxRole
from reconciler.store.coins import CoinState, Purpose, StoredCoin
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire import advertisement, record
from reconciler.wire.advertisement import AdToken
from reconciler.wire.record import RecordToken
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction, TxOutput

Tokens: TypeAlias = Mapping[Address, RecordToken | AdToken]
"""The tokens that the transactions make, by the address of their object."""


@dataclass(frozen=True, slots=True)
class Built:
    """One signed transaction, and what it makes ours."""

    role: TxRole
    transaction: Transaction
    created: tuple[StoredCoin, ...]


@dataclass(slots=True)
class Builder:
    """Builds one plan's transactions, in order. `coins` are the wallet's that the plan spends; `plain_http` as in AdToken."""

    plan: Plan
    coins: Mapping[Outpoint, StoredCoin]
    keys: Keys
    plain_http: bool
    built: dict[TxRole, Built] = field(default_factory=dict)

    def anchor(self) -> Outpoint | None:
        """What record tokens name as `i`. Builds the splitter, if there is one; None where no root transaction is planned."""
        splitter = self.plan.transaction(TxRole.SPLITTER)
        if splitter is not None and TxRole.SPLITTER not in self.built:
            self._build(splitter, {})
        return None if self.plan.anchor is None else self._outpoint(self.plan.anchor)

    def finish(self, tokens: Tokens) -> tuple[Built, ...]:
        """Build the others. Raises StalePlanError where one would not be what was shown."""
        for layout in self.plan.transactions:
            if layout.role not in self.built:
                self._build(layout, tokens)
        return tuple(self.built[layout.role] for layout in self.plan.transactions)

    def _build(self, layout: TxLayout, tokens: Tokens) -> None:
        spent = [self._spendable(spend) for spend in layout.spends]
        first = spent[0].outpoint
        outputs = [self._output(output, vout, first, tokens) for vout, output in enumerate(layout.outputs)]
        fee = sum(coin.output.satoshis for coin in spent) - sum(output.satoshis for output in outputs)
        if fee != layout.fee:
            raise StalePlanError(f"the coins at hand leave a fee of {fee} satoshis, the plan says {layout.fee}")
        transaction = signed(spent, outputs, self.keys)
        if len(transaction.raw) > layout.size:
            raise StalePlanError(
                f"the transaction has {len(transaction.raw)} bytes, the plan says {layout.size} at most"
            )
        created = tuple(
            _coin(transaction, vout, _key(output, vout, first), output.role)
            for vout, output in enumerate(layout.outputs)
        )
        self.built[layout.role] = Built(layout.role, transaction, created)

    def _spendable(self, spend: Spend) -> Spendable:
        coin = self.coins.get(spend) if isinstance(spend, Outpoint) else self._made(spend)
        if coin is None or coin.state is CoinState.SPENT:
            raise StalePlanError(
                "a coin of the plan is not in the wallet any more", where=str(spend), hint="plan again"
            )
        return spendable(coin)

    def _made(self, spend: Made) -> StoredCoin | None:
        source = self.built.get(spend.role)
        return None if source is None else source.created[spend.vout]

    def _outpoint(self, spend: Spend) -> Outpoint:
        return spend if isinstance(spend, Outpoint) else self.built[spend.role].transaction.outpoint(spend.vout)

    def _output(self, output: Output, vout: int, first: Outpoint, tokens: Tokens) -> TxOutput:
        if output.object is None:
            return TxOutput(Satoshis(output.satoshis), p2pkh(self.keys.public(_key(output, vout, first))))
        match tokens[output.object]:
            case RecordToken() as token:
                return TxOutput(
                    Satoshis(output.satoshis), record.lock(token, self.keys.sign(token.key, record.preimage(token)))
                )
            case AdToken() as ad:
                signature = self.keys.sign(ad.key, advertisement.preimage(ad))
                return TxOutput(
                    Satoshis(output.satoshis), advertisement.lock(ad, signature, plain_http=self.plain_http)
                )


def spendable(coin: StoredCoin) -> Spendable:
    """A coin of ours as the signer takes it."""
    kind = Lock.PUSHDROP if coin.purpose is Purpose.TOKEN else Lock.P2PKH
    return Spendable(coin.outpoint, TxOutput(coin.satoshis, coin.locking), coin.key, kind)


def _key(output: Output, vout: int, first: Outpoint) -> KeyRef:
    """The key of one output of a transaction that spends `first` first."""
    match output.role:
        case OutputRole.RECORD:
            return _record_key(output.record)
        case OutputRole.AD:
            return ad_key(_protocol(output.object))
        case OutputRole.PURSE:
            return purse_key(str(first), vout)
        case OutputRole.COIN | OutputRole.CHANGE:  # a root's coin is money like any other, should that root never be
            return change_key(str(first), vout)
        case OutputRole.PAYOUT:
            return FUNDING_KEY


def _record_key(named: RecordId | None) -> KeyRef:
    if named is None:
        raise StalePlanError("the plan has a record output without its record")
    return record_key(named.kind, named.name)


def _protocol(address: Address | None) -> AdProtocol:
    if address is None:
        raise StalePlanError("the plan has an advertisement output without its address")
    return AdProtocol(address.type.upper())


def _coin(transaction: Transaction, vout: int, key: KeyRef, role: OutputRole) -> StoredCoin:
    output = transaction.outputs[vout]
    return StoredCoin(
        outpoint=transaction.outpoint(vout),
        satoshis=output.satoshis,
        locking=output.locking,
        key=key,
        purpose=Purpose.TOKEN if role in {OutputRole.RECORD, OutputRole.AD} else Purpose.MONEY,
    )
