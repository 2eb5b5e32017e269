"""A seller by BRC-121 and buyers for it, beside those of tests/paying.py."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.model.amounts import Satoshis
from reconciler.model.keys import FUNDING_KEY, payment_key
from reconciler.wallet.signing import signed
from reconciler.web.brc121 import SimplePaywall
from reconciler.web.paywall import Paid
from reconciler.wire.auth import encoded
from reconciler.wire.brc121 import NONCE_BYTES, Price, SimplePayment, suffix_of
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction, TxOutput
from tests.paying import FEE, PRICE, Buyer, Shop

SIMPLE = "http://simple.embedded"


class SimpleBuyer(Buyer):
    """Satisfies clients.brc121.SimplePayer."""

    def __init__(self, shop: Shop, name: str = "simple buyer") -> None:
        super().__init__(shop.ledger, f"{shop._name} {name}")
        self._shop = shop
        self.made: list[SimplePayment] = []

    async def pay(
        self, price: Price, *, satoshis: int | None = None, vout: int = 0, coin=None, late: float = 0.0
    ) -> SimplePayment:
        """A payment by output `vout`, whose time is `late` seconds behind; outputs before it are change."""
        amount = price.satoshis if satoshis is None else satoshis
        nonce = encoded(self._shop.randomness(NONCE_BYTES))
        time = int((self._shop.clock() - late) * 1000)
        money, beef = coin or await self.coin(amount + FEE + 10 * vout)
        theirs = p2pkh(self.keys.public_for(payment_key(nonce, suffix_of(time), price.server)))
        change = TxOutput(Satoshis(10), p2pkh(self.keys.public(FUNDING_KEY)))
        outputs = [*[change] * vout, TxOutput(Satoshis(amount), theirs)]
        transaction = signed([money], outputs, self.keys)
        payment = self.shown(transaction, beef, nonce=nonce, time=time, vout=vout)
        self.made.append(payment)
        return payment

    def shown(self, transaction: Transaction, beef, *, nonce: str, time: int, vout: int = 0) -> SimplePayment:
        header = self.header(_PREFIX, transaction, beef)
        return SimplePayment(
            sender=self.identity, nonce=nonce, time=time, vout=vout, beef=header.beef, subject=header.subject
        )


class _Prefixed:
    prefix = "AAAA"


_PREFIX = _Prefixed()


class SimpleCounter:
    """A server that sells by BRC-121; what it was asked to serve."""

    def __init__(self, shop: Shop, *, prices=None, **more) -> None:
        self.shop = shop
        self.prices = prices or {}
        self.price = PRICE
        self.keeps = False
        """Whether it serves without saying so."""
        self.served: list[Paid] = []
        self.paywall = SimplePaywall(shop.till(**more), seller=shop.keys.identity, clock=shop.clock)
        self.app = Starlette(routes=[Route("/{name:path}", self.sell, methods=["GET", "POST"])])
        shop.http.mount(SIMPLE, self.app)

    async def sell(self, request: Request) -> Response:
        path = request.url.path
        price = Satoshis(self.prices.get(path, self.price))
        admitted = await self.paywall.admit(request, f"dataset{path}", price)
        if isinstance(admitted, Response):
            return admitted
        self.served.append(admitted)
        answer = JSONResponse({"goods": admitted.payment})
        return answer if self.keeps else self.paywall.deliver(admitted, answer)
