"""From the words of a command line to goods of proven catalogs, and from there to orders that somebody has agreed to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from reconciler.cli.asking import confirmed
from reconciler.cli.commands.consumer.ordering import Named, Paying
from reconciler.cli.commands.consumer.wishes import amount
from reconciler.cli.shopping import Buyer, checked_origin
from reconciler.cli.views.market import labelled
from reconciler.cli.views.plan_document import counted
from reconciler.consumer.discovery import Seller
from reconciler.consumer.offers import GOODS, Wish
from reconciler.consumer.offers import Order as Sorted
from reconciler.consumer.search import Found, search
from reconciler.consumer.trust import TrustedCatalog
from reconciler.model.errors import GuardError, OverlayError, RefusedError, UsageError
from reconciler.model.goods import Good
from reconciler.model.ids import IdentityKey, Kind, RecordId, identity_key
from reconciler.model.order import Order, OrderState
from reconciler.model.payment import PaymentMethod
from reconciler.wire.receipt import Receipt
from reconciler.wire.selling import Quote

_PATTERN: Final = frozenset("*?[")


_HELD: Final = frozenset({OrderState.PAID, OrderState.RECEIVED, OrderState.DONE})


@dataclass(frozen=True, slots=True)
class Wanted:
    """One good, of a producer whose catalog was proven."""

    catalog: TrustedCatalog
    good: Good


@dataclass(frozen=True, slots=True)
class _Word:
    """What one word of the command line names."""

    text: str
    producer: IdentityKey | None
    kind: Kind
    name: str

    @classmethod
    def of(cls, text: str) -> _Word:
        head, slash, tail = text.partition("/")
        producer = None
        try:
            producer = identity_key(head) if slash else None
        except ValueError:
            tail = text
        head, slash, rest = (tail if producer else text).partition("/")
        if slash and head in {kind.value for kind in GOODS}:
            return cls(text, producer, Kind(head), rest)
        return cls(text, producer, Kind.DATASET, tail if producer else text)

    @property
    def is_pattern(self) -> bool:
        return not _PATTERN.isdisjoint(self.name)

    def among(self, records: Sequence[RecordId]) -> list[RecordId]:
        return sorted(record for record in records if record.kind is self.kind and fnmatchcase(record.name, self.name))


async def wanted(buyer: Buyer, words: Sequence[str], named: Named) -> list[Wanted]:
    """The goods that are meant, each once. Raises UsageError where it is not clear whose, RefusedError where there is none."""
    found: dict[tuple[IdentityKey, RecordId], Wanted] = {}
    choice = _Choice(buyer, named)
    for text in words:
        word = _Word.of(text)
        for catalog, record in await choice.of(word):
            found.setdefault((catalog.producer, record), Wanted(catalog, Good(record, named.quantity)))
    return list(found.values())


class _Choice:
    """Whose goods are meant: asks each producer once."""

    def __init__(self, buyer: Buyer, named: Named) -> None:
        self._buyer = buyer
        self._named = named
        self._sellers: tuple[Seller, ...] | None = None
        self._catalogs: dict[str, TrustedCatalog] = {}

    async def of(self, word: _Word) -> list[tuple[TrustedCatalog, RecordId]]:
        """The records that a word names."""
        where = word.producer or await self._provider()
        if where is None:
            return await self._anywhere(word)
        catalog = await self._catalog(where)
        records = word.among(list(catalog.records))
        if not records:
            raise RefusedError(
                f"{catalog.root.document.name} has nothing that is called {word.kind}/{word.name}",
                where=catalog.producer,
                hint="`overlay consumer search` shows what there is; --provider names another producer",
            )
        return [(catalog, record) for record in records]

    async def _anywhere(self, word: _Word) -> list[tuple[TrustedCatalog, RecordId]]:
        """What any producer has; the cheapest one's where that is wanted, and several have the same."""
        found = search(await self._market(), Wish(kind=word.kind), name=word.name, order=Sorted.PRICE)
        if not found:
            raise RefusedError(
                f"nobody offers {word.kind}/{word.name}", hint="`overlay consumer search` shows what there is"
            )
        chosen: dict[RecordId, Found] = {}
        for each in found:
            chosen.setdefault(each.offer.id, each)
        if len(chosen) < len(found) and not self._named.cheapest:
            sellers = ", ".join(labelled({each.seller.identity: each.seller for each in found}.values()))
            raise UsageError(
                f"several producers offer {word.text}: {sellers}",
                hint="--provider KEY says whose, --cheapest takes the cheapest",
            )
        return [(await self._catalog(each.seller.identity), each.offer.id) for each in chosen.values()]

    async def _provider(self) -> str | None:
        """The key or URL of whoever is meant where a word does not say; None for anybody."""
        named = self._named.provider
        if named is None:
            return self._buyer.market.gateway
        try:
            return identity_key(named)
        except ValueError:  # not a key: a URL, or a name
            pass
        if "://" in named:
            return checked_origin(named, self._buyer.market.network)
        sellers = [seller for seller in await self._market() if seller.name == named]
        if len(sellers) == 1:
            return sellers[0].identity
        if sellers:
            keys = ", ".join(seller.identity for seller in sellers)
            raise UsageError(f"several producers are called {named}: {keys}", hint="name one by its key")
        raise RefusedError(f"no producer is called {named}", hint="`overlay consumer discover` shows who there is")

    async def _market(self) -> tuple[Seller, ...]:
        if self._sellers is None:
            self._sellers = (await self._buyer.market.discovery().market(Wish())).sellers
        return self._sellers

    async def _catalog(self, where: str) -> TrustedCatalog:
        if where not in self._catalogs:
            catalog = await self._buyer.consumer.catalog(where)
            self._buyer.warn(catalog.doubts)
            self._catalogs[where] = catalog
        return self._catalogs[where]


async def held(buyer: Buyer, want: Wanted, now: int) -> Order | None:
    """The newest order whose receipt still holds for this very version; None where it is to be bought."""
    version = want.catalog.records[want.good.record]
    for order in reversed(await buyer.consumer.orders()):
        is_same = (order.producer, order.good, order.document) == (want.catalog.producer, want.good, version)
        if is_same and order.state in _HELD and _holds(order, now):
            return order
    return None


def _holds(order: Order, now: int) -> bool:
    return order.receipt is not None and Receipt.from_bytes(order.receipt).allowance.until > now


async def agree(buyer: Buyer, paying: Paying, quotes: Sequence[Quote]) -> None:
    """Have somebody agree to what is to be paid: --yes, a price that was allowed before, or a person.

    Raises GuardError above what is allowed, or where a person says no; UsageError where there is nobody to ask.
    """
    most = amount(paying.max_price) if paying.max_price is not None else amount(buyer.market.settings.max_price)
    for quote in quotes:
        if most is not None and quote.satoshis > most:
            raise GuardError(
                f"{quote.good} costs {quote.satoshis:,} satoshis, and at most {most:,} are allowed",
                hint="--max-price allows more",
                guards=("max-price",),
            )
    total = sum(quote.satoshis for quote in quotes)
    if paying.yes or most is not None or not total:
        return
    what = f"{total:,} satoshis for {counted(len(quotes), 'good')}"
    if not buyer.console.interactive:
        raise UsageError(
            f"it costs {what}, and there is nobody to ask",
            hint="--yes pays what is quoted, --max-price SAT up to so much for each",
        )
    if not await confirmed(f"Pay {what}?"):
        raise GuardError("nothing was paid", guards=("consent",))


@dataclass(frozen=True, slots=True)
class Chosen:
    """A good that is to be had: by an order that was paid before, or by one that is to be made."""

    want: Wanted
    order: Order | None = None
    quote: Quote | None = None


async def chosen(buyer: Buyer, wants: Sequence[Wanted], paying: Paying, *, now: int) -> list[Chosen | OverlayError]:
    """How each good is to be had, or why not; what has to be paid was agreed to. Raises as `agree` does."""
    found = [await _choice(buyer, want, now) for want in wants]
    await agree(buyer, paying, [each.quote for each in found if isinstance(each, Chosen) and each.quote is not None])
    return found


async def _choice(buyer: Buyer, want: Wanted, now: int) -> Chosen | OverlayError:
    try:
        order = await held(buyer, want, now)
        is_asked = order is None and not await _is_free(buyer, want)
        return Chosen(want, order, await buyer.consumer.quote(want.catalog, want.good) if is_asked else None)
    except OverlayError as error:
        return error


async def _is_free(buyer: Buyer, want: Wanted) -> bool:
    """Whether its content lies open in storage: then nobody is asked for a price."""
    content = (await buyer.consumer.document(want.catalog, want.good.record)).content
    return content is not None and content.key_commitment is None


async def paid(buyer: Buyer, each: Chosen | OverlayError, paying: Paying) -> Order:
    """The order of a good, paid. Raises what is wrong with it."""
    if isinstance(each, OverlayError):
        raise each
    if each.order is not None:
        return each.order
    return await buyer.consumer.buy(
        each.want.catalog,
        each.want.good,
        max_price=None if each.quote is None else each.quote.satoshis,
        method=None if paying.method is None else PaymentMethod(paying.method),
        quoted=each.quote,
    )
