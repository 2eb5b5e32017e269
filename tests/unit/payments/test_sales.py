"""What a payment does to the producer's books, in whatever order its fortunes come."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from reconciler.control.takings import takings
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, StateError
from reconciler.model.goods import Good
from reconciler.model.ids import Digest, Txid
from reconciler.model.payment import EARNED, PaymentMethod, PaymentState
from reconciler.payments.books import Book, Deliver, Note, Return, Unprove
from reconciler.payments.network import Told
from reconciler.payments.verdict import GIVEN_UP_AFTER, Word
from reconciler.store.buyer_credits import Credits
from reconciler.store.database import Database
from reconciler.store.payments import Payments, payments
from reconciler.store.producer import producer_consumers, producer_revenue, published_content
from reconciler.store.receipts import PutBack, Receipts, Use
from reconciler.store.terms import Portion
from reconciler.wire.arc import TxReport, TxStatus
from reconciler.wire.merkle import path_of
from reconciler.wire.receipt import ReceiptState
from tests.paying import keys_of
from tests.selling import BTC, ETH, LIVE, MONTH, PRODUCER, SELLER, Totals, open_books, payment, terms, totals

NOW = 1_800_000_000
BUYER, OTHER = keys_of("buyer").identity, keys_of("other").identity


class Nowhere:
    """A network that has seen everything, and a chain that has no blocks."""

    async def status(self, txid):
        return TxReport(txid=txid, status=TxStatus.SEEN_ON_NETWORK)

    async def root(self, height):
        return None


class Books:
    """The books of one producer, and time that passes."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW

    async def told(self, txid: Txid, word: Word, height: int = 5):
        proof = path_of([txid], [0], height) if word is Word.PROVEN else None
        asked = await self.database.read(lambda connection: Payments(connection).get(txid))
        return await self.database.write(Note(asked, Told(word, proof), SELLER, self.now))

    async def sell(self, made):
        await self.database.write(Book(made))
        return await self.told(made.txid, Word.SEEN)

    async def beat(self, txid: Txid):
        return await self.told(txid, Word.BEATEN)

    async def give_back(self, txid: Txid):
        return await self.database.write(Return(txid, "too late", SELLER, self.now))

    async def receipt(self, made):
        return await self.database.read(lambda connection: Receipts(connection).of_payment(made.txid))

    async def use(self, made, downloads: int = 1, size: int = 0):
        receipt = await self.receipt(made)
        await self.database.write(Use(receipt.receipt.id, downloads, size, self.now))

    async def totals(self):
        return await self.database.read(totals)

    async def row(self, table, **where):
        matches = [table.c[name] == value for name, value in where.items()]

        async def work(connection):
            return (await connection.execute(select(table).where(*matches))).one()

        return await self.database.read(work)

    async def consumer(self, buyer=BUYER):
        return await self.row(producer_consumers, consumer_id=buyer)

    async def revenue(self, made):
        return await self.row(producer_revenue, revenue_id=made.txid)


@pytest.fixture
async def books(database) -> Books:
    await open_books(database)
    return Books(database)


async def test_nothing_is_booked_before_a_payment_is_accepted(books):
    await books.database.write(Book(payment()))
    await books.told(payment().txid, Word.WAITING)
    assert await books.receipt(payment()) is None
    assert await books.totals() == Totals(payments=0, revenue=0, consumers=0, producer=0, goods=0)
    await books.told(payment().txid, Word.REFUSED)
    assert await books.totals() == Totals(payments=0, revenue=0, consumers=0, producer=0, goods=0)


async def test_an_accepted_payment_is_a_sale_in_the_same_moment(books):
    made = payment(good=ETH, satoshis=1234)
    await books.sell(made)

    stored = await books.receipt(made)
    receipt = stored.receipt
    receipt.check()
    assert (receipt.gateway, receipt.buyer, receipt.producer) == (SELLER.identity, BUYER, PRODUCER)
    assert (receipt.good, receipt.document, receipt.network) == (ETH, made.terms.document, made.terms.network)
    assert (receipt.price, receipt.satoshis, receipt.txid, receipt.issued) == (1234, 1234, made.txid, NOW)
    assert (receipt.allowance.downloads, receipt.allowance.until) == (10, NOW + MONTH)
    assert stored.state(NOW) is ReceiptState.LIVE

    revenue = await books.revenue(made)
    assert (revenue.amount_satoshis, revenue.payment_status, revenue.payment_method) == (1234, "earned", "brc105")
    assert (revenue.content_id, revenue.stream_id, revenue.brc22_transaction_id) == ("dataset/eth", None, made.txid)
    assert (revenue.created_at, revenue.confirmed_at, revenue.d21_template_id) == (NOW, None, None)

    consumer = await books.consumer()
    assert (consumer.first_interaction_at, consumer.last_interaction_at) == (NOW, NOW)
    assert (consumer.total_payments_satoshis, consumer.consumer_tier) == (1234, "standard")
    assert consumer.relationship_status == "active"
    assert await books.totals() == Totals(payments=1234, revenue=1234, consumers=1234, producer=1234, goods=1234)


async def test_a_stream_is_sold_as_a_stream(books):
    made = payment(good=Good(LIVE.record, 60))
    await books.sell(made)
    revenue = await books.revenue(made)
    assert (revenue.content_id, revenue.stream_id) == (None, "stream/live")
    assert (await books.totals()).agree


async def test_a_native_sale_names_its_template_and_who_got_what(books):
    portions = Portion(OTHER, 50), Portion(SELLER.identity, 950)
    tender = replace(payment().tender, method=PaymentMethod.NATIVE, prefix="ab" * 32, vout=None)
    made = payment(tender=tender, terms=terms(portions=portions))
    await books.sell(made)
    revenue = await books.revenue(made)
    assert (revenue.payment_method, revenue.d21_template_id) == ("native", "ab" * 32)
    assert revenue.revenue_splits == [{"payee": each.payee, "satoshis": each.satoshis} for each in portions]
    found = await books.database.read(lambda connection: Payments(connection).find(made.txid))
    assert (found.coin, found.terms, found.tender.vout) == (None, made.terms, None)


async def test_what_is_no_sale_of_the_producer_s_leaves_no_receipt_and_no_revenue(books):
    made = payment(terms=None)
    assert (await books.sell(made)).state is PaymentState.ACCEPTED
    await books.beat(made.txid)
    assert await books.receipt(made) is None
    assert await books.totals() == Totals(payments=0, revenue=0, consumers=0, producer=0, goods=0)


async def test_two_sales_to_one_consumer_are_one_relationship(books):
    await books.sell(payment(1, satoshis=100))
    books.now += 60
    await books.sell(payment(2, satoshis=10, terms=terms(tier="enterprise")))
    consumer = await books.consumer()
    assert (consumer.first_interaction_at, consumer.last_interaction_at) == (NOW, NOW + 60)
    assert (consumer.total_payments_satoshis, consumer.consumer_tier) == (110, "enterprise")


async def test_a_sale_is_confirmed_when_its_payment_is_mined_and_not_any_more_after_a_reorg(books):
    made = payment()
    await books.sell(made)
    books.now += 600
    proven = await books.told(made.txid, Word.PROVEN)
    assert (await books.revenue(made)).confirmed_at == NOW + 600
    root = path_of([made.txid], [0], 5).block_root
    await books.database.write(Unprove(((proven.height, root),), books.now))
    assert (await books.revenue(made)).confirmed_at is None
    await books.told(made.txid, Word.PROVEN, height=6)
    assert (await books.revenue(made)).confirmed_at == NOW + 600


async def test_a_payment_that_is_lost_after_delivery_is_unbooked_and_its_payer_blocked_until_it_comes_back(books):
    made = payment()
    await books.sell(made)
    await books.database.write(Deliver(made.txid))
    receipt = (await books.receipt(made)).receipt
    await books.use(made, size=100)

    await books.beat(made.txid)
    assert await books.totals() == Totals(payments=0, revenue=0, consumers=0, producer=0, goods=0)
    assert (await books.revenue(made)).payment_status == "unbooked"
    assert (await books.consumer()).relationship_status == "blocked"
    assert (await books.receipt(made)).state(NOW) is ReceiptState.REVOKED
    with pytest.raises(RefusedError, match="revoked") as error:
        await books.use(made)
    assert error.value.code == "403"

    books.now += 86_400
    await books.told(made.txid, Word.PROVEN)
    assert (await books.totals()).agree
    assert (await books.totals()).payments == 1000
    assert (await books.revenue(made)).payment_status == "earned"
    assert (await books.consumer()).relationship_status == "active"
    back = await books.receipt(made)
    assert (back.receipt, back.used.bytes, back.state(books.now)) == (receipt, 100, ReceiptState.LIVE)


async def test_who_lost_two_payments_is_blocked_until_both_are_back(books):
    for number in (1, 2):
        await books.sell(payment(number))
        await books.beat(payment(number).txid)
    await books.told(payment(1).txid, Word.PROVEN)
    assert (await books.consumer()).relationship_status == "blocked"
    await books.told(payment(2).txid, Word.PROVEN)
    assert (await books.consumer()).relationship_status == "active"


async def test_who_was_suspended_before_a_payment_was_lost_is_so_afterwards(books):
    await books.sell(payment())

    async def suspend(connection):
        await connection.execute(producer_consumers.update().values(relationship_status="suspended"))

    await books.database.write(suspend)
    await books.beat(payment().txid)
    assert (await books.consumer()).relationship_status == "blocked"
    await books.told(payment().txid, Word.PROVEN)
    assert (await books.consumer()).relationship_status == "suspended"


async def test_another_consumer_is_not_blocked(books):
    await books.sell(payment(1))
    await books.sell(payment(2, buyer=OTHER))
    await books.beat(payment(1).txid)
    assert (await books.consumer(OTHER)).relationship_status == "active"


async def test_a_payment_that_is_given_back_is_no_revenue_and_blocks_nobody(books):
    await books.sell(payment())
    await books.give_back(payment().txid)
    assert await books.totals() == Totals(payments=0, revenue=0, consumers=0, producer=0, goods=0)
    assert (await books.revenue(payment())).payment_status == "returned"
    assert (await books.receipt(payment())).state(NOW) is ReceiptState.REVOKED
    assert (await books.consumer()).relationship_status == "active"


async def test_a_doubt_takes_a_sale_back_for_a_while_and_blocks_nobody(books):
    made = payment()
    await books.sell(made)
    assert (await books.told(made.txid, Word.CONTESTED)).state is PaymentState.PENDING
    assert (await books.totals()).payments == (await books.totals()).revenue == 0
    assert (await books.revenue(made)).payment_status == "pending"
    assert (await books.consumer()).relationship_status == "active"
    assert (await books.receipt(made)).state(NOW) is ReceiptState.PENDING
    with pytest.raises(RefusedError, match="pending"):
        await books.use(made)
    books.now += 60
    await books.told(made.txid, Word.SEEN)
    assert (await books.totals()).payments == 1000
    assert (await books.receipt(made)).receipt.issued == NOW


async def test_a_receipt_is_used_until_nothing_of_it_is_left(books):
    made = payment()
    await books.sell(made)
    await books.use(made, downloads=9, size=(10 << 20) - 1)
    used = await books.receipt(made)
    assert (used.used.downloads, used.used.bytes) == (9, (10 << 20) - 1)
    with pytest.raises(RefusedError, match="as much") as error:
        await books.use(made, downloads=2)
    assert error.value.code == "403"
    with pytest.raises(RefusedError, match="as much"):
        await books.use(made, downloads=0, size=2)
    await books.use(made, downloads=1, size=0)
    assert (await books.receipt(made)).state(NOW) is ReceiptState.EXHAUSTED
    await books.use(made, downloads=0, size=1)  # the rest of what was begun
    assert (await books.receipt(made)).used.bytes == 10 << 20
    content = await books.row(published_content, content_id=str(BTC))
    assert content.download_count == 10
    assert (await books.consumer()).total_data_transferred_bytes == 10 << 20


async def test_what_was_not_sent_is_put_back(books):
    made = payment()
    await books.sell(made)
    await books.use(made, size=1000)
    receipt = (await books.receipt(made)).receipt
    await books.database.write(PutBack(receipt.id, 400))
    await books.database.write(PutBack(receipt.id, 601))  # more than was counted: no
    assert (await books.receipt(made)).used.bytes == 600
    assert (await books.consumer()).total_data_transferred_bytes == 600


async def test_a_receipt_ends(books):
    made = payment()
    await books.sell(made)
    books.now += MONTH - 1
    await books.use(made)
    books.now += 1
    with pytest.raises(RefusedError, match="ended"):
        await books.use(made)
    assert (await books.receipt(made)).state(books.now) is ReceiptState.ENDED


async def test_there_is_nothing_for_a_receipt_that_was_never_given(books):
    with pytest.raises(RefusedError, match="no receipt") as error:
        await books.database.write(Use(Digest("00" * 32), 1, 1, NOW))
    assert error.value.code == "404"


async def test_what_a_buyer_still_holds_is_found_by_the_good_and_by_its_version_first(books):
    old, new = Digest("01" * 32), Digest("02" * 32)
    await books.sell(payment(1, terms=terms(document=new)))
    books.now += 60
    await books.sell(payment(2, terms=terms(document=old)))
    await books.sell(payment(3, good=Good(BTC.record, 5)))

    async def held(buyer=BUYER, good=BTC, document=None, now=books.now):
        found = await books.database.read(
            lambda connection: Receipts(connection).live(buyer, good, now=now, document=document)
        )
        return None if found is None else found.receipt.txid

    first, second, five = (payment(number).txid for number in (1, 2, 3))
    assert await held() == second  # it ends last
    assert await held(document=new) == first
    assert await held(document=Digest("03" * 32)) == second
    assert await held(good=Good(BTC.record, 5)) == five
    assert await held(good=ETH) is None
    assert await held(buyer=OTHER) is None
    assert await held(now=NOW + MONTH + 59) == second
    assert await held(now=NOW + MONTH + 60) is None
    await books.use(payment(2), downloads=10)
    assert await held() == first
    await books.beat(first)
    assert await held() is None


PAYMENTS = tuple(
    payment(
        number,
        coin=number // 2,
        satoshis=10**number,
        buyer=(BUYER, OTHER, BUYER)[number],
        good=(BTC, ETH, LIVE)[number],
    )
    for number in range(3)
)
"""The first two share a coin, the first and the last a buyer."""

numbers = st.integers(0, len(PAYMENTS) - 1)
heights = st.integers(1, 2)
telling = [*Word, *[Word.SEEN, Word.PROVEN, Word.BEATEN] * 4]
"""Those that move more than once as often as the others together."""
steps = st.one_of(
    *[st.tuples(st.just("told"), numbers, st.sampled_from(telling), heights)] * 3,
    st.tuples(st.just("book"), numbers),
    st.tuples(st.just("deliver"), numbers),
    st.tuples(st.just("return"), numbers),
    st.tuples(st.just("reorg"), numbers, heights),
    st.tuples(st.just("use"), numbers, st.integers(0, 6), st.integers(0, 6 << 20)),
    st.tuples(st.just("wait"), st.sampled_from([1, GIVEN_UP_AFTER, MONTH])),
)


async def take(books: Books, step) -> None:
    """One step; what cannot be is refused, and changes nothing."""
    with suppress(RefusedError, StateError):
        match step:
            case "book", number:
                await books.database.write(Book(replace(PAYMENTS[number], booked=books.now, doubted=books.now)))
            case "told", number, word, height:
                await books.told(PAYMENTS[number].txid, word, height)
            case "deliver", number:
                await books.database.write(Deliver(PAYMENTS[number].txid))
            case "return", number:
                await books.give_back(PAYMENTS[number].txid)
            case "reorg", number, height:
                root = path_of([PAYMENTS[number].txid], [0], height).block_root
                await books.database.write(Unprove(((height, root),), books.now))
            case "use", number, downloads, size:
                if await books.receipt(PAYMENTS[number]) is not None:
                    await books.use(PAYMENTS[number], downloads, size)
            case "wait", seconds:
                books.now += seconds


async def invariants(connection) -> None:
    found = await totals(connection)
    assert found.agree, found
    rows = {row.txid: row for row in await connection.execute(select(payments))}
    revenue = {row.revenue_id: row for row in await connection.execute(select(producer_revenue))}
    consumers = {row.consumer_id: row for row in await connection.execute(select(producer_consumers))}
    receipts = {txid: await Receipts(connection).of_payment(txid) for txid in rows}
    status = {"accepted": "earned", "delivered": "earned", "retracted": "returned"}
    for txid, row in rows.items():
        sold, receipt = revenue.pop(txid, None), receipts[txid]
        assert (sold is None) == (receipt is None)
        if sold is None:
            assert row.state not in EARNED | {PaymentState.UNBOOKED}
            continue
        assert sold.payment_status == status.get(row.state, row.state)
        assert (sold.confirmed_at is None) == (row.height is None)
        assert receipt.used.downloads <= receipt.receipt.allowance.downloads
        assert receipt.used.bytes <= receipt.receipt.allowance.bytes
        receipt.receipt.check()
    assert revenue == {}
    for buyer, consumer in consumers.items():
        lost = [row for row in rows.values() if row.buyer == buyer and row.state is PaymentState.UNBOOKED]
        assert consumer.relationship_status == ("blocked" if lost else "active")
        paid = sum(row.satoshis for row in rows.values() if row.buyer == buyer and row.state in EARNED)
        assert consumer.total_payments_satoshis == paid


@settings(max_examples=25)
@given(st.lists(steps, min_size=20, max_size=40))
def test_the_books_agree_whatever_becomes_of_payments_in_whatever_order(migrated, taken):
    async def run(folder: str) -> None:
        database = Database.open(f"sqlite:///{shutil.copy(migrated, Path(folder) / 'state.db')}")
        try:
            await open_books(database)
            books = Books(database)
            for step in [("book", 0), ("book", 2), *taken]:
                await take(books, step)
                await database.read(invariants)
            audited = await takings(database=database, gateway=None, arc=Nowhere(), headers=Nowhere())
            assert [each for each in audited.differences if "leads to no header" not in each] == []
        finally:
            await database.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(folder))


async def test_what_was_refused_meanwhile_comes_back_unserved_and_goes_back_where_its_credit_has_paid_since(books):
    first, made, other = (payment(number=number) for number in range(3))
    await books.sell(first)
    await books.give_back(first.txid)

    async def reserve(quote, connection):
        await Credits(connection).reserve(quote, BUYER, Satoshis(5), expires=NOW + 60)

    async def give(connection):
        await Credits(connection).give(BUYER, first.txid, Satoshis(5), reason="", at=NOW)

    await books.database.write(give)
    for each, quote in ((made, "one"), (other, "two")):
        await books.database.write(partial(reserve, quote))
        await books.database.write(Book(each, quote))
        if each is made:
            await books.told(made.txid, Word.REFUSED)
    proven = Told(Word.PROVEN, path_of([made.txid], [0], 5))
    assert (await books.database.write(Note(made, proven, SELLER, NOW, serves=True))).state is PaymentState.RETURNED
