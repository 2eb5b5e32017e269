"""Running the scripts of an input: the SDK's interpreter, exact and bounded.

The SDK's `Spend` (2.4.0) is used for what every opcode does. Four of its habits are not for transactions of strangers, and
are set right here, each held by a test:

- It has no bound: ten bytes of script take a gigabyte (OP_NUM2BIN), sixty take minutes (OP_CAT, OP_MUL). Here each script
  pays for its work out of an allowance.
- It encodes a script anew before hashing it for a signature, so `<P2PKH> OP_RETURN <data>` can never be spent. Here the
  signature is checked over the bytes that are there.
- It hashes all inputs and outputs again for every signature, which is quadratic. Here that is done once.
- It runs a script that ends in the middle of a push. Here that is refused, as nodes do.

Its native interpreter has the same habits and no place to put a bound, so the one in Python runs, over native ECDSA.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.wire.sdk import (
    SIGHASH,
    OpCode,
    PublicKey,
    Script,
    ScriptChunk,
    Spend,
    TransactionInput,
    TransactionOutput,
)
from reconciler.wire.sighash import Commitments
from reconciler.wire.transaction import Transaction, TxOutput

OPCODE_WORK: Final = 1 << 10
"""Units of work to run one opcode. A unit is about the time to hash one byte: 3 nanoseconds on a small machine."""

SIGNATURE_WORK: Final = 1 << 15
"""Units of work to check one signature."""

_SMALL: Final = (
    1 << 18
)  # opcodes x bytes: below it, opcodes outside _HEAVY cost next to nothing beyond their base price
_LONG_NUMBER: Final = 5  # bytes: an operand that says how many bytes to make is never longer
_BEYOND: Final = 1 << 40

_IF: Final = {OpCode.OP_IF, OpCode.OP_NOTIF, OpCode.OP_VERIF, OpCode.OP_VERNOTIF}
_MULTISIG: Final = {OpCode.OP_CHECKMULTISIG, OpCode.OP_CHECKMULTISIGVERIFY}
_PRODUCT: Final = {OpCode.OP_MUL, OpCode.OP_DIV, OpCode.OP_MOD}
_BYTEWISE: Final = {
    OpCode.OP_IF,
    OpCode.OP_NOTIF,
    OpCode.OP_VERIFY,
    OpCode.OP_IFDUP,
    OpCode.OP_INVERT,
    OpCode.OP_AND,
    OpCode.OP_OR,
    OpCode.OP_XOR,
}
"""Where the interpreter goes through an operand byte by byte, in Python."""

_MOVES: Final = {
    OpCode.OP_TOALTSTACK,
    OpCode.OP_FROMALTSTACK,
    OpCode.OP_2DROP,
    OpCode.OP_2DUP,
    OpCode.OP_3DUP,
    OpCode.OP_2OVER,
    OpCode.OP_2ROT,
    OpCode.OP_2SWAP,
    OpCode.OP_DROP,
    OpCode.OP_DUP,
    OpCode.OP_NIP,
    OpCode.OP_OVER,
    OpCode.OP_ROT,
    OpCode.OP_SWAP,
    OpCode.OP_TUCK,
}
"""What only moves operands about: Python copies none of their bytes."""

_BYTEWISE_WORK: Final = 32

_PRICED_BY_VALUE: Final = {
    OpCode.OP_NUM2BIN: 8,
    OpCode.OP_LSHIFTNUM: 1,
    OpCode.OP_CHECKMULTISIG: 32 * OPCODE_WORK,
    OpCode.OP_CHECKMULTISIGVERIFY: 32 * OPCODE_WORK,
}
"""Where the top operand says how much there is to do: units of work for eight of what it counts (bytes, bits, keys)."""

_HEAVY: Final = {OpCode.OP_CAT, OpCode.OP_NUM2BIN, OpCode.OP_LSHIFTNUM} | _PRODUCT | _MULTISIG | _BYTEWISE
"""What makes more bytes than it takes, or is slow over those it takes."""

_LENGTHS: Final = {OpCode.OP_PUSHDATA1[0]: 1, OpCode.OP_PUSHDATA2[0]: 2, OpCode.OP_PUSHDATA4[0]: 4}

_FOREIGN: Final = (RuntimeError, IndexError, ArithmeticError, ValueError, TypeError)
"""What the interpreter raises over a hostile script: its own errors (RuntimeError), and slips. Fuzzing finds IndexError (an
empty locking script) and OverflowError (OP_2DIV of a large number); the others are what its readers of numbers can raise.
"""


class ScriptError(VerificationError):
    """The scripts of an input do not allow the spend."""


class ScriptCostError(ScriptError):
    """The scripts of an input are more work than was allowed."""


class Allowance:
    """Units of work that scripts may still do.

    `steps` pays for opcodes and signatures, and grows with the bytes that hold them. `operands` pays for what opcodes do
    with the data they meet, which a few bytes can make arbitrarily long; it is also the bound on the memory they take.
    """

    __slots__ = ("operands", "steps")

    def __init__(self, steps: int, operands: int) -> None:
        self.steps = steps
        self.operands = operands

    def step(self, units: int) -> None:
        """Pay for opcodes or signatures. Raises ScriptCostError."""
        self.steps -= units
        if self.steps < 0:
            raise ScriptCostError("its scripts are more work than their size warrants")

    def operate(self, units: int) -> None:
        """Pay for operands. Raises ScriptCostError."""
        self.operands -= units
        if self.operands < 0:
            raise ScriptCostError("its scripts handle more data than is allowed")


class Spending:
    """Checks the inputs of one transaction. What they share is made once."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.commitments = Commitments(transaction)
        self._keys: dict[bytes, Any] = {}

    def check(self, index: int, spent: TxOutput, allowance: Allowance) -> None:
        """Run the scripts of input `index`, which spends `spent`. Raises ScriptError, or ScriptCostError."""
        run = _Run(self, index, spent, allowance)
        try:
            run.finish()
        except _FOREIGN as error:
            # the first line only: the SDK appends the state of its machine
            raise ScriptError(f"its scripts fail: {str(error).partition(chr(10))[0]}") from error

    def key(self, encoded: bytes) -> Any | None:
        """The SDK's form of a public key, or None if it is none. Inputs of one transaction often share theirs."""
        if encoded not in self._keys:
            try:
                self._keys[encoded] = PublicKey(encoded)
            except ValueError:
                self._keys[encoded] = None
        return self._keys[encoded]

    @cached_property
    def inputs(self) -> list[Any]:
        """The inputs as SDK objects, for the old digest (OTDA), which only the SDK computes."""
        return [
            TransactionInput(
                source_txid=spent.outpoint.txid, source_output_index=spent.outpoint.vout, sequence=spent.sequence
            )
            for spent in self.transaction.inputs
        ]

    @cached_property
    def outputs(self) -> list[Any]:
        """The outputs as SDK objects, for the same reason."""
        return [TransactionOutput(Script(output.locking), output.satoshis) for output in self.transaction.outputs]


class _Program:
    """A script cut into the SDK's chunks, which remembers where in the bytes each began."""

    __slots__ = ("chunks", "offsets", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.chunks: list[Any] = []
        self.offsets: list[int] = []
        position = depth = 0
        while position < len(raw):
            self.offsets.append(position)
            opcode = raw[position : position + 1]
            depth = _depth_after(opcode, depth)
            if opcode == OpCode.OP_RETURN and depth == 0:  # the rest is data, whatever it looks like
                self.chunks.append(ScriptChunk(opcode, raw[position + 1 :] or None))
                return
            position, data = _pushed(raw, position)
            self.chunks.append(ScriptChunk(opcode, data))

    def after(self, separator: int | None) -> bytes:
        """The bytes after chunk `separator`; all of them without one."""
        if separator is None:
            return self.raw
        return self.raw[self.offsets[separator] + 1 :]

    def script(self) -> Any:
        """The SDK's own form."""
        script = Script(self.raw)
        script.chunks = self.chunks
        return script


class _Run(Spend):  # type: ignore[misc]  # bsv-sdk ships no types, so Spend is Any
    """One run of the interpreter, with exact signature hashes and a bill."""

    def __init__(self, spending: Spending, index: int, spent: TxOutput, allowance: Allowance) -> None:
        transaction = spending.transaction
        spender = transaction.inputs[index]
        self.spending, self.allowance = spending, allowance
        self.unlocking, self.locking = _Program(spender.unlocking), _Program(spent.locking)
        self.chunks = self.unlocking.chunks + self.locking.chunks
        size = len(self.unlocking.raw) + len(self.locking.raw)
        self.is_metered = len(self.chunks) * size > _SMALL or any(chunk.op in _HEAVY for chunk in self.chunks)
        params: Mapping[str, object] = {
            "sourceTXID": spender.outpoint.txid,
            "sourceOutputIndex": spender.outpoint.vout,
            "sourceSatoshis": spent.satoshis,
            "lockingScript": self.locking.script(),
            "transactionVersion": transaction.version,
            "otherInputs": [],
            "outputs": [],
            "inputIndex": index,
            "unlockingScript": self.unlocking.script(),
            "inputSequence": spender.sequence,
            "lockTime": transaction.lock_time,
        }
        super().__init__(params)

    def finish(self) -> None:
        """Run both scripts to their end; RuntimeError where they do not allow the spend."""
        self.allowance.step(OPCODE_WORK * len(self.chunks))
        self._validate_python()

    def step(self) -> None:
        if self.is_metered:
            self.allowance.operate(self._work_ahead())
        super().step()

    def subscript_after_code_separator(self) -> Any:
        if self.context == "UnlockingScript":
            code = Script(self.unlocking.after(self.last_code_separator) + self.locking.raw)
        else:
            code = Script(self.locking.after(self.last_code_separator))
        # Chunks are only asked for to delete signatures without FORKID from it, chunk by chunk, key by key. With such a
        # signature nothing can pass anyway: it is refused as soon as it is looked at.
        code.chunks = []
        return code

    def check_public_key_encoding(self, octets: bytes) -> bool:
        return self.spending.key(bytes(octets)) is not None

    def verify_signature(self, sig: bytes, pub_key: bytes, sub_script: Any) -> bool:
        if not sig:
            return False
        sighash, code = sig[-1], sub_script.serialize()
        self.allowance.step(SIGNATURE_WORK + len(code))
        if SIGHASH.use_otda(sighash):
            return self._verify_old_signature(sig, pub_key, sub_script)
        signed = self.spending.commitments.preimage(
            self.input_index, TxOutput(Satoshis(self.source_satoshis), code), sighash
        )
        key = self.spending.key(bytes(pub_key))
        return key is not None and bool(key.verify(self.normalize_low_s(bytes(sig[:-1])), signed))

    def _verify_old_signature(self, sig: bytes, pub_key: bytes, sub_script: Any) -> bool:
        """The old digest covers the whole transaction each time, so each time is charged in full."""
        inputs, outputs = self.spending.inputs, self.spending.outputs
        self.allowance.step(len(self.spending.transaction.raw) + OPCODE_WORK * (len(inputs) + len(outputs)))
        self.other_inputs = inputs[: self.input_index] + inputs[self.input_index + 1 :]
        self.outputs = outputs
        return bool(super().verify_signature(bytes(sig), bytes(pub_key), sub_script))

    def _work_ahead(self) -> int:
        """What the operands of the next opcode cost."""
        if b"" in self.if_stack or self.non_top_level_return:
            return 0
        opcode, operands = self._opcode_ahead(), self.stack[-3:]
        if opcode <= OpCode.OP_16 or opcode in _MOVES or not operands:
            return 0
        work = sum(len(operand) for operand in operands)
        if opcode in _BYTEWISE:
            return work * _BYTEWISE_WORK
        if opcode in _PRODUCT and len(operands) > 1:
            return work + len(operands[-1]) * len(operands[-2]) // 8
        if opcode in _PRICED_BY_VALUE:
            return work + _number(operands[-1]) * _PRICED_BY_VALUE[opcode] // 8
        return work

    def _opcode_ahead(self) -> bytes:
        counter, chunks = self.program_counter, self.locking.chunks
        if self.context == "UnlockingScript":
            if counter < len(self.unlocking.chunks):
                chunks = self.unlocking.chunks
            else:
                counter = 0  # the step that comes is the first of the locking script
        opcode: bytes = chunks[counter].op if counter < len(chunks) else b""
        return opcode


def _depth_after(opcode: bytes, depth: int) -> int:
    """How many conditionals are open after `opcode`."""
    if opcode in _IF:
        return depth + 1
    return max(0, depth - 1) if opcode == OpCode.OP_ENDIF else depth


def _pushed(raw: bytes, position: int) -> tuple[int, bytes | None]:
    """Where the opcode at `position` ends, and what it pushes. Raises ScriptError if the script ends before that."""
    opcode, start = raw[position], position + 1
    if not 0 < opcode <= OpCode.OP_PUSHDATA4[0]:
        return start, None
    size = opcode
    if width := _LENGTHS.get(opcode):
        size = int.from_bytes(raw[start : start + width], "little")
        start += width
    if start + size > len(raw):
        raise ScriptError("a script ends in the middle of a push")
    return start + size, raw[start : start + size]


def _number(operand: bytes) -> int:
    """A script number as a price: at least its value, and prohibitive where it is too long to be meant."""
    return int.from_bytes(operand, "little") if len(operand) <= _LONG_NUMBER else _BEYOND
