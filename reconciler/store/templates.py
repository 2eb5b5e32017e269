"""Templates of native payments, as they were given to buyers (D21).

They are kept for good: a transaction that was made from one may come at any time, and is never kept silently.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, ColumnElement, Index, Row, Table, Text, func, select

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Digest, IdentityKey
from reconciler.model.payment import Accept
from reconciler.store.columns import JSON_VALUE, Choice, Instant
from reconciler.store.database import Hex, metadata
from reconciler.store.terms import Portion, Terms
from reconciler.store.works import Connection

payment_templates = Table(
    "payment_templates",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("quote", Text, nullable=False, unique=True),
    Column("buyer", Hex, nullable=False),
    Column("good", Text, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("portions", JSON_VALUE, nullable=False),
    Column("accept", Choice(Accept), nullable=False),
    Column("terms", JSON_VALUE),
    Column("expires", Instant, nullable=False),
    Index(None, "buyer", "expires"),
)
"""`portions` are the outputs in order: their scripts follow from them and the id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTemplate:
    """What makes a template again (payments.templates), and what it sells. `expires` is in unix seconds."""

    id: Digest
    quote: str
    buyer: IdentityKey
    good: str
    price: Satoshis
    portions: tuple[Portion, ...]
    accept: Accept
    """What the network has to say of a payment before anything is served."""
    terms: Terms | None
    expires: int


class Templates:
    """The templates of one gateway."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, template: Digest) -> StoredTemplate | None:
        """The template of that id."""
        return await self._one(payment_templates.c.id == template)

    async def quoted(self, quote: str) -> StoredTemplate | None:
        """The template of a quote: there is one at most."""
        return await self._one(payment_templates.c.quote == quote)

    async def open(self, buyer: IdentityKey, now: int) -> int:
        """How many templates of this buyer can still be paid in time."""
        query = select(func.count()).select_from(payment_templates)
        mine = payment_templates.c.buyer == buyer, payment_templates.c.expires > now
        return int(await self._connection.scalar(query.where(*mine)))

    async def put(self, template: StoredTemplate) -> None:
        """Keep a new one."""
        row = {
            "id": template.id,
            "quote": template.quote,
            "buyer": template.buyer,
            "good": template.good,
            "price": template.price,
            "portions": [portion.to_json() for portion in template.portions],
            "accept": template.accept,
            "terms": None if template.terms is None else template.terms.to_json(),
            "expires": template.expires,
        }
        await self._connection.execute(payment_templates.insert(), [row])

    async def _one(self, condition: ColumnElement[bool]) -> StoredTemplate | None:
        row = (await self._connection.execute(select(payment_templates).where(condition))).one_or_none()
        return None if row is None else _template(row)


def _template(row: Row[tuple[object, ...]]) -> StoredTemplate:
    return StoredTemplate(
        id=Digest(row.id),
        quote=row.quote,
        buyer=IdentityKey(row.buyer),
        good=row.good,
        price=Satoshis(row.price),
        portions=tuple(Portion.of_json(each) for each in row.portions),
        accept=row.accept,
        terms=None if row.terms is None else Terms.of_json(row.terms),
        expires=row.expires,
    )
