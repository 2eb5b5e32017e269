"""What ARC and the network ask of one transaction: the rules of PROTOCOL §1 and ARC's own, each with ARC's code for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.model.amounts import MAX_SATOSHIS, FeeRate, Satoshis
from reconciler.model.errors import RefusedError
from reconciler.wire.arc import ArcError
from reconciler.wire.spend import Allowance, ScriptError, Spending
from reconciler.wire.spv import LOCK_TIME_THRESHOLD
from reconciler.wire.transaction import FINAL, Transaction, TxOutput

_SMALLEST: Final = 61  # bytes, as ARC has it
_SCRIPT_WORK: Final = 1 << 28  # about a second; a node of our own may be generous
_DATA: Final = (b"\x6a", b"\x00\x6a")  # OP_RETURN, OP_FALSE OP_RETURN


def refusal(code: ArcError, message: str) -> RefusedError:
    """The error that says no with one of ARC's codes."""
    return RefusedError(message, code=str(code.value))


def check_form(transaction: Transaction) -> None:
    """What can be said without knowing what is spent. Raises RefusedError."""
    if not transaction.inputs or not transaction.outputs:
        raise refusal(ArcError.INPUTS, "the transaction has no inputs or no outputs")
    if len(transaction.raw) < _SMALLEST:
        raise refusal(ArcError.MALFORMED, f"the transaction has less than {_SMALLEST} bytes")
    outpoints = [spending.outpoint for spending in transaction.inputs]
    if len(set(outpoints)) < len(outpoints):
        raise refusal(ArcError.INPUTS, "the transaction spends an output twice")
    if any(int(outpoint.txid, 16) == 0 for outpoint in outpoints):
        raise refusal(ArcError.INPUTS, "the transaction is a coinbase")
    for vout, output in enumerate(transaction.outputs):
        if output.locking.startswith(_DATA) != (output.satoshis == 0):
            raise refusal(ArcError.OUTPUTS, f"output {vout} must hold coins, or data and no coins")
    if _total(transaction.outputs) > MAX_SATOSHIS:
        raise refusal(ArcError.OUTPUTS, "the outputs hold more coins than there are")


def check_spending(transaction: Transaction, spent: Sequence[TxOutput], rate: FeeRate) -> Satoshis:
    """Check amounts, fee and scripts against the outputs that are spent; returns the fee. Raises RefusedError."""
    if _total(spent) > MAX_SATOSHIS:
        raise refusal(ArcError.INPUTS, "the inputs hold more coins than there are")
    fee, least = _total(spent) - _total(transaction.outputs), rate.fee(len(transaction.raw))
    if fee < least:
        raise refusal(ArcError.FEES, f"the transaction pays a fee of {fee} satoshis, not {least}")
    spending, allowance = Spending(transaction), Allowance(_SCRIPT_WORK, _SCRIPT_WORK)
    for index, output in enumerate(spent):
        try:
            spending.check(index, output, allowance)
        except ScriptError as error:
            raise refusal(ArcError.UNLOCKING_SCRIPTS, f"input {index} may not spend: {error.message}") from error
    return Satoshis(fee)


def is_final(transaction: Transaction, *, height: int, median_time: int) -> bool:
    """Whether a block at `height` could have it; `median_time` is that of the eleven blocks before (BIP 113)."""
    lock_time = transaction.lock_time
    passed = lock_time < (height if lock_time < LOCK_TIME_THRESHOLD else median_time)
    return passed or all(spending.sequence == FINAL for spending in transaction.inputs)


def _total(outputs: Sequence[TxOutput]) -> int:
    return sum(output.satoshis for output in outputs)
