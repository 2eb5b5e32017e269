"""An index for look-up services that bring no tables of their own: outputs by names and values that the service gives them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import Column, ColumnElement, ForeignKey, Index, String, Table, delete, exists, select

from reconciler.model.ids import Outpoint
from reconciler.store.batches import batches
from reconciler.store.columns import ForeignName, ForeignText
from reconciler.store.database import metadata
from reconciler.store.host_tables import host_outputs, not_shown, spent
from reconciler.store.inserts import insert_new
from reconciler.store.listings import Page
from reconciler.store.works import Connection

LONGEST: Final = 256
"""Characters of a value."""

MOST: Final = 256
"""Labels of one output."""

_LISTED: Final = ("", "")
"""The label that every output of a service has."""

host_labels = Table(
    "host_labels",
    metadata,
    Column("output_id", ForeignKey("host_outputs.id", ondelete="CASCADE"), primary_key=True),
    Column("service", String(50), primary_key=True),
    Column("label", ForeignName(50), primary_key=True),
    Column("value", ForeignText, primary_key=True),
    Index(None, "service", "label", "value", "output_id"),
)

Label = tuple[str, str]
"""A name of up to 50 characters, and a value."""


class Labels:
    """The outputs of one look-up service."""

    def __init__(self, connection: Connection, service: str) -> None:
        self._connection = connection
        self._service = service

    async def put(self, outputs: Mapping[int, Collection[Label]]) -> None:
        """List outputs, by their ids, with these labels and no others.

        A value that is longer than `LONGEST` is left out, for nobody can ask for it; so is what is beyond `MOST` labels.
        """
        for some in batches(outputs):
            await self._connection.execute(
                delete(host_labels).where(host_labels.c.service == self._service, host_labels.c.output_id.in_(some))
            )
        rows = [
            {"output_id": output, "service": self._service, "label": label, "value": value}
            for output, labels in outputs.items()
            for label, value in {_LISTED, *_bounded(labels)}
        ]
        await insert_new(self._connection, host_labels, rows)

    async def find(self, wanted: Mapping[str, str], page: Page, *, history: bool = False) -> tuple[Outpoint, ...]:
        """One page of the outputs that have all these labels, newest first; without `history` those that are not spent."""
        conditions = [self._has(label, value) for label, value in (_LISTED, *wanted.items())]
        if not history:
            conditions.append(~spent())
        query = (
            select(host_outputs.c.txid, host_outputs.c.vout)
            .where(~not_shown(), *conditions)
            .order_by(host_outputs.c.id.desc())
            .limit(page.limit)
            .offset(page.skip)
        )
        return tuple(Outpoint(row.txid, row.vout) for row in await self._connection.execute(query))

    def _has(self, label: str, value: str) -> ColumnElement[bool]:
        mine = (host_labels.c.service == self._service) & (host_labels.c.output_id == host_outputs.c.id)
        return exists().where(mine, host_labels.c.label == label, host_labels.c.value == value)


def _bounded(labels: Collection[Label]) -> list[Label]:
    return [(label, value) for label, value in labels if len(value) <= LONGEST][:MOST]
