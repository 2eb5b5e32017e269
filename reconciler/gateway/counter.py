"""All that is sold over, put together: quotes, access and memberships by a payment that comes along, and native payments."""

from __future__ import annotations

from collections.abc import Callable

from starlette.routing import Route

from reconciler.gateway.access import Access
from reconciler.gateway.audit import Audit
from reconciler.gateway.delivery import Delivery
from reconciler.gateway.direct import OpenSale
from reconciler.gateway.native import native_routes
from reconciler.gateway.ports import DirectSale, GatewayKeys
from reconciler.gateway.quotes import Quotes
from reconciler.gateway.shop import Shop
from reconciler.payments.native import NativeSales
from reconciler.payments.till import Till
from reconciler.store.database import Database
from reconciler.web.brc121 import SimplePaywall
from reconciler.web.paywall import Paywall, Read


class Counter:
    """The counter of a gateway that sells. `keys` are its own, which the `till` has, too; `read` reads payments that come along."""

    def __init__(
        self,
        shop: Shop,
        till: Till,
        delivery: Delivery,
        *,
        database: Database,
        keys: GatewayKeys,
        randomness: Callable[[int], bytes],
        audit: Audit,
        read: Read,
    ) -> None:
        self._quotes = Quotes(shop, till, database=database, gateway=keys.identity, audit=audit)
        self._access = Access(
            shop=shop,
            paywall=Paywall(till, read=read),
            delivery=delivery,
            database=database,
            keys=keys,
            clock=shop.clock,
            randomness=randomness,
            audit=audit,
        )
        native = NativeSales(database=database, till=till, keys=keys, counter=shop, clock=shop.clock)
        self._native = native_routes(native, database, keys.identity, audit)

        self.open_sale: DirectSale = OpenSale(
            shop=shop,
            paywall=SimplePaywall(till, seller=keys.identity, clock=shop.clock),
            database=database,
            keys=keys,
            randomness=randomness,
            audit=audit,
        )
        """How small content is bought by asking for it without having signed the request."""

    @property
    def sale(self) -> DirectSale:
        """How small content is bought by asking for it, by those who have signed the request."""
        return self._access

    def routes(self) -> list[Route]:
        """What stands under /v1."""
        return [*self._quotes.routes(), *self._access.routes(), *self._native]
