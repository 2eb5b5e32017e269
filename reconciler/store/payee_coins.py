"""What payees have got of native payments, as they are told it: each is theirs alone, we never had it (D21)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, or_, select

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import IdentityKey
from reconciler.model.payment import HOLDING
from reconciler.store.payments import Payment, Payments, payee_outputs, payments
from reconciler.store.payouts import Place, Sum
from reconciler.store.works import Connection
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.merkle import MerklePath, parse_path


@dataclass(frozen=True, slots=True)
class PayeeCoin:
    """One output for a payee, of a payment that is proven."""

    payment: Payment
    vout: int
    satoshis: Satoshis
    proof: MerklePath

    def shown(self) -> Beef:
        """The payment with its proof."""
        return Beef.of([self.proof], [BeefTx(self.payment.transaction, 0)])


class PayeeCoins:
    """The coins of one payee."""

    def __init__(self, connection: Connection, payee: IdentityKey) -> None:
        self._connection = connection
        self._payee = payee

    async def proven(self, since: Place, limit: int) -> tuple[PayeeCoin, ...]:
        """What a block proves, by height and txid, from a place on."""
        height = payments.c.height
        after = height >= since.height
        if since.txid is not None:
            after = or_(height > since.height, (height == since.height) & (payments.c.txid > since.txid))
        query = self._mine().where(after).order_by(height, payments.c.txid).limit(limit)
        return tuple([await self._coin(row) for row in (await self._connection.execute(query)).all()])

    async def waiting(self) -> Sum:
        """What no block proves yet."""
        mine = self._mine().where(payments.c.height.is_(None)).subquery()
        query = select(func.count(), func.coalesce(func.sum(mine.c.satoshis), 0)).select_from(mine)
        count, amount = (await self._connection.execute(query)).one()
        return Sum(int(count), Satoshis(int(amount)))

    def _mine(self) -> Select[Any]:
        columns = payee_outputs.c
        query = select(columns.payment, columns.vout, columns.satoshis, payments.c.proof)
        query = query.join(payments, payments.c.txid == columns.payment)
        return query.where(columns.payee == self._payee, payments.c.state.in_(sorted(HOLDING)))

    async def _coin(self, row: Row[Any]) -> PayeeCoin:
        payment = await Payments(self._connection).get(row.payment)
        return PayeeCoin(payment, row.vout, Satoshis(row.satoshis), parse_path(row.proof))
