"""Callbacks of the embedded chain: who wants to know of a transaction, and what is still to be told.

Both are rows beside the chain, written in the transaction that changes a status, so that no news is lost with a process.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from reconciler.model.ids import Txid
from reconciler.wire.arc import Callback, TxReport, TxStatus

LEASE: Final = 60.0
"""Seconds that whoever takes a delivery has for it, before another process may try."""

_ATTEMPTS: Final = 10  # as many as ARC's callbacker makes by default
_PAUSE: Final = 0.5
_FINAL: Final = frozenset({TxStatus.MINED, TxStatus.REJECTED, TxStatus.MINED_IN_STALE_BLOCK})


@dataclass(frozen=True, slots=True)
class Delivery:
    """One callback to make."""

    id: int
    url: str
    token: str
    body: bytes
    """JSON."""


class Notices:
    """Subscriptions and deliveries, in the transaction of `connection`."""

    def __init__(self, connection: sqlite3.Connection, now: float) -> None:
        self._connection = connection
        self._now = now

    def subscribe(self, txid: Txid, callback: Callback) -> bool:
        """Note who wants to know; False if that was known."""
        row = (bytes.fromhex(txid), callback.url, callback.token, callback.every)
        cursor = self._connection.execute("INSERT OR IGNORE INTO subscription VALUES (?, ?, ?, ?)", row)
        return cursor.rowcount == 1

    def wanted(self, txid: Txid) -> bool:
        """Whether anybody wants to know of a transaction."""
        query = "SELECT 1 FROM subscription WHERE txid = ?"
        return self._connection.execute(query, (bytes.fromhex(txid),)).fetchone() is not None

    def announce(self, report: TxReport, *, only: Callback | None = None) -> None:
        """Queue a report for everybody who subscribed to this kind of news, or for one of them."""
        key = bytes.fromhex(report.txid)
        query = "SELECT url, token, every FROM subscription WHERE txid = ?"
        timestamp = datetime.fromtimestamp(self._now, UTC).isoformat().replace("+00:00", "Z")
        body = json.dumps(report.to_json(timestamp=timestamp)).encode()
        for url, token, every in self._connection.execute(query, (key,)).fetchall():
            if only and (url, token) != (only.url, only.token):
                continue
            if every or report.status in _FINAL:
                self._connection.execute(
                    "INSERT INTO delivery (txid, url, token, body, due) VALUES (?, ?, ?, ?, ?)",
                    (key, url, token, body, self._now),
                )

    def claim(self, limit: int) -> tuple[Delivery, ...]:
        """Take due deliveries for LEASE seconds. Of one transaction and receiver only the oldest, to keep them in order."""
        rows = self._connection.execute(
            """
            SELECT id, url, token, body FROM delivery AS one
            WHERE due <= ? AND NOT EXISTS (
                SELECT 1 FROM delivery AS earlier
                WHERE earlier.txid = one.txid AND earlier.url = one.url AND earlier.id < one.id)
            ORDER BY id LIMIT ?
            """,
            (self._now, limit),
        ).fetchall()
        self._connection.executemany(
            "UPDATE delivery SET due = ? WHERE id = ?", [(self._now + LEASE, row[0]) for row in rows]
        )
        return tuple(Delivery(*row) for row in rows)

    def delivered(self, delivery: int) -> None:
        """It arrived."""
        self._connection.execute("DELETE FROM delivery WHERE id = ?", (delivery,))

    def failed(self, delivery: int) -> None:
        """It did not; try later, each time twice as late, and at last give up."""
        row = self._connection.execute("SELECT attempts FROM delivery WHERE id = ?", (delivery,)).fetchone()
        if row is None:
            return
        attempts = row[0] + 1
        if attempts >= _ATTEMPTS:
            self.delivered(delivery)
            return
        due = self._now + _PAUSE * 2**attempts
        self._connection.execute("UPDATE delivery SET due = ?, attempts = ? WHERE id = ?", (due, attempts, delivery))
