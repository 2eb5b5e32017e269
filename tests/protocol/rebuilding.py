"""All examples by their names, and what our code makes of what is given."""

from __future__ import annotations

from tests.protocol import records, sales, transactions

REBUILT = {**records.REBUILT, **transactions.REBUILT, **sales.REBUILT}
