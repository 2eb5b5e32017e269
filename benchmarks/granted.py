"""A grant for what was applied, as a purchase leaves it: a payment that was accepted, its receipt, and leave to download."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from benchmarks.shop import DATASET, GATEWAY, PRODUCER
from reconciler.gateway.grants import Grant
from reconciler.model.amounts import Satoshis
from reconciler.model.goods import Good
from reconciler.model.ids import Digest, Kind, Outpoint, RecordId, Txid
from reconciler.model.keys import GRANT_KEY
from reconciler.model.payment import PaymentMethod, PaymentState
from reconciler.payments.sale import follow
from reconciler.store.database import Database
from reconciler.store.payments import Payment, Payments
from reconciler.store.published import Published
from reconciler.store.terms import Terms
from reconciler.wallet.keys import Keys
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.receipt import receipt_id
from reconciler.wire.script import p2pkh
from reconciler.wire.tender import Tender
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

_RECORD: Final = RecordId(Kind.DATASET, DATASET)
_WITHOUT_END: Final = 1 << 52
_DAY: Final = 86_400


async def granted(url: str, buyer: Keys) -> str:
    """The path and query by which `buyer` downloads from the gateway of this database, as often as he likes."""
    now = int(time.time())
    database = Database.open(url)
    try:
        async with database.begin() as connection:
            root = await Published(connection).root()
            records = await Published(connection).records()
            assert root is not None
            payment = _payment(buyer, _terms(root.network_id, records[_RECORD].document_hash), now)
            accepted = replace(payment, state=PaymentState.ACCEPTED)
            await Payments(connection).book(accepted)
            await follow(connection, payment, accepted, seller=GATEWAY, now=now)
    finally:
        await database.close()
    grant = Grant(receipt_id(payment.txid, buyer.identity, Good(_RECORD)), _RECORD, now + _DAY)
    return f"/v1/datasets/{DATASET}/content?grant={grant.text(lambda data: GATEWAY.mac(GRANT_KEY, data))}"


def _terms(network: Digest, document: Digest) -> Terms:
    return Terms(
        network=network,
        producer=PRODUCER.identity,
        good=Good(_RECORD),
        document=document,
        downloads=_WITHOUT_END,
        bytes=_WITHOUT_END,
        seconds=_DAY,
        tier="none",
    )


def _payment(buyer: Keys, terms: Terms, now: int) -> Payment:
    """No chain has seen it, and nobody looks there."""
    output = TxOutput(Satoshis(1), p2pkh(GATEWAY.identity))
    transaction = Transaction((TxInput(Outpoint(Txid(terms.document), 0), b"\x51"),), (output,))
    tender = Tender(
        method=PaymentMethod.BRC105,
        buyer=buyer.identity,
        prefix="cHJlZml4",
        suffix="c3VmZml4",
        beef=Beef.of((), [BeefTx(transaction)]),
        subject=transaction.txid,
        vout=0,
    )
    return Payment(tender=tender, good=str(_RECORD), price=Satoshis(1), satoshis=Satoshis(1), booked=now, terms=terms)
