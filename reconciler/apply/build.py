"""The one transaction of a small apply (PROTOCOL §4), exactly as the plan costed it. Pure but for the keys it signs with."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.apply.draft import Draft
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StalePlanError
from reconciler.model.keys import KeyRef, change_key, record_key
from reconciler.store.coins import Purpose, StoredCoin
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire.record import RecordToken, lock, preimage
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction, TxOutput

TOKEN_SATOSHIS = Satoshis(1)


def build(draft: Draft, spent: Sequence[Spendable], *, fee: Satoshis, size: int, keys: Keys) -> Transaction:
    """Root first, then the tokens, then the change, which has its place as index.

    Raises StalePlanError where the coins at hand do not leave exactly the plan's `fee` or the transaction would be larger
    than its `size` bytes: then this is not the transaction that was shown.
    """
    tokens = [TxOutput(TOKEN_SATOSHIS, _locked(token, keys)) for token in draft.tokens]
    rest = sum(coin.output.satoshis for coin in spent) - len(tokens) * TOKEN_SATOSHIS - fee
    if rest < 1:
        raise StalePlanError(f"the coins at hand leave {rest} satoshis of change, the plan counted on at least 1")
    change = TxOutput(Satoshis(rest), p2pkh(keys.public(change_key(str(draft.anchor), len(tokens)))))
    transaction = signed(spent, [*tokens, change], keys)
    if len(transaction.raw) > size:
        raise StalePlanError(f"the transaction has {len(transaction.raw)} bytes, the plan counted on {size} at most")
    return transaction


def _locked(token: RecordToken, keys: Keys) -> bytes:
    key = record_key(token.id.kind, token.id.name)
    return lock(token, keys.sign(key, preimage(token)))


def created_coins(transaction: Transaction, draft: Draft) -> tuple[StoredCoin, ...]:
    """What the transaction makes ours: its tokens, and its change."""
    tokens = tuple(
        _coin(transaction, vout, record_key(token.id.kind, token.id.name), Purpose.TOKEN)
        for vout, token in enumerate(draft.tokens)
    )
    change = len(draft.tokens)
    return (*tokens, _coin(transaction, change, change_key(str(draft.anchor), change), Purpose.MONEY))


def spendable(coin: StoredCoin) -> Spendable:
    """A coin of ours as the signer takes it."""
    kind = Lock.PUSHDROP if coin.purpose is Purpose.TOKEN else Lock.P2PKH
    return Spendable(coin.outpoint, TxOutput(coin.satoshis, coin.locking), coin.key, kind)


def _coin(transaction: Transaction, vout: int, key: KeyRef, purpose: Purpose) -> StoredCoin:
    output = transaction.outputs[vout]
    return StoredCoin(
        outpoint=transaction.outpoint(vout),
        satoshis=output.satoshis,
        locking=output.locking,
        key=key,
        purpose=purpose,
    )
