"""A bundle of payments as bytes, for the day when the gateway's database is lost (PROTOCOL §5). Pure.

It holds what was brought and what was sold for it: whoever books these payments again has coins, receipts and sales again, as
far as the network confirms them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from reconciler.model.amounts import satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import identity_key
from reconciler.model.payment import Accept, PaymentMethod, PaymentState
from reconciler.store.payments import Payment
from reconciler.store.terms import Terms
from reconciler.wire.beef import parse_beef
from reconciler.wire.canonical import Cbor, canonical_cbor, parse_cbor
from reconciler.wire.tender import Tender

VERSION: Final = 1


def packed(payments: Sequence[Payment]) -> bytes:
    """Payments as bytes, which name their buyers: to be sealed."""
    return canonical_cbor({"version": VERSION, "payments": [_packed(payment) for payment in payments]})


def unpacked(data: bytes, *, now: int) -> tuple[Payment, ...]:
    """What `packed` wrote, as payments that nobody has heard of since. Raises VerificationError for anything else."""
    try:
        match parse_cbor(data, "the bundle"):
            case {"version": version, "payments": [*entries]} if version == VERSION:
                return tuple(_payment(entry, now) for entry in entries)
    except (KeyError, TypeError, ValueError) as error:
        raise VerificationError(f"the bundle is damaged: {error!r}") from error
    raise VerificationError("the bundle is of a version that is not known here")


def _packed(payment: Payment) -> Cbor:
    tender, terms = payment.tender, payment.terms
    return {
        "method": tender.method.value,
        "buyer": tender.buyer,
        "prefix": tender.prefix,
        "suffix": tender.suffix,
        "vout": tender.vout,
        "beef": tender.beef.to_atomic(tender.subject),
        "good": payment.good,
        "price": payment.price,
        "satoshis": payment.satoshis,
        "accept": payment.accept.value,
        "terms": None if terms is None else json.dumps(terms.to_json()),
        "returned": payment.reason if payment.state is PaymentState.RETURNED else None,
    }


def _payment(value: object, now: int) -> Payment:
    match value:
        case {
            "method": str(method),
            "buyer": str(buyer),
            "prefix": str(prefix),
            "suffix": str(suffix),
            "vout": int() | None as vout,
            "beef": bytes(beef),
            "good": str(good),
            "price": int(price),
            "satoshis": int(paid),
            "accept": str(accept),
            "terms": str() | None as terms,
            "returned": str() | None as returned,
        }:
            whole, subject = parse_beef(beef)
            tender = Tender(
                method=PaymentMethod(method),
                buyer=identity_key(buyer),
                prefix=prefix,
                suffix=suffix,
                beef=whole,
                subject=whole.subject_or_last(subject),
                vout=vout,
            )
            return Payment(
                tender=tender,
                good=good,
                price=satoshis(price),
                satoshis=satoshis(paid),
                accept=Accept(accept),
                terms=None if terms is None else Terms.of_json(json.loads(terms)),
                state=PaymentState.PENDING if returned is None else PaymentState.RETURNED,
                reason=returned or "",
                booked=now,
                doubted=now,
            )
        case _:
            raise ValueError("an entry is no payment")
