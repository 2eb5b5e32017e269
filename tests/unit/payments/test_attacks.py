"""Each way of paying less, or nothing, or with what is somebody else's: refused, and nothing of it is booked or sent."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from hashlib import sha256

import pytest
from sqlalchemy import select

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError
from reconciler.model.goods import Good
from reconciler.model.ids import Txid
from reconciler.model.keys import FUNDING_KEY
from reconciler.model.payment import PaymentState
from reconciler.payments.conditions import QUOTE_SECONDS
from reconciler.store.payments import Payments, payment_inputs
from reconciler.store.producer import producer_consumers, producer_revenue
from reconciler.store.receipts import Receipts
from reconciler.store.replays import Replays
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.web.sessions import Sessions
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.merkle import MerklePath, path_of
from reconciler.wire.payment import PaymentHeader
from reconciler.wire.receipt import ReceiptState
from reconciler.wire.script import p2pkh, unlock_p2pkh
from reconciler.wire.sighash import preimage
from reconciler.wire.transaction import Transaction, TxInput, TxOutput, double_sha256
from tests.paying import FEE, GOOD, PRICE, bring, offer
from tests.selling import ETH, Totals, open_books, selling, totals


async def refused(shop, header, order) -> str:
    """The code with which a payment is refused; nothing is left of it, nothing was sold for it, and nobody was sent it."""
    with pytest.raises(RefusedError) as error:
        await bring(shop.till(), header, order, selling(Good.parse(order.good)))
    async with shop.database.reading() as connection:
        assert await Payments(connection).earned() == ()
        assert await Receipts(connection).of_payment(header.subject) is None
        assert await totals(connection) == Totals(payments=0, revenue=0, consumers=0, producer=0, goods=0)
        assert (await connection.execute(select(payment_inputs))).all() == []
    assert await shop.standing(header.subject) is None
    return error.value.code


async def row(shop, table):
    async with shop.database.reading() as connection:
        return (await connection.execute(select(table))).one()


async def test_one_satoshi_for_what_costs_a_thousand(shop, buyer):
    header = await buyer.pay(shop.till().charge(offer(buyer)), satoshis=1)
    assert await refused(shop, header, offer(buyer)) == "ERR_PAYMENT_INSUFFICIENT"


async def test_one_satoshi_less_than_the_price(shop, buyer):
    header = await buyer.pay(shop.till().charge(offer(buyer)), satoshis=PRICE - 1)
    assert await refused(shop, header, offer(buyer)) == "ERR_PAYMENT_INSUFFICIENT"


async def test_a_cheap_quote_for_what_is_dear(shop, buyer):
    cheap = shop.till().charge(offer(buyer, good="dataset/cheap", price=1))
    header = await buyer.pay(cheap)
    assert await refused(shop, header, offer(buyer)) == "ERR_INVALID_DERIVATION_PREFIX"


async def test_the_price_paid_to_oneself(shop, buyer):
    charge = shop.till().charge(offer(buyer))
    coin, beef = await buyer.coin(PRICE + FEE)
    header = buyer.header(charge, signed([coin], [TxOutput(PRICE, p2pkh(buyer.identity))], buyer.keys), beef)
    assert await refused(shop, header, offer(buyer)) == "ERR_PAYMENT_INSUFFICIENT"


async def test_the_price_on_another_output_than_the_first(shop, buyer):
    charge = shop.till().charge(offer(buyer))
    coin, beef = await buyer.coin(PRICE + FEE + 1)
    outputs = [buyer.output(charge, 1), buyer.output(charge, PRICE)]
    header = buyer.header(charge, signed([coin], outputs, buyer.keys), beef)
    assert await refused(shop, header, offer(buyer)) == "ERR_PAYMENT_INSUFFICIENT"


async def test_a_transaction_without_outputs(shop, buyer):
    charge = shop.till().charge(offer(buyer))
    coin, beef = await buyer.coin(PRICE)
    header = buyer.header(charge, signed([coin], [], buyer.keys), beef)
    assert await refused(shop, header, offer(buyer)) == "ERR_PAYMENT_INSUFFICIENT"


async def test_the_price_in_a_decoy_beside_the_subject(shop, buyer):
    """As accepted by the reference of BRC-121, which looks at the last transaction of the BEEF."""
    charge = shop.till().charge(offer(buyer))
    true = await buyer.pay(charge)
    cheap = await buyer.pay(charge, satoshis=1)
    both = merge([cheap.beef, true.beef])
    atomic = b"\x01" * 4 + bytes.fromhex(cheap.subject)[::-1] + both.to_bytes()
    text = f'{{"derivationPrefix":"{cheap.prefix}","derivationSuffix":"{cheap.suffix}","transaction":"'
    header = PaymentHeader.parse(f'{text}{base64.b64encode(atomic).decode()}"}}')
    assert await refused(shop, header, offer(buyer)) == "ERR_PAYMENT_INSUFFICIENT"


async def test_a_decoy_that_spends_the_subject(shop, buyer):
    """Its ancestry is the cheap payment, so that all of it belongs into one BEEF."""
    charge = shop.till().charge(offer(buyer))
    cheap = await buyer.pay(charge, satoshis=1, change=PRICE + FEE)
    before = cheap.beef.transactions[cheap.subject].transaction
    money = Spendable(before.outpoint(1), before.outputs[1], FUNDING_KEY, Lock.P2PKH)
    decoy = signed([money], [buyer.output(charge, PRICE)], buyer.keys)
    header = buyer.header(charge, decoy, cheap.beef)
    header = PaymentHeader(header.prefix, header.suffix, header.beef, cheap.subject)
    assert await refused(shop, header, offer(buyer)) == "ERR_PAYMENT_INSUFFICIENT"


async def test_another_buyers_payment(shop, buyer):
    header = await buyer.pay(shop.till().charge(offer(buyer)))
    thief = shop.buyer("thief")
    assert await refused(shop, header, offer(thief)) == "ERR_INVALID_DERIVATION_PREFIX"
    await bring(shop.till(), header, offer(buyer))
    with pytest.raises(RefusedError, match="has paid for something already"):
        await bring(shop.till(), header, offer(thief))
    assert await shop.till().owed(thief.identity, GOOD) is None


async def test_another_buyers_prefix(shop, buyer):
    thief = shop.buyer("thief")
    header = await thief.pay(shop.till().charge(offer(buyer)))
    assert await refused(shop, header, offer(thief)) == "ERR_INVALID_DERIVATION_PREFIX"


async def test_a_prefix_for_another_good(shop, buyer):
    header = await buyer.pay(shop.till().charge(offer(buyer, good="dataset/other")))
    assert await refused(shop, header, offer(buyer)) == "ERR_INVALID_DERIVATION_PREFIX"


async def test_one_payment_for_two_goods(shop, buyer):
    header = await buyer.pay(shop.till().charge(offer(buyer)))
    await bring(shop.till(), header, offer(buyer))
    with pytest.raises(RefusedError, match="has paid for something already") as error:
        await bring(shop.till(), header, offer(buyer, good="dataset/other"))
    assert error.value.code == "ERR_PAYMENT_REUSED"


async def test_a_prefix_for_another_price(shop, buyer):
    """A quote at 10 does not become one at 1,000 by paying 1,000: and the other way round it would be a discount."""
    header = await buyer.pay(shop.till().charge(offer(buyer, price=10)), satoshis=PRICE)
    assert await refused(shop, header, offer(buyer)) == "ERR_INVALID_DERIVATION_PREFIX"


async def test_an_expired_quote(shop, buyer):
    header = await buyer.pay(shop.till().charge(offer(buyer)))
    shop.clock.now += QUOTE_SECONDS
    assert await refused(shop, header, offer(buyer)) == "ERR_INVALID_DERIVATION_PREFIX"


async def test_a_quote_whose_expiry_was_moved(shop, buyer):
    charge = shop.till().charge(offer(buyer))
    data = bytearray(base64.b64decode(charge.prefix))
    data[8:12] = b"\xff" * 4
    header = await buyer.pay(replace(charge, prefix=base64.b64encode(data).decode()))
    assert await refused(shop, header, offer(buyer)) == "ERR_INVALID_DERIVATION_PREFIX"


async def test_a_session_nonce_as_prefix(shop, buyer):
    """The reference takes any nonce of its own, such as every handshake gives away."""
    sessions = Sessions(keys=shop.keys, replays=Replays(shop.database), clock=shop.clock, randomness=shop.randomness)
    nonces = [
        (await sessions.start(buyer.identity, base64.b64encode(shop.randomness(32)).decode())).nonce,
        base64.b64encode(shop.randomness(48)).decode(),
        base64.b64encode(shop.randomness(44)).decode(),
    ]
    for nonce in nonces:
        header = await buyer.pay(replace(shop.till().charge(offer(buyer)), prefix=nonce[:128]))
        assert await refused(shop, header, offer(buyer)) == "ERR_INVALID_DERIVATION_PREFIX"


async def test_a_coin_that_was_spent_elsewhere_before(shop, buyer):
    coin = await buyer.coin(PRICE + FEE)
    await shop.ledger.submit(await shop.rival(buyer, coin))
    await shop.ledger.mine()
    header = await buyer.pay(shop.till().charge(offer(buyer)), coin=coin)
    with pytest.raises(RefusedError, match="spent its coins") as error:
        await bring(shop.till(), header, offer(buyer))
    assert error.value.code == "ERR_PAYMENT_FAILED"


async def test_two_payments_that_share_a_coin_are_one(shop, buyer):
    coin = await buyer.coin(3 * PRICE)
    one = await buyer.pay(shop.till().charge(offer(buyer)), coin=coin)
    other = await buyer.pay(shop.till().charge(offer(buyer, good="dataset/other")), coin=coin)
    taken = await asyncio.gather(
        bring(shop.till(), one, offer(buyer)),
        bring(shop.till(), other, offer(buyer, good="dataset/other")),
        return_exceptions=True,
    )
    codes = sorted(each.code if isinstance(each, RefusedError) else str(each.state) for each in taken)
    assert codes == ["ERR_PAYMENT_REUSED", "accepted"]


async def test_two_transactions_for_one_prefix_are_two_payments_only_with_two_coins(shop, buyer):
    """The prefix is not what a payment is known by, but a buyer gains nothing by paying twice."""
    charge = shop.till().charge(offer(buyer))
    first, second = await buyer.pay(charge), await buyer.pay(charge)
    for header in (first, second):
        assert (await bring(shop.till(), header, offer(buyer))).satoshis == PRICE


# What spv refuses (PROTOCOL §1), as payments: bought by it is nothing.


async def inflated(shop, buyer, charge) -> PaymentHeader:
    coin, beef = await buyer.coin(10)
    return buyer.header(charge, signed([coin], [buyer.output(charge, PRICE)], buyer.keys), beef)


async def inflated_before(shop, buyer, charge) -> PaymentHeader:
    """The money comes from nowhere one generation earlier."""
    coin, beef = await buyer.coin(10)
    rich = signed([coin], [TxOutput(Satoshis(5000), p2pkh(buyer.keys.public(FUNDING_KEY)))], buyer.keys)
    money = Spendable(rich.outpoint(0), rich.outputs[0], FUNDING_KEY, Lock.P2PKH)
    spending = signed([money], [buyer.output(charge, PRICE)], buyer.keys)
    return buyer.header(charge, spending, buyer.header(charge, rich, beef).beef)


async def duplicated(shop, buyer, charge) -> PaymentHeader:
    coin, beef = await buyer.coin(PRICE)
    return buyer.header(charge, signed([coin, coin], [buyer.output(charge, PRICE)], buyer.keys), beef)


async def unsigned(shop, buyer, charge) -> PaymentHeader:
    coin, beef = await buyer.coin(PRICE + FEE)
    return buyer.header(charge, Transaction((TxInput(coin.outpoint),), (buyer.output(charge, PRICE),)), beef)


async def another_wallets(shop, buyer, charge) -> PaymentHeader:
    coin, beef = await shop.buyer("victim").coin(PRICE + FEE)
    return buyer.header(charge, signed([coin], [buyer.output(charge, PRICE)], buyer.keys), beef)


async def non_final(shop, buyer, charge) -> PaymentHeader:
    coin, beef = await buyer.coin(PRICE + FEE)
    output = buyer.output(charge, PRICE)
    far = Transaction((TxInput(coin.outpoint, sequence=0),), (output,), lock_time=900_000)
    return buyer.header(charge, _signed_as_it_is(far, coin, buyer), beef)


async def unproven(shop, buyer, charge) -> PaymentHeader:
    """A coin that nobody has proven to exist."""
    header = await buyer.pay(charge)
    bare = {txid: replace(entry, bump=None) for txid, entry in header.beef.transactions.items()}
    return replace(header, beef=Beef((), bare))


async def forged(shop, buyer, charge) -> PaymentHeader:
    """A coin in a block of the buyer's own."""
    invented = Transaction(
        (TxInput(Transaction((), ()).outpoint(0)),), (TxOutput(Satoshis(5000), p2pkh(buyer.keys.public(FUNDING_KEY))),)
    )
    path: MerklePath = path_of([Txid(sha256(b"other").hexdigest()), invented.txid], [1], 2)
    money = Spendable(invented.outpoint(0), invented.outputs[0], FUNDING_KEY, Lock.P2PKH)
    spending = signed([money], [buyer.output(charge, PRICE)], buyer.keys)
    beef = Beef.of([path], [BeefTx(invented, 0), BeefTx(spending)])
    return PaymentHeader(charge.prefix, "c3VmZml4", beef, spending.txid)


async def a_ladder(shop, buyer, charge) -> PaymentHeader:
    """More generations without a proof than anybody needs to pay."""
    coin, beef = await buyer.coin(100_000)
    for _ in range(60):
        rest = TxOutput(Satoshis(coin.output.satoshis - 20), p2pkh(buyer.keys.public(FUNDING_KEY)))
        rung = signed([coin], [rest], buyer.keys)
        beef = buyer.header(charge, rung, beef).beef
        coin = Spendable(rung.outpoint(0), rest, FUNDING_KEY, Lock.P2PKH)
    return buyer.header(charge, signed([coin], [buyer.output(charge, PRICE)], buyer.keys), beef)


def _signed_as_it_is(transaction: Transaction, coin: Spendable, buyer) -> Transaction:
    signature = buyer.keys.sign_digest(coin.key, double_sha256(preimage(transaction, 0, coin.output)))
    unlocking = unlock_p2pkh(signature, buyer.keys.public(coin.key))
    return replace(transaction, inputs=(replace(transaction.inputs[0], unlocking=unlocking),))


@pytest.mark.parametrize(
    "made",
    [
        inflated,
        inflated_before,
        duplicated,
        unsigned,
        another_wallets,
        non_final,
        unproven,
        forged,
        a_ladder,
    ],
    ids=lambda made: made.__name__,
)
async def test_a_transaction_that_is_not_valid(shop, buyer, made):
    header = await made(shop, buyer, shop.till().charge(offer(buyer)))
    assert await refused(shop, header, offer(buyer)) == "ERR_PAYMENT_FAILED"


async def test_a_payment_that_is_double_spent_after_delivery_is_unbooked_its_receipt_revoked_and_its_payer_blocked(
    shop, buyer
):
    await open_books(shop.database)
    coin = await buyer.coin(PRICE + FEE)
    header = await buyer.pay(shop.till().charge(offer(buyer)), coin=coin)
    payment = await bring(shop.till(), header, offer(buyer), selling())
    await shop.till().delivered(payment.txid)
    assert (await row(shop, producer_consumers)).relationship_status == "active"
    await shop.ledger.replace(header.subject, await shop.rival(buyer, coin))

    shop.clock.now += 60
    (looked,) = await shop.till().settle()
    assert (looked.txid, looked.state) == (header.subject, PaymentState.UNBOOKED)
    assert "spent its coins" in looked.reason
    with pytest.raises(RefusedError, match="unbooked") as error:
        await bring(shop.till(), header, offer(buyer), selling())
    assert error.value.code == "ERR_PAYMENT_FAILED"
    stored = await shop.database.read(lambda connection: Receipts(connection).of_payment(header.subject))
    assert stored.state(int(shop.clock())) is ReceiptState.REVOKED
    assert (await row(shop, producer_revenue)).payment_status == "unbooked"
    assert (await row(shop, producer_consumers)).relationship_status == "blocked"
    assert await shop.database.read(totals) == Totals(payments=0, revenue=0, consumers=0, producer=0, goods=0)


async def test_the_same_payment_in_another_ancestry_is_the_same_payment(shop, buyer):
    """What is shown beside a transaction is not what it is known by: neither a second sale, nor a refusal."""
    await open_books(shop.database)
    coin, beef = await buyer.coin(PRICE + FEE)
    header = await buyer.pay(shop.till().charge(offer(buyer)), coin=(coin, beef))
    first = await bring(shop.till(), header, offer(buyer), selling())
    await shop.ledger.mine()
    shorter = replace(header, beef=Beef.of((), [BeefTx(header.beef.transactions[header.subject].transaction)]))
    again = await bring(shop.till(), shorter, offer(buyer), selling())
    assert again == first
    assert (await shop.database.read(totals)).payments == PRICE


async def test_terms_of_another_good_are_a_mistake_of_ours(shop, buyer):
    header = await buyer.pay(shop.till().charge(offer(buyer)))
    with pytest.raises(ValueError, match="the terms of dataset/eth for dataset/btc"):
        await bring(shop.till(), header, offer(buyer), selling(ETH))
