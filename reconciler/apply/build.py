"""The transactions of an apply, exactly as the plan laid them out (plan/layout.py), built and signed in order.

Pure but for the keys it signs with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StalePlanError
from reconciler.model.ids import Address, AdProtocol, Outpoint, RecordId, Txid
from reconciler.model.keys import FUNDING_KEY, KeyRef, ad_key, batch_key, change_key, purse_key, record_key, sweep_key
from reconciler.plan.transactions import Made, Output, OutputRole, Spend, TxLayout, TxRole
from reconciler.store.coins import CoinState, Purpose, StoredCoin
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire import advertisement, record
from reconciler.wire.advertisement import AdToken
from reconciler.wire.record import RecordToken
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction, TxOutput


class Tokens(Protocol):
    """Whoever knows what tokens say."""

    def token(self, output: Output, spends: Outpoint, role: TxRole) -> RecordToken | AdToken:
        """What the token of an output says, in a transaction of that role that spends `spends` first."""
        ...


@dataclass(frozen=True, slots=True)
class Built:
    """One signed transaction, and what it makes ours."""

    layout: TxLayout
    transaction: Transaction
    created: tuple[StoredCoin, ...]

    @property
    def txid(self) -> Txid:
        """Of the transaction."""
        return self.transaction.txid

    @property
    def role(self) -> TxRole:
        """Of the transaction."""
        return self.layout.role


def build(
    layouts: Iterable[TxLayout],
    tokens: Tokens,
    coins: Mapping[Outpoint, StoredCoin],
    keys: Keys,
    *,
    heir: Keys,
    plain_http: bool,
    before: Mapping[str, Built] | None = None,
) -> tuple[Built, ...]:
    """Build and sign, in order. `coins` are the wallet's that the plan spends; `before` is what was built of it, by name.

    `keys` sign what is spent. What is made for good is the `heir`'s: the same keys, but where a plan rotates them
    (PROTOCOL §10); `plain_http` is as in AdToken. Raises StalePlanError where a transaction would not be what was shown.
    """
    builder = _Builder(tokens, coins, keys, heir, plain_http, dict(before or {}))
    made = []
    for layout in layouts:
        builder.built[layout.name] = builder.build(layout)
        made.append(builder.built[layout.name])
    return tuple(made)


@dataclass(frozen=True, slots=True)
class _Builder:
    """What has been built so far, by name, and what it is built from."""

    tokens: Tokens
    coins: Mapping[Outpoint, StoredCoin]
    keys: Keys
    heir: Keys
    plain_http: bool
    built: dict[str, Built] = field(default_factory=dict)

    def build(self, layout: TxLayout) -> Built:
        if not layout.spends:
            raise StalePlanError("the plan has no coin to sign with", hint="fund the wallet and plan again")
        spent = [self._spendable(spend) for spend in layout.spends]
        first = spent[0].outpoint
        # A splitter stays valid should its root lose: what it makes is for whoever signs that root.
        owner = self.keys if layout.role is TxRole.SPLITTER else self.heir
        outputs = [self._output(output, vout, first, layout.role, owner) for vout, output in enumerate(layout.outputs)]
        fee = sum(coin.output.satoshis for coin in spent) - sum(output.satoshis for output in outputs)
        if fee != layout.fee:
            raise StalePlanError(f"the coins at hand leave a fee of {fee} satoshis, the plan says {layout.fee}")
        transaction = signed(spent, outputs, self.keys)
        if len(transaction.raw) > layout.size:
            raise StalePlanError(
                f"the transaction has {len(transaction.raw)} bytes, the plan says {layout.size} at most"
            )
        coins = tuple(
            created(transaction, vout, _key(output, vout, first, layout.role), output.role)
            for vout, output in enumerate(layout.outputs)
        )
        return Built(layout, transaction, coins)

    def _spendable(self, spend: Spend) -> Spendable:
        coin = self.coins.get(spend) if isinstance(spend, Outpoint) else self._made(spend)
        if coin is None or coin.state is CoinState.SPENT:
            raise StalePlanError(
                "a coin of the plan is not in the wallet any more", where=str(spend), hint="plan again"
            )
        return spendable(coin)

    def _made(self, spend: Made) -> StoredCoin | None:
        source = self.built.get(spend.transaction)
        return None if source is None else source.created[spend.vout]

    def _output(self, output: Output, vout: int, first: Outpoint, role: TxRole, keys: Keys) -> TxOutput:
        satoshis = Satoshis(output.satoshis)
        if output.object is None:
            return TxOutput(satoshis, p2pkh(keys.public(_key(output, vout, first, role))))
        match self.tokens.token(output, first, role):
            case RecordToken() as token:
                return TxOutput(satoshis, record.signed_lock(token, partial(keys.sign, token.key)))
            case AdToken() as ad:
                signature = keys.sign(ad.key, advertisement.preimage(ad))
                return TxOutput(satoshis, advertisement.lock(ad, signature, plain_http=self.plain_http))


def spendable(coin: StoredCoin) -> Spendable:
    """A coin of ours as the signer takes it."""
    kind = Lock.PUSHDROP if coin.purpose is Purpose.TOKEN else Lock.P2PKH
    return Spendable(coin.outpoint, TxOutput(coin.satoshis, coin.locking), coin.key, kind)


_MONEY: Final = {
    OutputRole.PURSE: purse_key,
    OutputRole.FUNDING: batch_key,
    OutputRole.SWEEPING: sweep_key,
    OutputRole.CHANGE: change_key,
}
_AT_THE_ADDRESS: Final = frozenset({OutputRole.PAYOUT, OutputRole.COIN, OutputRole.POUCH, OutputRole.STORAGE})
"""Money that no root leads to, at least not before it is spent again: a rebuild finds it by the wallet's address."""


def _key(output: Output, vout: int, first: Outpoint, role: TxRole) -> KeyRef:
    """The key of one output of a transaction of that role that spends `first` first."""
    if output.role in _AT_THE_ADDRESS:
        return FUNDING_KEY
    match output.role:
        case OutputRole.RECORD:
            return _record_key(output.record)
        case OutputRole.AD:
            return ad_key(_protocol(output.object))
        case OutputRole.LINK:
            return (batch_key if role is TxRole.BATCH else sweep_key)(str(first), vout)
        case money:
            return _MONEY[money](str(first), vout)


def _record_key(named: RecordId | None) -> KeyRef:
    if named is None:
        raise StalePlanError("the plan has a record output without its record")
    return record_key(named.kind, named.name)


def _protocol(address: Address | None) -> AdProtocol:
    if address is None:
        raise StalePlanError("the plan has an advertisement output without its address")
    return AdProtocol(address.type.upper())


def created(transaction: Transaction, vout: int, key: KeyRef, role: OutputRole) -> StoredCoin:
    """An output of ours as a coin of that key."""
    output = transaction.outputs[vout]
    return StoredCoin(
        outpoint=transaction.outpoint(vout),
        satoshis=output.satoshis,
        locking=output.locking,
        key=key,
        purpose=Purpose.TOKEN if role in {OutputRole.RECORD, OutputRole.AD} else Purpose.MONEY,
    )
