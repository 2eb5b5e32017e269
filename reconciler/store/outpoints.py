"""Finding rows by outpoint, so that either database answers from its index.

To SQLite `(txid, vout) IN (VALUES …)` is a reason to read the whole table as soon as there are two values. So the transactions
are named as well: their rows come from the index, and of these the pairs are picked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, tuple_

from reconciler.model.ids import Outpoint, Txid


def among(txid: ColumnElement[str], vout: ColumnElement[int], outpoints: Sequence[Outpoint]) -> ColumnElement[bool]:
    """That two columns together are one of these outpoints."""
    txids, pairs = _parted(outpoints)
    return and_(txid.in_(txids), tuple_(txid, vout).in_(pairs))


def among_bound(txid: ColumnElement[str], vout: ColumnElement[int]) -> ColumnElement[bool]:
    """The same of a statement that is made once: with `bound` it is told which."""
    return and_(
        txid.in_(bindparam("txids", expanding=True)), tuple_(txid, vout).in_(bindparam("outpoints", expanding=True))
    )


def bound(outpoints: Iterable[Outpoint]) -> dict[str, Any]:
    """The parameters of `among_bound`."""
    txids, pairs = _parted(outpoints)
    return {"txids": txids, "outpoints": pairs}


def _parted(outpoints: Iterable[Outpoint]) -> tuple[list[Txid], list[tuple[Txid, int]]]:
    pairs = [(outpoint.txid, outpoint.vout) for outpoint in outpoints]
    return list(dict.fromkeys(txid for txid, _ in pairs)), pairs
