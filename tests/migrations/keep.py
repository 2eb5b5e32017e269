"""Keeps a database of the newest revision, with its world, for the tests of those revisions that will follow.

    python tests/migrations/keep.py

Run it before a release that has a new revision, once, and commit what it writes: NNNN.json, all rows of the producer's
database, and NNNN.tar.xz, the rest: manifests, data, and the toy world. What is kept is never made again: it is what users have.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import tarfile
import tempfile
import time
from contextlib import closing
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from reconciler.cli.main import main
from reconciler.store.schema import newest

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "http://localhost:3999"}
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: prices}
spec:
  serviceType: data-feed
  capability: price-feeds
  pricing: {model: per-minute, satoshis: 20}
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {name: standard}
spec: {http: {min: 1, max: 1000, window: 1h}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: free}
spec: {source: {path: data/a.csv}, title: Free, tags: [x]}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: sold}
spec: {source: {path: data/b.csv}, title: Sold, price: 50, paymentRule: standard}
"""

HASH = "ab" * 32
UNWRITTEN: dict[str, dict[str, Any]] = {
    "producer_advertisements": {
        "advertisement_id": "advertisement/prices",
        "name": "prices",
        "service_type": "data-feed",
        "capability": "price-feeds",
        "ship_advertisement_data": "{}",
        "pricing_model": "per-minute",
        "base_rate_satoshis": 20,
        "availability_sla": 100.0,
    },
    "producer_streams": {
        "stream_id": "stream/live",
        "name": "live",
        "title": "Live",
        "stream_format": "json",
        "update_frequency_ms": 1000,
        "price_per_minute_satoshis": 15,
        "total_streaming_hours": 12.25,
    },
    "producer_consumers": {"relationship_id": "1", "consumer_id": "someone"},
    "producer_revenue": {
        "revenue_id": "1",
        "payment_method": "brc-29",
        "amount_satoshis": 5_000_000_000,
        "brc22_transaction_id": bytes.fromhex(HASH),
    },
    "producer_analytics": {"event_id": "1", "event_type": "download", "event_data": '{"a":1.5}'},
    "host_ads": {
        "protocol": "SHIP",
        "identity": bytes.fromhex("02" + HASH),
        "url": "https://example.com",
        "name": "tm_uhrp",
    },
    "host_adverts": {"host": bytes.fromhex("02" + HASH), "sha256": bytes.fromhex(HASH), "expires": 2_000_000_000},
    "storage_files": {"sha256": bytes.fromhex(HASH), "size": 1, "media_type": "text/csv", "expires": 2_000_000_000},
    "storage_uploads": {"object_id": "1", "uploader": "someone", "sha256": bytes.fromhex(HASH)},
    "storage_adverts": {
        "sha256": bytes.fromhex(HASH),
        "txid": bytes.fromhex(HASH),
        "vout": 1,
        "expires": 2_000_000_000,
        "sent": 1,
    },
}
"""Rows of tables that no command writes here."""


def fill(database: sqlite3.Connection) -> None:
    (producer,) = database.execute("SELECT producer_id FROM producer_identities").fetchone()
    (output,) = database.execute("SELECT min(id) FROM host_outputs").fetchone()
    owners = {"producer": {"producer_id": producer}, "host": {"output_id": output}, "storage": {}}
    for table, given in UNWRITTEN.items():
        row = owners[table.partition("_")[0]] | given
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    database.commit()


def dump(database: sqlite3.Connection) -> dict[str, Any]:
    """All rows, in an order in which they can be inserted."""
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    names = [name for name in names if not name.startswith(("sqlite_", "alembic_"))]
    parents = {name: [key[2] for key in database.execute(f"PRAGMA foreign_key_list({name})")] for name in names}
    tables = {}
    for name in TopologicalSorter(parents).static_order():
        columns = {column[1]: column[2] for column in database.execute(f"PRAGMA table_info({name})")}
        rows = [
            [value.hex() if isinstance(value, bytes) else value for value in row]
            for row in database.execute(f"SELECT {', '.join(columns)} FROM {name} ORDER BY 1, 2")
        ]
        tables[name] = {"columns": columns, "rows": rows}
    return tables


def run(folder: Path, *arguments: str) -> None:
    code = main(["-C", str(folder), *arguments])
    if code:
        sys.exit(code)


def keep(scratch: Path) -> None:
    revision, folder, home = newest(), scratch / "producer", scratch / "home"
    (folder / "data").mkdir(parents=True)
    for name in "ab":
        (folder / "data" / f"{name}.csv").write_text(f"id,value\n1,{name}\n")
    os.environ["OVERLAY_HOME"] = str(home)
    os.environ["OVERLAY_IDENTITY_KEY"] = hashlib.sha256(f"kept at {revision}".encode()).hexdigest()
    for title in ("First", "Second"):
        (folder / "producer.yaml").write_text(MANIFEST.replace("TITLE", title))
        run(folder, "apply", "--yes", "--wait")
    run(folder, "wallet", "audit")
    target = Path(__file__).parent / revision
    with closing(sqlite3.connect(home / "embedded" / "state.db")) as database:
        fill(database)
        kept = {"revision": revision, "at": int(time.time()), "tables": dump(database)}
    target.with_suffix(".json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    world = home / "embedded" / "world"
    for path in world.rglob("*.db"):
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode=DELETE")
            database.execute("VACUUM")
    with tarfile.open(target.with_suffix(".tar.xz"), "w:xz") as archive:
        archive.add(folder, "producer", filter=anonymous)
        archive.add(world, "world", filter=anonymous)


def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        keep(Path(made))
