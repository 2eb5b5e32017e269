"""What ARC says about a transaction: statuses, replies and callbacks (WIRE §4.9; bitcoin-sv/arc, doc/README.md).

HTTP 200 can be a failure: what counts is the status inside, and what that means to a sender is its `standing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, Txid, digest, txid
from reconciler.model.json import Json, JsonObject


class Standing(StrEnum):
    """What a status means to whoever sent the transaction."""

    UNKNOWN = "unknown"
    """ARC cannot tell; ask again."""
    ACCEPTED = "accepted"
    """Taken, but the network has not shown it yet."""
    SEEN = "seen"
    """In the network's mempools."""
    MINED = "mined"
    """In a block of the longest chain; the reply should carry a proof."""
    STALE = "stale"
    """It was in a block that lost to a longer branch. Not final: ARC sends it again by itself."""
    CONTESTED = "contested"
    """A conflict, missing parents or a miner's no. Not final either, until a conflicting spend is mined (PROTOCOL §4)."""
    REFUSED = "refused"
    """ARC did not pass it on."""


class TxStatus(StrEnum):
    """Every status of ARC (metamorph_api.proto), and the two that only the TypeScript SDK knows."""

    UNKNOWN = "UNKNOWN"
    QUEUED = "QUEUED"
    RECEIVED = "RECEIVED"
    STORED = "STORED"
    ANNOUNCED_TO_NETWORK = "ANNOUNCED_TO_NETWORK"
    REQUESTED_BY_NETWORK = "REQUESTED_BY_NETWORK"
    SENT_TO_NETWORK = "SENT_TO_NETWORK"
    ACCEPTED_BY_NETWORK = "ACCEPTED_BY_NETWORK"
    SEEN_IN_ORPHAN_MEMPOOL = "SEEN_IN_ORPHAN_MEMPOOL"
    SEEN_ON_NETWORK = "SEEN_ON_NETWORK"
    DOUBLE_SPEND_ATTEMPTED = "DOUBLE_SPEND_ATTEMPTED"
    REJECTED = "REJECTED"
    MINED_IN_STALE_BLOCK = "MINED_IN_STALE_BLOCK"
    MINED = "MINED"
    INVALID = "INVALID"
    MALFORMED = "MALFORMED"


STANDINGS: Final = {
    TxStatus.UNKNOWN: Standing.UNKNOWN,
    TxStatus.QUEUED: Standing.ACCEPTED,
    TxStatus.RECEIVED: Standing.ACCEPTED,
    TxStatus.STORED: Standing.ACCEPTED,
    TxStatus.ANNOUNCED_TO_NETWORK: Standing.ACCEPTED,
    TxStatus.REQUESTED_BY_NETWORK: Standing.ACCEPTED,
    TxStatus.SENT_TO_NETWORK: Standing.ACCEPTED,
    TxStatus.ACCEPTED_BY_NETWORK: Standing.ACCEPTED,
    TxStatus.SEEN_IN_ORPHAN_MEMPOOL: Standing.CONTESTED,
    TxStatus.SEEN_ON_NETWORK: Standing.SEEN,
    TxStatus.DOUBLE_SPEND_ATTEMPTED: Standing.CONTESTED,
    TxStatus.REJECTED: Standing.CONTESTED,
    TxStatus.MINED_IN_STALE_BLOCK: Standing.STALE,
    TxStatus.MINED: Standing.MINED,
    TxStatus.INVALID: Standing.REFUSED,
    TxStatus.MALFORMED: Standing.REFUSED,
}


class ArcError(IntEnum):
    """ARC's own error codes, which are HTTP statuses as well (bitcoin-sv/arc, doc/errors.md)."""

    BAD_REQUEST = 400
    NOT_FOUND = 404
    GENERIC = 409
    TX_FORMAT = 460
    """Not in extended format, and the outputs it spends are not known."""
    UNLOCKING_SCRIPTS = 461
    INPUTS = 462
    MALFORMED = 463
    OUTPUTS = 464
    FEES = 465
    CONFLICT = 466
    BEEF_INVALID = 468
    MERKLE_ROOTS = 469
    FROZEN_POLICY = 471
    FROZEN_CONSENSUS = 472
    CUMULATIVE_FEES = 473
    TX_SIZE = 474
    ANCESTORS_NOT_IN_BUMP = 475


VERDICTS: Final = frozenset(
    {str(code.value) for code in ArcError if code.value >= ArcError.TX_FORMAT}
    | {status.value for status, standing in STANDINGS.items() if standing is Standing.REFUSED}
)
"""ARC's codes and statuses that judge the transaction itself; all others are about us, or about nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """Where ARC shall report changes of status: `X-CallbackUrl`, and the bearer token that it then shows."""

    url: str
    token: str = field(default="", repr=False)
    every: bool = True
    """Every change (`X-FullStatusUpdates`), or only the final ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TxReport:
    """One transaction as ARC sees it now. Block and proof are claims, to be checked against headers."""

    txid: Txid
    status: TxStatus
    merkle_path: bytes | None = None
    """A BUMP (BRC-74)."""
    block_hash: Digest | None = None
    block_height: int | None = None
    extra_info: str = ""
    competing: tuple[Txid, ...] = ()
    """Other transactions that spend one of the same outputs."""

    @property
    def standing(self) -> Standing:
        """What it means to the sender."""
        standing = STANDINGS[self.status]
        # Some ARC deployments report an orphan only in words; the TypeScript SDK reads them the same way (WIRE §4.9).
        if standing in {Standing.ACCEPTED, Standing.SEEN} and "ORPHAN" in self.extra_info.upper():
            return Standing.CONTESTED
        return standing

    def to_json(self, *, timestamp: str) -> JsonObject:
        """The body of a status reply or a callback; `timestamp` is RFC 3339 text."""
        return {
            "timestamp": timestamp,
            "txid": self.txid,
            "txStatus": self.status.value,
            "blockHash": self.block_hash or "",
            "blockHeight": self.block_height or 0,
            "merklePath": self.merkle_path.hex() if self.merkle_path else None,
            "extraInfo": self.extra_info,
            "competingTxs": list(self.competing) or None,
        }


def parse_report(value: Json) -> TxReport:
    """Read a reply of /v1/tx, or one callback. Raises VerificationError for anything it does not know for certain."""
    if not isinstance(value, Mapping):
        raise VerificationError("the report about a transaction is not an object")
    try:
        # Go writes an empty text or zero where it has no block; ts-stack's callbacks have a proof and no status.
        path = _text(value, "merklePath")
        height = value.get("blockHeight")
        block = _text(value, "blockHash")
        status = _text(value, "txStatus") or (TxStatus.MINED.value if path else "")
        return TxReport(
            txid=txid(_text(value, "txid")),
            status=TxStatus(status),
            merkle_path=bytes.fromhex(path) if path else None,
            block_hash=digest(block) if block else None,
            block_height=_height(height) if block or path else None,
            extra_info=_text(value, "extraInfo"),
            competing=_txids(value.get("competingTxs")),
        )
    except ValueError as error:
        raise VerificationError(f"the report about a transaction is malformed: {error}") from error


def _text(value: JsonObject, name: str) -> str:
    found = value.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise ValueError(f"{name} is not text")  # noqa: TRY004 - one kind of failure, translated by the caller
    return found


def _height(value: Json) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"not a block height: {value!r}")
    return value


def _txids(value: Json) -> tuple[Txid, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise ValueError("competingTxs is not a list")  # noqa: TRY004 - as above
    return tuple(txid(str(item)) for item in value)
