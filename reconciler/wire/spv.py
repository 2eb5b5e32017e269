"""Whether a transaction is valid, judging by its ancestry and the headers of the chain (PROTOCOL §1).

Not what the SDKs call SPV: there, outputs above inputs, one outpoint spent twice and non-final transactions pass. Here
each transaction is checked once, in topological order, with limits, and nothing that fails is passed over for something
weaker. What nobody can know from a BEEF is whether a coin was also spent elsewhere: that, the network says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from reconciler.model.amounts import MAX_SATOSHIS
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.wire.beef import MAX_BYTES, MAX_TRANSACTIONS, Beef, BeefTx
from reconciler.wire.merkle import MerklePath
from reconciler.wire.spend import Allowance, ScriptCostError, ScriptError, Spending
from reconciler.wire.transaction import FINAL, Transaction, TxOutput

LOCK_TIME_THRESHOLD: Final = 500_000_000
"""A lock time below it is a height, from there on it is Unix time in seconds."""

_NODE_BYTES: Final = 64  # the two hashes that make an inner node of a Merkle tree
_NO_OUTPOINT: Final = Outpoint(Txid("00" * 32), 0xFFFFFFFF)
_WORK_PER_BYTE: Final = 1 << 10  # several times what signatures in their usual scripts need


class SpvFault(StrEnum):
    """Why a transaction was not accepted."""

    SUBJECT_MISSING = "subject-missing"
    PARENT_MISSING = "parent-missing"
    PARENT_KNOWN_ONLY = "parent-known-only"
    OUTPUT_MISSING = "output-missing"
    BAD_PROOF = "bad-proof"
    UNKNOWN_BLOCK = "unknown-block"
    COINBASE = "coinbase"
    EMPTY = "empty"
    AMOUNT = "amount"
    INFLATED = "inflated"
    NOT_FINAL = "not-final"
    SPENT_TWICE = "spent-twice"
    SCRIPT = "script"
    LIMIT = "limit"


class SpvError(VerificationError):
    """A transaction is not proven, or not valid. `fault` says in which way."""

    def __init__(self, fault: SpvFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Limits:
    """How much ancestry is looked at before it is refused.

    `bytes` and `transactions` count what the subject needs, `depth` its longest chain of unproven transactions. `work` is
    what scripts may do beyond what their size pays for, in units of `spend.Allowance`: half a second, 64 MiB.
    """

    bytes: int = MAX_BYTES
    transactions: int = MAX_TRANSACTIONS
    depth: int = 1_000
    work: int = 1 << 26


@dataclass(frozen=True, slots=True)
class Verified:
    """A transaction that stands. `spent` are the outputs that its inputs spend, in their order.

    Of a proven transaction nothing before it is needed: where the BEEF lacks one of its parents, `spent` is empty.
    """

    transaction: Transaction
    spent: tuple[TxOutput, ...]
    proven: bool


class Verifier(Protocol):
    """Whoever tells by the chain's headers whether a transaction holds; `chain.headers.Headers` does."""

    async def verified(self, beef: Beef, subject: Txid, *, now: int) -> Verified:
        """The transaction, once scripts, amounts and proofs hold; `now` is in unix seconds.

        Raises VerificationError where they do not, UnreachableError where nobody can say.
        """
        ...


Roots = Mapping[int, Digest] | Callable[[int], Digest | None]
"""The Merkle root in the header of the block at a height; None or absent if the chain has no such block."""


def roots_of(beef: Beef) -> frozenset[tuple[int, Digest]]:
    """Height and Merkle root that each proof claims: what to ask the chain for before `verify`."""
    return frozenset((bump.height, bump.block_root) for bump in beef.bumps)


def asks_for_height(unproven: Iterable[Transaction]) -> bool:
    """Whether `verify` has to know the chain's tip: a lock time in blocks may hold one of these back."""
    return any(
        0 < transaction.lock_time < LOCK_TIME_THRESHOLD and any(spent.sequence != FINAL for spent in transaction.inputs)
        for transaction in unproven
    )


def verify(beef: Beef, subject: Txid, *, roots: Roots, height: int, now: int, limits: Limits | None = None) -> Verified:
    """Check `subject` and all of its ancestry that is not proven; nothing else in the BEEF is looked at.

    `height` is the chain's tip, where `asks_for_height`; `now` is what lock times are measured by, in Unix seconds: the median time of the last
    blocks where it is known, as nodes do. Raises SpvError.
    """
    (found,) = verify_all(beef, [subject], roots=roots, height=height, now=now, limits=limits)
    return found


def verify_all(
    beef: Beef,
    subjects: Iterable[Txid],
    *,
    roots: Roots,
    height: int,
    now: int,
    limits: Limits | None = None,
) -> tuple[Verified, ...]:
    """The same for several subjects of one BEEF, each as if it were alone; scripts and proofs that they share are checked once.

    Raises SpvError for the first that does not hold.
    """
    shared = _Shared(beef, {txid: place for place, txid in enumerate(beef.transactions)})
    return tuple(_Verification(shared, roots, height, now, limits or Limits()).run(subject) for subject in subjects)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the verifications of several subjects have in common."""

    beef: Beef
    places: Mapping[Txid, int]
    """Where transactions stand in it: parents first."""
    valid: set[Txid] = field(default_factory=set)
    """Those that are proven, or whose amounts and scripts hold, given their parents."""


@dataclass(slots=True)
class _Verification:
    shared: _Shared
    roots: Roots
    height: int
    now: int
    limits: Limits
    depths: dict[Txid, int] = field(default_factory=dict)
    spenders: dict[Outpoint, Txid] = field(default_factory=dict)
    beef: Beef = field(init=False)
    allowance: Allowance = field(init=False)

    def __post_init__(self) -> None:
        self.beef = self.shared.beef
        self.allowance = Allowance(self.limits.work, self.limits.work)

    def run(self, subject: Txid) -> Verified:
        if subject not in self.beef.transactions:
            raise SpvError(SpvFault.SUBJECT_MISSING, f"the BEEF lacks the transaction {subject}")
        for txid in sorted(self._needed(subject), key=self.shared.places.__getitem__):
            self._check(txid, self.beef.transactions[txid])
        entry = self.beef.transactions[subject]
        return Verified(entry.transaction, self._spent(entry.transaction), entry.bump is not None)

    def _needed(self, subject: Txid) -> set[Txid]:
        """The subject and its ancestors back to the first proven ones, within the limits."""
        needed = {subject}
        waiting = [subject]
        size = 0
        while waiting:
            txid = waiting.pop()
            entry = self.beef.transactions[txid]
            size += len(entry.transaction.raw)
            if size > self.limits.bytes or len(needed) > self.limits.transactions:
                raise SpvError(SpvFault.LIMIT, f"{subject} has more unproven ancestry than is looked at")
            if entry.bump is None:
                parents = set(entry.parents) - needed
                self._check_presence(txid, parents)
                needed |= parents
                waiting += parents
        return needed

    def _check_presence(self, txid: Txid, parents: Iterable[Txid]) -> None:
        for parent in parents:
            if parent in self.beef.transactions:
                continue
            if parent == _NO_OUTPOINT.txid:
                raise SpvError(SpvFault.COINBASE, f"{txid} makes new coins, and is not proven to be in a block")
            if parent in self.beef.known:
                raise SpvError(SpvFault.PARENT_KNOWN_ONLY, f"{txid} spends {parent}, which is given by its txid only")
            raise SpvError(SpvFault.PARENT_MISSING, f"{txid} is not proven, and {parent}, which it spends, is missing")

    def _check(self, txid: Txid, entry: BeefTx) -> None:
        is_new = txid not in self.shared.valid
        if entry.bump is None:
            self._check_depth(txid, entry)
        elif is_new:
            self._check_proof(txid, entry.transaction, self.beef.bumps[entry.bump])
        self._check_spenders(txid, entry.transaction)
        if entry.bump is None and is_new:
            self._check_rules(txid, entry.transaction)
        self.shared.valid.add(txid)

    def _check_proof(self, txid: Txid, transaction: Transaction, bump: MerklePath) -> None:
        """A proof must hold; where it does not, the ancestry is no second chance."""
        if len(transaction.raw) == _NODE_BYTES:
            # two hashes of a real tree, dressed up as a transaction, would be proven by the rest of its path
            raise SpvError(SpvFault.BAD_PROOF, f"{txid} has the {_NODE_BYTES} bytes of a Merkle tree's inner node")
        root = self.roots(bump.height) if callable(self.roots) else self.roots.get(bump.height)
        if root is None:
            raise SpvError(SpvFault.UNKNOWN_BLOCK, f"{txid} is said to be in block {bump.height}, which is not known")
        if bump.root(txid) != root:
            raise SpvError(
                SpvFault.BAD_PROOF, f"the proof of {txid} does not lead to the header of block {bump.height}"
            )

    def _check_depth(self, txid: Txid, entry: BeefTx) -> None:
        depth = 1 + max((self.depths.get(parent, 0) for parent in entry.parents), default=0)
        if depth > self.limits.depth:
            raise SpvError(SpvFault.LIMIT, f"{txid} has more than {self.limits.depth} generations of unproven ancestry")
        self.depths[txid] = depth

    def _check_spenders(self, txid: Txid, transaction: Transaction) -> None:
        for spent in transaction.inputs:
            if spent.outpoint == _NO_OUTPOINT:
                continue
            if spent.outpoint in self.spenders:
                spender = self.spenders[spent.outpoint]
                raise SpvError(SpvFault.SPENT_TWICE, f"{spent.outpoint} is spent twice, by {spender} and {txid}")
            self.spenders[spent.outpoint] = txid

    def _check_rules(self, txid: Txid, transaction: Transaction) -> None:
        if not transaction.inputs or not transaction.outputs:
            raise SpvError(SpvFault.EMPTY, f"{txid} has no inputs or no outputs")
        self._check_final(txid, transaction)
        spent = tuple(self._output(txid, spending.outpoint) for spending in transaction.inputs)
        paid = _total(txid, transaction.outputs)
        if paid > _total(txid, spent):
            raise SpvError(SpvFault.INFLATED, f"{txid} pays more than it spends")
        self._run_scripts(txid, transaction, spent)

    def _check_final(self, txid: Txid, transaction: Transaction) -> None:
        """Whether the next block could take it."""
        if all(spent.sequence == FINAL for spent in transaction.inputs):
            return
        lock_time = transaction.lock_time
        passed = lock_time <= self.height if lock_time < LOCK_TIME_THRESHOLD else lock_time < self.now
        if not passed:
            raise SpvError(SpvFault.NOT_FINAL, f"{txid} is locked until {lock_time}")

    def _output(self, txid: Txid, outpoint: Outpoint) -> TxOutput:
        outputs = self.beef.transactions[outpoint.txid].transaction.outputs
        if outpoint.vout >= len(outputs):
            raise SpvError(SpvFault.OUTPUT_MISSING, f"{txid} spends {outpoint}, which does not exist")
        return outputs[outpoint.vout]

    def _run_scripts(self, txid: Txid, transaction: Transaction, spent: tuple[TxOutput, ...]) -> None:
        size = len(transaction.raw) + sum(len(output.locking) for output in spent)
        self.allowance.steps += _WORK_PER_BYTE * size
        spending = Spending(transaction)
        for index, output in enumerate(spent):
            if _is_script_hash(output.locking):
                # spent before Genesis by rules that no longer run: anyone who knows the script would pass here
                raise SpvError(SpvFault.SCRIPT, f"input {index} of {txid} spends a pay-to-script-hash output")
            try:
                spending.check(index, output, self.allowance)
            except ScriptCostError as error:
                raise SpvError(SpvFault.LIMIT, f"input {index} of {txid}: {error.message}") from error
            except ScriptError as error:
                raise SpvError(SpvFault.SCRIPT, f"input {index} of {txid}: {error.message}") from error

    def _spent(self, transaction: Transaction) -> tuple[TxOutput, ...]:
        """What the subject spends; nothing unless all of it is there."""
        spent = []
        for spending in transaction.inputs:
            parent = self.beef.transactions.get(spending.outpoint.txid)
            if parent is None or spending.outpoint.vout >= len(parent.transaction.outputs):
                return ()
            spent.append(parent.transaction.outputs[spending.outpoint.vout])
        return tuple(spent)


def _total(txid: Txid, outputs: Iterable[TxOutput]) -> int:
    """The sum of amounts, each and all of which can exist."""
    total = 0
    for output in outputs:
        total += output.satoshis
        if not 0 <= output.satoshis <= MAX_SATOSHIS or total > MAX_SATOSHIS:
            raise SpvError(SpvFault.AMOUNT, f"{txid} moves more coins than there are")
    return total


def _is_script_hash(locking: bytes) -> bool:
    return len(locking) == 23 and locking[:2] == b"\xa9\x14" and locking[-1:] == b"\x87"
