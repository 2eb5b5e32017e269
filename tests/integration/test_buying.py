"""A buyer pays once for what he was quoted, and has it, whole and verified, from whoever keeps it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from reconciler.cli.wiring import clock
from reconciler.clients.gateway import GatewayClient
from reconciler.consumer.cashier import Cashier, RefundPendingError
from reconciler.consumer.download import Blame
from reconciler.consumer.ports import Payment
from reconciler.consumer.wallet import make_payment
from reconciler.control.audit import audit
from reconciler.gateway.access import Access
from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.errors import GuardError, LockedError, RefusedError, UnreachableError, VerificationError
from reconciler.model.goods import Good
from reconciler.model.ids import Digest
from reconciler.model.keys import KeyRef, delivery_key, payment_key
from reconciler.model.order import OrderEvent, OrderState
from reconciler.model.payment import PaymentMethod
from reconciler.store.payments import Payments
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.merkle import Leaf, MerklePath
from reconciler.wire.receipt import Receipt
from reconciler.wire.script import address, p2pkh
from reconciler.wire.selling import Outcome, Refund
from reconciler.wire.transaction import TxOutput
from tests.buying import CLUB, FREE, NATIVE, OPEN, PRICE, SECRET, SOLD, URL, open_market, shop, stock

FREE_HASH = Digest("11" * 32)
OTHER = KeyRef("data gateway key", "2", "self")


@pytest.fixture
async def market(stocked):
    async with open_market(stocked, shop) as market:
        yield market


async def balanced(buyer):
    """What the wallet has, and what orders cost, is what came; and books, coins and chain agree."""
    return await balanced_with(buyer, 100_000)


async def balanced_with(buyer, came):
    """The same, where so much came."""
    spent = await buyer.books.spent_since(0)
    balance = await buyer.balance()
    assert balance.total + spent == came
    around = buyer.surroundings
    found = await audit(database=buyer.books._database, keys=buyer.keys, arc=around.arcs, headers=around.headers)
    assert found.differences == ()
    return spent


async def test_what_is_sold_is_paid_for_and_had(market, tmp_path):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)

    quoted = await buyer.quote(catalog, SOLD)
    order = await buyer.buy(catalog, SOLD)
    got = await buyer.get(order, tmp_path / "secrets.csv")

    assert (quoted.satoshis, quoted.recipient) == (PRICE, market.gateway_keys.identity)
    assert order.state is OrderState.RECEIVED
    assert (order.price, order.paid, order.method) == (PRICE, PRICE, PaymentMethod.BRC105)
    assert (tmp_path / "secrets.csv").read_text() == SECRET
    assert got.order.state is OrderState.DONE
    assert got.blamed == ()
    assert all("storage" in url for url in got.came)
    spent = await balanced(buyer)
    assert spent == order.paid + order.fee
    assert order.fee < 100


async def test_what_is_free_is_had_without_the_gateway_and_without_money(market, tmp_path):
    buyer = await market.buyer(satoshis=0)
    catalog = await buyer.catalog(URL)
    door = market.meddling(before=gone(URL))
    async with market.opened(door=door) as alone:
        order = await alone.buy(replace(catalog, gateway=URL), FREE)
        got = await alone.get(order, tmp_path / "open.csv")

    assert (tmp_path / "open.csv").read_text() == OPEN
    assert (got.order.price, got.order.payment, got.order.receipt) == (0, None, None)


async def test_the_same_again_costs_nothing_as_long_as_the_receipt_holds(market, tmp_path):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)
    first = await buyer.buy(catalog, SOLD)
    second = await buyer.buy(catalog, SOLD)

    assert second.id != first.id
    assert second.receipt == first.receipt
    assert second.payment is None
    assert await balanced(buyer) == first.cost
    await buyer.get(second, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == SECRET


async def test_what_was_bought_is_had_again_without_the_gateway(market, tmp_path):
    buyer = await market.buyer()
    order = await buyer.buy(await buyer.catalog(URL), SOLD)
    await buyer.get(order, tmp_path / "one.csv")
    async with market.opened(door=market.meddling(before=gone(URL))) as later:
        (kept,) = await later.orders()
        await later.get(kept, tmp_path / "two.csv")
    assert (tmp_path / "two.csv").read_text() == SECRET


async def test_a_wrong_key_that_was_kept_is_asked_for_again(market, tmp_path):
    buyer = await market.buyer()
    order = await buyer.buy(await buyer.catalog(URL), SOLD)
    named = delivery_key(Receipt.from_bytes(order.receipt).id, buyer.keys.identity)
    wrong = market.gateway_keys.encrypt(named, bytes(32), iv=bytes(32))
    spoiled = await buyer.books.move(order, OrderEvent.RECEIVE, key=wrong)
    async with market.opened(door=market.meddling(before=gone(URL))) as alone:
        with pytest.raises(UnreachableError):
            await alone.get(spoiled, tmp_path / "secrets.csv")
    got = await buyer.get(spoiled, tmp_path / "secrets.csv")
    assert (tmp_path / "secrets.csv").read_text() == SECRET
    assert got.order.key != wrong


async def test_more_than_is_allowed_is_never_signed(market):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)
    with pytest.raises(GuardError, match="costs 5,000 satoshis, and at most 4,999") as error:
        await buyer.buy(catalog, SOLD, max_price=Satoshis(PRICE - 1))
    assert error.value.guards == ("max-price",)
    with pytest.raises(GuardError, match="the budget of the day is 5,000"):
        await replace(buyer, daily_budget=Satoshis(PRICE)).buy(catalog, SOLD)
    poor = await market.buyer("poor", satoshis=PRICE)
    with pytest.raises(GuardError, match="the wallet has 5,000 satoshis") as error:
        await poor.buy(catalog, SOLD)
    assert error.value.guards == ("coins",)

    assert await balanced(buyer) == 0
    assert {order.state for order in await buyer.orders()} == {OrderState.REFUSED}
    bought = await replace(buyer, daily_budget=Satoshis(PRICE + 100)).buy(catalog, SOLD)
    assert bought.state is OrderState.RECEIVED


async def test_the_budget_counts_what_was_paid_that_day_by_any_process(market):
    buyer = replace(await market.buyer(), daily_budget=Satoshis(2 * PRICE))
    catalog = await buyer.catalog(URL)
    await buyer.buy(catalog, SOLD)
    async with market.opened(daily_budget=Satoshis(2 * PRICE)) as again:
        with pytest.raises(GuardError, match="the budget of the day"):
            await again.buy(catalog, replace(SOLD, quantity=2))
        tomorrow = replace(again, clock=lambda: clock() + 86_400)
        assert await tomorrow.books.spent_since(0) > PRICE


def gone(*urls):
    """Some who do not answer."""

    def before(method, url, content):
        if url.startswith(urls):
            raise UnreachableError(f"{url} is gone")

    return before


async def test_a_402_that_asks_more_than_was_quoted_is_paid_what_was_quoted(market, monkeypatch):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)
    quoted = await buyer.quote(catalog, SOLD)

    def dearer(reply):
        if reply.status != 402:
            return reply
        return replace(reply, headers={**reply.headers, "x-bsv-payment-satoshis-required": str(PRICE + 1)})

    ask = Cashier._ask

    async def asking(self, gateway, order):
        return dearer(await ask(self, gateway, order))

    monkeypatch.setattr(Cashier, "_ask", asking)  # behind the signature, so that it is the gateway who asks
    order = await buyer.buy(catalog, SOLD, quoted=quoted)
    assert (order.state, order.paid) == (OrderState.RECEIVED, PRICE)
    assert await balanced(buyer) == PRICE + order.fee


async def test_a_price_that_was_never_quoted_is_not_taken_and_comes_back(market):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)
    cheap = replace(await buyer.quote(catalog, SOLD), satoshis=Satoshis(PRICE - 1))
    with pytest.raises(RefusedError, match="which is taken back"):
        await buyer.buy(catalog, SOLD, quoted=cheap)
    assert await balanced(buyer) == 0


async def test_a_quote_of_another_key_good_or_version_is_refused(market):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)
    with pytest.raises(VerificationError):
        await buyer.quote(replace(catalog, records={}), SOLD)
    with pytest.raises(VerificationError, match="quotes another version"):
        await buyer.quote(replace(catalog, records={SOLD.record: FREE_HASH}), SOLD)
    # another key at the gateway's address cannot even sign its quote
    market.gateway_keys = market.gateway_keys.child(OTHER)
    market.site.http.mount(URL, await shop(market))
    async with market.opened() as again:
        with pytest.raises(VerificationError):
            await again.quote(catalog, SOLD)


async def test_a_receipt_that_is_forged_or_anothers_is_refused_and_nothing_is_paid_twice(market, monkeypatch):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)
    given = Access._given
    lies = []

    async def lying(self, request, receipt, content):
        return await given(self, request, lies.pop()(receipt) if lies else receipt, content)

    monkeypatch.setattr(Access, "_given", lying)
    signer = market.gateway_keys
    lies += [
        lambda receipt: replace(receipt, satoshis=Satoshis(1)).signed(signer),
        lambda receipt: replace(receipt, buyer=market.keys.identity).signed(signer),
        lambda receipt: replace(receipt, gateway=market.keys.identity).signed(market.keys),
        lambda receipt: replace(receipt, signature=receipt.signature[:-1] + b"\x00"),
    ]
    for what in ("signature", "another gateway", "another buyer", "another amount"):
        with pytest.raises(VerificationError, match=what):
            await buyer.buy(catalog, SOLD)
        (order,) = await buyer.orders()
        assert order.state is OrderState.PAYING

    bought = await buyer.buy(catalog, SOLD)
    assert (bought.id, bought.state) == (order.id, OrderState.RECEIVED)
    assert await balanced(buyer) == bought.paid + bought.fee
    async with market.site.database.reading() as connection:
        assert await Payments(connection).find(bought.payment) is not None


async def test_a_second_402_is_not_paid_and_the_coin_may_be_spent_again(market):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)
    async with market.opened(door=Twice(market.site.http)) as meddled:
        with pytest.raises(RefusedError, match="asks for a second payment") as error:
            await meddled.buy(catalog, SOLD)
    assert "taken back" in error.value.message
    (order,) = await buyer.orders()
    assert order.state is OrderState.REFUSED
    assert await balanced(buyer) == 0

    # what is paid for the same good next spends the same coin, so that at most one of the two is ever mined
    bought = await buyer.buy(catalog, SOLD)
    async with market.site.database.reading() as connection:
        assert await Payments(connection).find(order.payment) is None
    first, second = [(await buyer.books.beef([each.payment])).transactions[each.payment] for each in (order, bought)]
    assert {each.outpoint for each in first.transaction.inputs} <= {each.outpoint for each in second.transaction.inputs}


async def test_the_budget_counts_a_payment_that_was_given_up_and_may_be_mined_beside_the_next(market):
    buyer = replace(await market.buyer(), daily_budget=Satoshis(3 * PRICE))
    catalog = await buyer.catalog(URL)
    async with market.opened(door=Twice(market.site.http)) as meddled:
        with pytest.raises(RefusedError, match="taken back"):
            await meddled.buy(catalog, SOLD)
    await buyer.fund(Satoshis(200_000))  # a larger coin, which is taken first
    with pytest.raises(GuardError, match="the budget of the day"):
        await buyer.buy(catalog, replace(SOLD, quantity=2))
    assert (await buyer.buy(catalog, SOLD)).state is OrderState.RECEIVED  # spends the same coin: one of the two at most


class Twice:
    """A door behind which every payment vanishes, and is asked for once more."""

    def __init__(self, http):
        self._http = http

    async def request(self, method, url, *, headers=None, **more):
        kept = {name: text for name, text in (headers or {}).items() if name != "x-bsv-payment"}
        if len(kept) == len(headers or {}):
            return await self._http.request(method, url, headers=headers, **more)
        raise RefusedError("the server asks for a second payment of what was paid", code="402")

    def stream(self, url, **more):
        return self._http.stream(url, **more)


async def test_a_gateway_that_does_not_answer_is_brought_the_same_payment_again(market, tmp_path):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)

    class Lost(Twice):
        async def request(self, method, url, *, headers=None, **more):
            reply = await self._http.request(method, url, headers=headers, **more)
            if "x-bsv-payment" in (headers or {}):
                raise UnreachableError("the answer is lost")
            return reply

    async with market.opened(door=Lost(market.site.http)) as unlucky:
        with pytest.raises(UnreachableError):
            await replace(unlucky, patience=0.0).buy(catalog, SOLD)
        (order,) = await unlucky.orders()
        assert order.state is OrderState.PAYING
        with pytest.raises(LockedError, match="being paid for already"):
            await unlucky.books.pay(
                replace(order, id="other", state=OrderState.QUOTED), await payment_of(unlucky, order), budget=None
            )
    async with market.opened() as again:
        (recovered,) = await again.recover()
        assert (recovered.id, recovered.payment) == (order.id, order.payment)
        assert recovered.state is OrderState.RECEIVED
        await again.get(recovered, tmp_path / "secrets.csv")
        assert await again.recover() == ()
        assert await balanced(again) == order.paid + order.fee


async def test_two_processes_that_bring_the_same_payment_have_the_same_receipt(market):
    buyer = await market.buyer()
    lost = market.meddling(after=losing_paid)
    async with market.opened(door=lost) as unlucky:
        with pytest.raises(UnreachableError):
            await replace(unlucky, patience=0.0).buy(await buyer.catalog(URL), SOLD)
    (order,) = await buyer.orders()
    async with market.opened() as twin:
        ended = await asyncio.gather(buyer.finish(order), twin.finish(order))
    assert {(each.id, each.state, each.payment) for each in ended} <= {
        (order.id, state, order.payment) for state in (OrderState.PAID, OrderState.RECEIVED)
    }
    assert len({each.receipt for each in ended}) == 1
    await buyer.recover()
    assert await balanced(buyer) == order.paid + order.fee


def losing_paid(method, url, reply):
    """Answers that were paid for are lost."""
    if url.endswith("/access") and reply.status == 200:
        raise UnreachableError("the answer is lost")
    return reply


async def payment_of(buyer, order):
    beef = await buyer.books.beef([order.payment])
    return Payment(transaction=beef.transactions[order.payment].transaction, paid=order.paid, fee=order.fee)


async def test_two_processes_that_want_the_same_good_pay_once(market):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)
    async with market.opened() as twin:
        ended = await asyncio.gather(
            *(each.buy(catalog, SOLD) for each in (buyer, twin, buyer)), return_exceptions=True
        )
    bought = [each for each in ended if not isinstance(each, Exception)]
    assert bought
    assert [each for each in ended if isinstance(each, Exception) and not isinstance(each, LockedError)] == []
    assert len({each.receipt for each in bought}) == 1
    assert await balanced(buyer) == sum(each.cost for each in bought)
    assert sum(each.payment is not None for each in bought) == 1


def storage(market):
    return tuple(host.url for host in market.site.endpoints.storage)


async def test_hosts_that_give_other_bytes_are_told_and_the_others_asked(market, tmp_path):
    hosts = storage(market)
    bad = {}

    def swap(url, chunk):
        host = next((host for host in hosts if url.startswith(host)), None)
        if host is None or bad.setdefault("host", host) != host:
            return chunk
        return bytes(byte ^ 1 for byte in chunk)

    buyer = await market.buyer()
    order = await buyer.buy(await buyer.catalog(URL), SOLD)
    told = []
    async with market.opened(door=market.meddling(streams=swap)) as meddled:
        got = await meddled.get(order, tmp_path / "secrets.csv", tell=told.append)

    assert (tmp_path / "secrets.csv").read_text() == SECRET
    assert [(blame.url, blame.lied) for blame in got.blamed] == [(bad["host"], True)]
    assert [each for each in told if isinstance(each, Blame)] == list(got.blamed)
    assert bad["host"] not in got.came


async def test_where_no_host_has_it_the_gateway_gives_plaintext_and_is_not_believed_either(market, tmp_path):
    hosts = storage(market)
    buyer = await market.buyer()
    order = await buyer.buy(await buyer.catalog(URL), SOLD)

    def cut(url, chunk):
        return chunk[:-1] if url.startswith(hosts) else chunk

    def cut_and_lie(url, chunk):
        return cut(url, chunk) if url.startswith(hosts) else chunk.replace(b"a secret", b"no value")

    async with market.opened(door=market.meddling(streams=cut_and_lie)) as meddled:
        with pytest.raises(VerificationError, match=f"{URL} gives other plaintext"):
            await meddled.get(order, tmp_path / "secrets.csv")
    assert not (tmp_path / "secrets.csv").exists()
    async with market.opened(door=market.meddling(streams=cut)) as meddled:
        (order,) = await meddled.orders()
        got = await meddled.get(order, tmp_path / "secrets.csv")
    assert (tmp_path / "secrets.csv").read_text() == SECRET
    assert list(got.came) == [URL]
    assert {blame.url for blame in got.blamed} <= set(hosts)
    assert sorted(path.name for path in tmp_path.glob(".secrets*")) == []


async def test_the_report_adds_up(market):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)
    order = await buyer.buy(catalog, SOLD)
    await buyer.buy(catalog, FREE)
    with pytest.raises(GuardError):
        await buyer.buy(catalog, replace(SOLD, quantity=2), max_price=Satoshis(1))
    report = await buyer.report()

    assert report.total.total == order.cost == await balanced(buyer)
    assert [(spent.orders, spent.paid, spent.fees) for spent in report.by_producer.values()] == [(1, PRICE, order.fee)]
    assert list(report.by_good) == [(market.keys.identity, "dataset/secrets")]
    assert len(report.by_day) == 1
    (held,) = report.receipts
    assert held.receipt.satoshis == PRICE
    assert not held.is_over
    standing = await buyer.standing(order)
    assert (standing.state, standing.downloads) == ("live", 0)


@pytest.fixture
async def native_market(stocked):
    stock(stocked, manifest=NATIVE)
    await stocked.apply()
    async with open_market(stocked, shop) as market:
        yield market


async def test_a_native_payment_gives_everybody_a_share_and_the_buyer_a_receipt(native_market, tmp_path):
    market = native_market
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)

    order = await buyer.buy(catalog, SOLD)
    assert (order.state, order.method, order.paid) == (OrderState.PAID, PaymentMethod.NATIVE, PRICE)
    got = await buyer.get(order, tmp_path / "secrets.csv")

    assert (tmp_path / "secrets.csv").read_text() == SECRET
    assert got.order.state is OrderState.DONE
    beef = await buyer.books.beef([order.payment])
    paid = [output.satoshis for output in beef.transactions[order.payment].transaction.outputs[:2]]
    assert sorted(paid) == [1500, 3500]
    assert await balanced(buyer) == PRICE + order.fee
    again = await buyer.buy(catalog, SOLD)
    assert (again.receipt, again.payment) == (order.receipt, None)
    with pytest.raises(RefusedError, match="to be paid by native"):
        await buyer.buy(catalog, SOLD, method=PaymentMethod.BRC105)


async def test_a_native_payment_whose_answer_is_lost_is_brought_again(native_market):
    market = native_market
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)
    lost = market.meddling(after=losing(f"{URL}/v1/payments"))
    async with market.opened(door=lost) as unlucky:
        with pytest.raises(UnreachableError):
            await replace(unlucky, patience=0.0).buy(catalog, SOLD)
    (order,) = await buyer.orders()
    assert order.state is OrderState.PAYING
    again = await buyer.buy(catalog, SOLD)
    assert (again.id, again.payment, again.state) == (order.id, order.payment, OrderState.PAID)
    assert await balanced(buyer) == order.paid + order.fee


async def test_a_template_that_does_not_pay_the_gateway_or_what_was_quoted_is_not_signed(native_market, monkeypatch):
    market = native_market
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)
    asked = GatewayClient.template
    changes = [
        lambda template: replace(template, satoshis=Satoshis(PRICE + 1)),
        lambda template: replace(template, own=(0, 1)),
    ]

    async def changed(self, *arguments):
        return changes.pop()(await asked(self, *arguments))

    monkeypatch.setattr(GatewayClient, "template", changed)
    for what in ("is not the gateway's key", "its template asks 5001"):
        with pytest.raises(VerificationError, match=what):
            await buyer.buy(catalog, SOLD)
    assert await balanced(buyer) == 0


async def test_a_transaction_of_another_payment_is_no_refund(native_market, monkeypatch):
    market = native_market
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)
    key = payment_key("cA==", "cQ==", market.gateway_keys.identity)
    gift = await market.faucet.fund(address(buyer.keys.public(key), mainnet=False), Satoshis(1000))
    shown = gift.beef.to_atomic(gift.txid)
    refund = Refund(state="seen", credit=Satoshis(0), beef=shown, prefix="cA==", suffix="cQ==")

    async def given_back(self, template, transaction):
        return Outcome(receipts=(), refund=refund)

    with monkeypatch.context() as patched:
        patched.setattr(GatewayClient, "pay_native", given_back)
        with pytest.raises(VerificationError, match="a refund of another payment"):
            await buyer.buy(catalog, SOLD)
    (order,) = await buyer.orders()
    assert (order.state, order.paid) == (OrderState.PAYING, PRICE)
    assert (await buyer.buy(catalog, SOLD)).state is OrderState.PAID
    assert await balanced(buyer) == order.cost


async def test_a_proof_that_comes_along_with_a_coin_and_was_not_verified_is_not_kept(market):
    buyer = await market.buyer()
    await market.site.toy.ledger.mine()
    _, (mine, *_) = await buyer.books.money(replace(await buyer.buy(await buyer.catalog(URL), FREE), id="another"))
    own = (await buyer.books.beef([mine.outpoint.txid])).transactions[mine.outpoint.txid].transaction
    gift = await market.faucet.fund(buyer.address, Satoshis(1000))
    forged = MerklePath(1, ((Leaf(0, bytes.fromhex(own.txid)[::-1], txid=True),),))
    entries = [*gift.beef.transactions.values(), BeefTx(own, len(gift.beef.bumps))]
    poisoned = Beef.of([*gift.beef.bumps, forged], entries)

    assert await buyer.books.receive(poisoned, gift.txid) == 1000
    assert (await buyer.books.beef([own.txid])).proof(own.txid) != forged
    assert await balanced_with(buyer, 101_000) == 0


async def test_a_good_is_bought_again_only_where_the_payment_that_was_turned_down_cannot_be_mined_as_well(
    market, monkeypatch
):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)

    async def no(self, order):
        raise RefusedError("no", code="ERR_PAYMENT_FAILED")

    with monkeypatch.context() as patched:
        patched.setattr(Cashier, "_bring", no)
        with pytest.raises(RefusedError, match="is taken back"):
            await buyer.buy(catalog, SOLD)
    (refused,) = await buyer.orders()
    paying = await paid_elsewhere(buyer, refused)
    await buyer.fund(Satoshis(100_000))

    with pytest.raises(LockedError, match="may still be mined"):
        await buyer.buy(catalog, SOLD)
    assert (await buyer.balance()).total >= 100_000
    await buyer.books.broadcast(paying)
    order = await buyer.buy(catalog, SOLD)

    assert (order.state, order.paid) == (OrderState.RECEIVED, PRICE)
    assert await balanced_with(buyer, 200_000) == order.cost + paying.cost


async def paid_elsewhere(buyer, refused):
    """The coin of a payment that was turned down, in one for something else whose gateway says nothing."""
    changes = {"state": OrderState.QUOTED, "payment": None, "paid": Satoshis(0), "fee": Satoshis(0), "paid_at": None}
    order = replace(refused, id="another", good=Good.parse("dataset/another"), **changes)
    await buyer.books.add(order)
    async with buyer.books.turn():
        must, may = await buyer.books.money(order)
        output = TxOutput(Satoshis(1000), p2pkh(buyer.keys.public(OTHER)))
        payment = make_payment([output], must=must, may=may, rate=FeeRate(100, 1000), keys=buyer.keys)
        paying = await buyer.books.pay(order, payment, budget=None)
        await buyer.books.leaving(paying, order.gateway)
    return paying


def losing(url):
    """Answers of one address are lost on their way."""

    def after(method, asked, reply):
        if asked == url:
            raise UnreachableError("the answer is lost")
        return reply

    return after


@pytest.mark.long
async def test_a_native_payment_that_comes_too_late_is_given_back(native_market, stocked):
    market = native_market
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)

    def before(method, url, content):
        if url == f"{URL}/v1/payments":
            raise UnreachableError("gone")

    async with market.opened(door=market.meddling(before=before)) as unlucky:
        with pytest.raises(UnreachableError):
            await replace(unlucky, patience=0.0).buy(catalog, SOLD)
    stocked.write(NATIVE.replace("price: 5000", "price: 9000"))
    await stocked.apply()
    market.ahead = 25 * 3600.0

    (waiting,) = await buyer.recover()
    assert isinstance(waiting, RefundPendingError)
    treasury = market.treasury()
    for _ in range(20):
        await market.site.toy.ledger.mine(1)
        await market.till.settle()
        await treasury.round()
        (order,) = await buyer.recover() or await buyer.orders()
        if not isinstance(order, Exception):
            break
        market.ahead += 60

    assert order.state is OrderState.REFUNDED
    assert order.paid == 1500 + (3500 - await came_back(buyer))
    assert "gave 3," in order.reason
    assert await balanced(buyer) == order.cost == order.paid + order.fee


async def came_back(buyer):
    """What the wallet has beside its change."""
    beefs = await buyer.balance()
    (order,) = await buyer.orders()
    return beefs.total - (100_000 - PRICE - order.fee)


@pytest.mark.long
async def test_a_member_of_a_club_pays_less(stocked):
    stock(stocked, manifest=CLUB)
    await stocked.apply()
    async with open_market(stocked, shop) as market:
        buyer = await market.buyer()
        catalog = await buyer.catalog(URL)
        assert (await buyer.quote(catalog, SOLD)).satoshis == PRICE
        membership = await buyer.buy(catalog, Good.parse("tier/club"))
        quoted = await buyer.quote(catalog, SOLD)
        order = await buyer.buy(catalog, SOLD)
        with pytest.raises(RefusedError, match="no content to download"):
            await buyer.get(membership, stocked.folder / "nothing")

        assert (membership.state, membership.paid) == (OrderState.RECEIVED, 700)
        assert (quoted.satoshis, quoted.tier) == (PRICE // 2, "club")
        assert order.paid == PRICE // 2
        assert await balanced(buyer) == order.cost + membership.cost
