"""The file that an embedded chain lives in: schema, birth, and one transaction at a time.

SQLite in WAL mode, because it lets several processes share one world and survives any of them being killed. A world is built
complete in a file of its own and then linked into place, so nobody ever opens half a world and of two that are born at once
one wins.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from reconciler.model.errors import StateError, UnreachableError

BUSY_SECONDS: Final = 30.0

_VERSION: Final = 1
"""Of the schema, kept as SQLite's user_version. Embedded worlds are not migrated: another version asks for a new world."""

_SCHEMA: Final = """
CREATE TABLE block (
    hash BLOB PRIMARY KEY,
    height INTEGER NOT NULL,
    header BLOB NOT NULL,
    active INTEGER NOT NULL          -- 0: lost to a longer branch
) WITHOUT ROWID;
CREATE UNIQUE INDEX block_at ON block (height) WHERE active;

CREATE TABLE tx (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT,  -- in pool and chain: parents before children
    txid BLOB NOT NULL UNIQUE,
    raw BLOB NOT NULL,
    place TEXT NOT NULL CHECK (place IN ('pool', 'chain', 'orphan', 'lost')),
    status TEXT NOT NULL,
    extra TEXT NOT NULL,
    fee INTEGER NOT NULL,
    received REAL NOT NULL,
    height INTEGER,
    position INTEGER
);
CREATE INDEX tx_pool ON tx (place) WHERE place = 'pool';
CREATE INDEX tx_contested ON tx (status) WHERE status = 'DOUBLE_SPEND_ATTEMPTED';
CREATE UNIQUE INDEX tx_in_block ON tx (height, position) WHERE place = 'chain';

CREATE TABLE output (                -- of transactions in the pool and on the chain only
    txid BLOB NOT NULL,
    vout INTEGER NOT NULL,
    satoshis INTEGER NOT NULL,
    locking BLOB NOT NULL,
    locking_hash BLOB NOT NULL,
    spender BLOB,
    PRIMARY KEY (txid, vout)
) WITHOUT ROWID;
CREATE INDEX output_unspent ON output (locking_hash) WHERE spender IS NULL;

CREATE TABLE missing (               -- what an orphan waits for
    parent BLOB NOT NULL,
    orphan BLOB NOT NULL,
    PRIMARY KEY (parent, orphan)
) WITHOUT ROWID;

CREATE TABLE rival (                 -- spends an output that the other spends, too; both directions
    txid BLOB NOT NULL,
    other BLOB NOT NULL,
    PRIMARY KEY (txid, other)
) WITHOUT ROWID;

CREATE TABLE subscription (
    txid BLOB NOT NULL,
    url TEXT NOT NULL,
    token TEXT NOT NULL,
    every INTEGER NOT NULL,          -- 1: every change of status, not only the final ones
    PRIMARY KEY (txid, url, token)
) WITHOUT ROWID;

CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    txid BLOB NOT NULL,
    url TEXT NOT NULL,
    token TEXT NOT NULL,
    body BLOB NOT NULL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX delivery_due ON delivery (due);
CREATE INDEX delivery_order ON delivery (txid, url, id);
"""


def open_world(path: Path, name: str, fill: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    """Connect to the world in `path`, which is made first if need be: `fill` writes its first blocks.

    `name` tells the half-made file apart from that of another process. Raises StateError.
    """
    if not path.exists():
        _make(path, path.with_name(f".{path.name}.{name}"), fill)
    connection = _connect(path)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != _VERSION:
        connection.close()
        raise StateError(
            f"the world in {path.name} has format {version}, not {_VERSION}", hint="remove it to start a new world"
        )
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction, writing from the start, so that none has to be tried again.

    Raises UnreachableError where another process holds the file for BUSY_SECONDS, StateError where the file is damaged.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if connection.in_transaction:  # SQLite ends it by itself where the disk is full
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise UnreachableError(f"the embedded chain is busy: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StateError(f"the embedded chain is damaged: {error}") from error


def _make(path: Path, draft: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(_connect(draft)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
            with transaction(connection):
                fill(connection)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        with suppress(FileExistsError):  # another process was quicker, and its world is as good
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        # Calls come from asyncio's worker threads, one at a time (ledger.py holds a lock).
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StateError(f"the world in {path.name} cannot be opened: {error}") from error
    try:
        connection.execute("PRAGMA synchronous = NORMAL")  # survives a kill; a toy world need not survive a power cut
    except sqlite3.Error as error:
        connection.close()
        raise StateError(f"the world in {path.name} cannot be opened: {error}") from error
    return connection
