"""Receipts of ours, checked by the reference SDK with the lines of docs/content-format.md, by nobody in particular."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model.goods import Good, TierId
from reconciler.payments.sale import receipt_for
from tests.e2e.market import blocks
from tests.paying import keys_of
from tests.selling import BTC, SELLER, payment, terms


def test_the_reference_sdk_takes_our_receipts_for_what_they_are(run_peer):
    goods = (BTC, Good(BTC.sold, 5), Good(TierId("gold")))
    sold = [payment(good=good) for good in goods]
    made = [receipt_for(each, each.terms, seller=SELLER, now=1_800_000_000) for each in sold]
    forged = [
        replace(made[0], satoshis=1),
        replace(made[0], buyer=keys_of("thief").identity),
        made[0].signed(keys_of("thief")),
        replace(made[1], allowance=terms(downloads=1000).allowance(0)),
    ]
    (program,) = blocks("content-format.md", "js")
    receipts = [each.to_json() for each in (*made, *forged)]
    told = run_peer("receipt.mjs", {"program": program, "receipts": receipts})
    assert told == [*[True] * 3, *["Signature is not valid"] * 4]
