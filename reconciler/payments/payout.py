"""Settlements and refunds as transactions, and what the network's word means for them: pure but for the signer.

Either spends whole coins of payments to one output, which is what they hold less the fee: no change, so that the gateway's
coins are at all times what payments gave it and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final, Protocol

from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.journal import JournalEvent, JournalState
from reconciler.model.keys import KeyRef, payment_key, settlement_key
from reconciler.model.payout import PayoutKind
from reconciler.payments.verdict import Word
from reconciler.store.coins import StoredCoin
from reconciler.store.payouts import Payout
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.script import P2PKH_INPUT, P2PKH_OUTPUT, p2pkh, unlock_p2pkh
from reconciler.wire.sighash import Commitments
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

MOST_COINS: Final = 200
"""Coins that one settlement spends at most: some 30 kB."""

REFUND_SUFFIX: Final = "refund"
"""Of the key that a refund pays; its prefix is the id of the payment's transaction, so that the buyer needs nothing else."""

_FRAME: Final = 16
"""Bytes of version, lock time and the two counts, at most."""


class Signer(Protocol):
    """The gateway's keys."""

    @property
    def identity(self) -> IdentityKey:
        """Whose keys they are."""
        ...

    def sign(self, key: KeyRef, data: bytes) -> bytes:
        """A DER signature over SHA-256 of `data`."""
        ...

    def public(self, key: KeyRef) -> IdentityKey:
        """The public half of a child key."""
        ...

    def public_for(self, key: KeyRef) -> IdentityKey:
        """The counterparty's half of a child key."""
        ...


def worth_spending(coin: StoredCoin, rate: FeeRate) -> bool:
    """Whether a coin brings more than its input costs."""
    return coin.satoshis > rate.fee(P2PKH_INPUT)


def fee_of(coins: int, rate: FeeRate) -> Satoshis:
    """What a payout of so many coins costs."""
    return rate.fee(_FRAME + coins * P2PKH_INPUT + P2PKH_OUTPUT)


def settlement(
    coins: Sequence[tuple[StoredCoin, Beef]], *, producer: IdentityKey, rate: FeeRate, keys: Signer, now: int
) -> Payout | None:
    """What takes proven coins to the producer; None where they are not worth the fee."""
    if not coins:
        return None
    key = settlement_key(str(coins[0][0].outpoint), 0, producer)
    return _payout(PayoutKind.SETTLEMENT, coins, key, producer, rate=rate, keys=keys, now=now)


def refund(
    coin: StoredCoin, ancestry: Beef, *, buyer: IdentityKey, rate: FeeRate, keys: Signer, now: int
) -> Payout | None:
    """What gives a payment's very coin back to who paid it; None where that is not worth the fee."""
    key = refund_key(coin.outpoint.txid, buyer)
    return _payout(PayoutKind.REFUND, [(coin, ancestry)], key, buyer, rate=rate, keys=keys, now=now)


def refund_key(payment: Txid, other: IdentityKey) -> KeyRef:
    """The key that a refund of this payment pays; `other` is the buyer to the gateway, and the gateway to the buyer."""
    return payment_key(payment, REFUND_SUFFIX, other)


def steps(state: JournalState, word: Word) -> tuple[JournalEvent, ...]:
    """The steps, one after the other, that a word makes a payout take."""
    return _STEPS.get((state, word), ())


_S, _E = JournalState, JournalEvent
_OPEN: Final = (_S.SENDING, _S.SUBMITTED, _S.CONTESTED)

_STEPS: Final = {
    (_S.SENDING, Word.WAITING): (_E.ACCEPT,),
    **{(state, Word.SEEN): (_E.SEE,) for state in _OPEN},
    **{(state, Word.CONTESTED): (_E.CONTEST,) for state in (_S.SENDING, _S.SUBMITTED, _S.SEEN)},
    **{(state, Word.REFUSED): (_E.CONTEST,) for state in (_S.SUBMITTED, _S.SEEN)},
    (_S.SENDING, Word.REFUSED): (_E.REFUSE,),
    **{(state, Word.BEATEN): (_E.CONTEST, _E.LOSE) for state in (_S.SENDING, _S.SUBMITTED, _S.SEEN)},
    **{(state, Word.BEATEN): (_E.LOSE,) for state in (_S.CONTESTED, _S.REFUSED)},
    **{(_S.REFUSED, word): (_E.REPEAT, _E.ACCEPT) for word in (Word.WAITING, Word.CONTESTED)},
    (_S.REFUSED, Word.SEEN): (_E.REPEAT, _E.SEE),
    **{(state, Word.PROVEN): (_E.MINE,) for state in (*_OPEN, _S.SEEN, _S.REFUSED, _S.VOID)},
}
"""What is not here says nothing new. Nothing but a rival's proof, or the loss of what it spends, ends a payout that has left."""


def _payout(
    kind: PayoutKind,
    coins: Sequence[tuple[StoredCoin, Beef]],
    key: KeyRef,
    recipient: IdentityKey,
    *,
    rate: FeeRate,
    keys: Signer,
    now: int,
) -> Payout | None:
    fee = fee_of(len(coins), rate)
    amount = sum(coin.satoshis for coin, _ in coins) - fee
    if amount < 1:
        return None
    output = TxOutput(Satoshis(amount), p2pkh(keys.public_for(key)))
    transaction = _signed([coin for coin, _ in coins], output, keys)
    ancestry = [beef for _, beef in coins]
    return Payout(
        kind=kind,
        recipient=recipient,
        beef=merge([*ancestry, Beef.of((), [*_raw(ancestry), BeefTx(transaction)])]),
        txid=transaction.txid,
        satoshis=output.satoshis,
        fee=fee,
        key=key,
        made=now,
        doubted=now,
    )


def _signed(coins: Sequence[StoredCoin], output: TxOutput, keys: Signer) -> Transaction:
    unsigned = Transaction(tuple(TxInput(coin.outpoint) for coin in coins), (output,))
    commitments = Commitments(unsigned)
    unlocking = (_unlock(commitments, index, coin, keys) for index, coin in enumerate(coins))
    return replace(unsigned, inputs=tuple(map(_with, unsigned.inputs, unlocking)))


def _with(spent: TxInput, unlocking: bytes) -> TxInput:
    return replace(spent, unlocking=unlocking)


def _unlock(commitments: Commitments, index: int, coin: StoredCoin, keys: Signer) -> bytes:
    once = sha256(commitments.preimage(index, TxOutput(coin.satoshis, coin.locking))).digest()  # hashed again by `sign`
    return unlock_p2pkh(keys.sign(coin.key, once), keys.public(coin.key))


def _raw(ancestry: Sequence[Beef]) -> list[BeefTx]:
    """The transactions without their proofs, which `merge` has from the originals."""
    return [BeefTx(entry.transaction) for beef in ancestry for entry in beef.transactions.values()]
