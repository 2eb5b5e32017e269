"""What was sold over HTTP, as `wallet audit` finds it: by the books, by the coins and by the chain."""

from __future__ import annotations

from reconciler.cli.views.wallet import audit_json, audit_text
from reconciler.control.takings import Sum
from reconciler.model.amounts import Satoshis
from reconciler.model.keys import FUNDING_KEY
from reconciler.store.payments import Payments
from reconciler.wallet.signing import signed
from reconciler.wire.payment import Charge
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import TxOutput
from tests.storefront import FEE, ORIGIN

DATA = "id,value\n1,worth its money\n"
ACCESS = "/v1/datasets/one/access"


async def test_what_was_sold_adds_up_before_and_after_it_is_mined(producer, stand, now):
    before = (await producer.audit()).takings
    assert (before.revenue, before.unsettled, before.differences) == (Sum(), Sum(), ())
    for name in ("one", "other"):
        await stand.buyer(name).buy(ACCESS)
    audited = await producer.audit()
    assert (audited.differences, audited.takings.revenue) == ((), Sum(2, 5000))
    assert audited.takings.unsettled == Sum(2, 5000)
    gateway = audit_json(audited)["gateway"]
    assert gateway["revenue"] == gateway["unsettled"] == {"count": 2, "satoshis": 5000}
    shown = [line.split() for line in audit_text(audited).splitlines()]
    assert ["revenue", "5,000", "sat"] in shown
    assert ["unsettled", "5,000", "sat"] in shown

    await stand.site.toy.ledger.mine()
    now.more += 120
    await stand.till.settle()
    async with stand.site.database.reading() as connection:
        assert all(payment.height for payment in await Payments(connection).earned())
    assert (await producer.audit()).differences == ()


async def test_what_is_double_spent_after_delivery_is_told_is_no_revenue_and_its_payer_is_sold_nothing(
    producer, stand, now
):
    buyer, other = stand.buyer(), stand.buyer("other")
    await other.buy(ACCESS)
    asked = (await buyer.post(ACCESS)).headers
    coin = await buyer.coin(2500 + FEE)
    payment = await buyer.pay(Charge.parse(asked, stand.keys.identity), coin)
    given = (await buyer.post(ACCESS, payment=payment)).json()
    back = TxOutput(Satoshis(2000), p2pkh(buyer.keys.public(FUNDING_KEY)))
    await stand.site.toy.ledger.replace(payment.subject, signed([coin[0]], [back], buyer.keys))
    assert any(payment.subject in each for each in (await producer.audit()).differences)  # the books do not know yet

    now.more += 120
    await stand.till.settle()
    audited = await producer.audit()
    assert audited.differences == ()
    assert (audited.takings.revenue, audited.takings.unbooked) == (Sum(1, 2500), Sum(1, 2500))
    assert ["unbooked", "2,500", "sat"] in [line.split() for line in audit_text(audited).splitlines()]
    content = await stand.site.http.request("GET", given["urls"][0])
    assert content.status == 403
    for path, body in ((ACCESS, {}), ("/v1/quotes", {"kind": "dataset", "name": "one"})):
        refused = await buyer.post(path, body)
        assert (refused.status, refused.json()["code"]) == (403, "ERR_CONSUMER_BLOCKED")
    found = await buyer.signing.request("GET", f"{ORIGIN}/v1/receipts?txid={payment.subject}")
    assert [each["state"] for each in found.json()["receipts"]] == ["revoked"]
    assert (await other.buy(ACCESS))["receipt"]["buyer"] == other.identity
