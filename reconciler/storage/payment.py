"""The advertising transaction itself: tokens out of coins, signed. Pure but for the signer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.ids import Outpoint
from reconciler.model.keys import FUNDING_KEY, UHRP_KEY, KeyRef
from reconciler.storage.ports import Signer
from reconciler.wire.script import (
    P2PKH_INPUT,
    P2PKH_OUTPUT,
    PUSHDROP_INPUT,
    p2pkh,
    unlock_p2pkh,
    unlock_pushdrop,
)
from reconciler.wire.sighash import Commitments
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

TOKEN_SATOSHIS: Final = Satoshis(1)
_FRAME: Final = 16
"""Bytes of version, lock time and the two counts, at most."""

_LEAST_CHANGE: Final = 50
"""Satoshis; less would cost about as much to spend."""


@dataclass(frozen=True, slots=True)
class Spend:
    """An output of ours that the transaction spends: money, or a token that is replaced."""

    outpoint: Outpoint
    output: TxOutput
    key: KeyRef

    @property
    def is_token(self) -> bool:
        """Whether it is unlocked by a signature alone."""
        return self.key == UHRP_KEY


def fee(spends: Sequence[Spend], tokens: Sequence[TxOutput], rate: FeeRate) -> Satoshis:
    """What mining costs, with one change output."""
    inputs = sum(PUSHDROP_INPUT if spend.is_token else P2PKH_INPUT for spend in spends)
    outputs = sum(len(token.to_bytes()) for token in tokens)
    return rate.fee(_FRAME + inputs + outputs + P2PKH_OUTPUT)


def shortfall(spends: Sequence[Spend], tokens: Sequence[TxOutput], rate: FeeRate) -> int:
    """How many satoshis are missing; 0 or less where it is enough."""
    paid = sum(token.satoshis for token in tokens) + fee(spends, tokens, rate)
    return paid - sum(spend.output.satoshis for spend in spends)


def build(spends: Sequence[Spend], tokens: Sequence[TxOutput], rate: FeeRate, signer: Signer) -> Transaction:
    """The signed transaction: the tokens in their order, then change, unless that is too little to keep."""
    change = -shortfall(spends, tokens, rate)
    if change < 0:
        raise ValueError(f"{-change} satoshis are missing")
    rest = TxOutput(Satoshis(change), p2pkh(signer.public(FUNDING_KEY)))
    outputs = (*tokens, rest) if change >= _LEAST_CHANGE else tuple(tokens)
    unsigned = Transaction(tuple(TxInput(spend.outpoint) for spend in spends), outputs)
    commitments = Commitments(unsigned)
    unlocking = (_unlock(commitments, index, spend, signer) for index, spend in enumerate(spends))
    return replace(
        unsigned,
        inputs=tuple(
            replace(spent, unlocking=script) for spent, script in zip(unsigned.inputs, unlocking, strict=True)
        ),
    )


def _unlock(commitments: Commitments, index: int, spend: Spend, signer: Signer) -> bytes:
    once = sha256(commitments.preimage(index, spend.output)).digest()  # the signer hashes the second time
    signature = signer.sign(spend.key, once)
    return unlock_pushdrop(signature) if spend.is_token else unlock_p2pkh(signature, signer.public(spend.key))
