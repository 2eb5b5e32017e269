"""What a gateway answers to those who buy (DESIGN §5): producer, catalog, quote, access, template, receipts.

Form is checked here, and sizes; fields that are not known are left alone, so that a newer gateway can say more. Whether any
of it is true is for the buyer to find out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from reconciler.model.amounts import MAX_SATOSHIS, Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.goods import Good, sold_id
from reconciler.model.ids import Digest, IdentityKey, Kind, Outpoint, RecordId, digest, identity_key
from reconciler.model.json import Json, JsonObject
from reconciler.model.payment import PaymentMethod
from reconciler.wire.state_root import Leaf
from reconciler.wire.tender import check_derivation
from reconciler.wire.transaction import TxOutput
from reconciler.wire.uhrp import location_fault

MAX_OUTPUTS: Final = 100
"""Of a template."""
MAX_RECORDS: Final = 500
"""On a page of the catalog."""
MAX_RECEIPTS: Final = 1000
"""Of one payment."""
_MAX_KEY: Final = 1024
_MAX_BEEF: Final = 1 << 21
_MAX_URLS: Final = 16
_MAX_SCRIPT: Final = 100
"""Bytes of one output's: the payer has a fee to pay for each, which no price names."""
_MAX_CURSOR: Final = 1024
_TIMES: Final = range(1 << 33)
_COUNTS: Final = range(1, 1 << 31)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerFacts:
    """Whom a gateway says that it sells for, by which root."""

    identity: IdentityKey
    root: Outpoint
    generation: int
    document: Digest
    """The hash of the root document."""


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """One page of a gateway's catalog; `next` is the cursor to the next one."""

    leaves: tuple[Leaf, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What one buyer is asked for one good."""

    id: str
    """The BRC-105 derivation prefix of the price; empty where nothing is to be paid."""
    good: Good
    document: Digest
    """The version that is sold."""
    satoshis: Satoshis
    list_satoshis: Satoshis
    """Before tier and discount."""
    tier: str | None
    credit: Satoshis
    """What the gateway owes the buyer, and takes into account."""
    expires: int
    """Unix seconds."""
    recipient: IdentityKey
    methods: frozenset[PaymentMethod]
    """By which it may be paid, as far as we know them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a buyer is given for a payment: a receipt, the key encrypted to him, and where the plaintext is."""

    receipt: JsonObject | None
    """As signed; None for what is free."""
    key: bytes | None
    """None for what is free, and for a membership, which is the receipt itself."""
    urls: tuple[str, ...]
    """Whole, or paths at the gateway."""
    expires: int
    """When the URLs do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeTemplate:
    """Which outputs a native payment begins with, in order."""

    id: Digest
    expires: int
    satoshis: Satoshis
    outputs: tuple[TxOutput, ...]
    own: tuple[int, ...]
    """Which of them are said to pay the gateway itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptStanding:
    """How a receipt stands with the gateway that gave it."""

    receipt: JsonObject
    state: str
    downloads: int
    """That were used."""
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """What becomes of a payment that is given back. Where it is a transaction, it pays a key of BRC-29 with the gateway as sender."""

    state: str
    """`waiting`, `credited`, or the transaction's."""
    credit: Satoshis
    """What the gateway owes instead."""
    beef: bytes | None = None
    """Atomic; shows the transaction."""
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a payment: receipts, or that it is given back."""

    receipts: tuple[JsonObject, ...]
    """As signed."""
    refund: Refund | None


def parse_producer(value: Json) -> ProducerFacts:
    """Read what `GET /v1/producer` answers. Raises VerificationError."""
    match value:
        case {
            "identityKey": str(identity),
            "outpoint": str(root),
            "generation": int(generation),
            "documentHash": str(document),
        } if not isinstance(generation, bool) and generation in _COUNTS:
            return _checked(
                "the producer",
                lambda: ProducerFacts(
                    identity=identity_key(identity),
                    root=Outpoint.parse(root),
                    generation=generation,
                    document=digest(document),
                ),
            )
    raise VerificationError("the gateway does not say who the producer is")


def parse_catalog(value: Json) -> CatalogPage:
    """Read a page of `GET /v1/catalog`, as far as the state root covers it. Raises VerificationError."""
    match value:
        case {"records": list(records), "next": (str() | None) as following} if len(records) <= MAX_RECORDS:
            if following is not None and not 0 < len(following) <= _MAX_CURSOR:
                raise VerificationError("the cursor of the catalog is no cursor")
            return CatalogPage(tuple(_leaf(record) for record in records), following)
    raise VerificationError("the catalog is not a page of records")


def parse_quote(value: Json) -> Quote:
    """Read what `POST /v1/quotes` answers. Raises VerificationError."""
    match value:
        case {
            "id": str(name),
            "kind": str(kind),
            "name": str(record),
            "documentHash": str(document),
            "recipient": str(recipient),
            "methods": list(methods),
            **rest,
        }:
            satoshis = _amount(rest, "satoshis")
            quote = _checked(
                "the quote",
                lambda: Quote(
                    id=name,
                    good=Good(sold_id(kind, record), _number(rest, "quantity", _COUNTS)),
                    document=digest(document),
                    satoshis=satoshis,
                    list_satoshis=_amount(rest, "listSatoshis"),
                    tier=_text(rest, "tier"),
                    credit=_amount(rest, "credit"),
                    expires=_number(rest, "expires", _TIMES),
                    recipient=identity_key(recipient),
                    methods=_methods(methods),
                ),
            )
            if satoshis:
                _checked("the quote", lambda: check_derivation(name, "prefix"))
            return quote
    raise VerificationError("the gateway does not answer a quote")


def parse_access(value: Json) -> Access:
    """Read what a paid `POST /v1/datasets/…/access` answers. Raises VerificationError."""
    match value:
        case {"receipt": receipt, "key": (str() | None) as key, "urls": list(urls), **rest}:
            if receipt is not None and not isinstance(receipt, Mapping):
                raise VerificationError("the receipt is no JSON object")
            return Access(
                receipt=receipt,
                key=None if key is None else _base64(key, "key"),
                urls=_urls(urls),
                expires=_number(rest, "expires", _TIMES),
            )
        case {"receipt": {} as receipt, **rest} if not rest.keys() & {"key", "urls"}:
            return Access(receipt=receipt, key=None, urls=(), expires=0)
    raise VerificationError("the gateway does not answer with access")


def parse_template(value: Json) -> NativeTemplate:
    """Read what `POST /v1/payments/templates` answers. Raises VerificationError where its outputs do not add up."""
    match value:
        case {"id": str(name), "outputs": list(outputs), **rest} if 0 < len(outputs) <= MAX_OUTPUTS:
            made = tuple(_output(output) for output in outputs)
            satoshis = _amount(rest, "satoshis")
            if sum(output.satoshis for output in made) != satoshis:
                raise VerificationError("the outputs of the template do not add up to its price")
            own = tuple(
                index
                for index, output in enumerate(outputs)
                if isinstance(output, Mapping) and output.get("to") == "producer"
            )
            return NativeTemplate(
                id=_checked("the template", lambda: digest(name)),
                expires=_number(rest, "expires", _TIMES),
                satoshis=satoshis,
                outputs=made,
                own=own,
            )
    raise VerificationError("the gateway does not answer a template")


def parse_paid(value: Json) -> Outcome:
    """Read what `POST /v1/payments` answers. Raises VerificationError."""
    match value:
        case {"receipt": {} as receipt}:
            return Outcome(receipts=(receipt,), refund=None)
        case {"receipt": None, **rest}:
            return Outcome(receipts=(), refund=_refund(rest.get("refund")))
    raise VerificationError("the gateway answers a payment with neither a receipt nor a refund")


def parse_standing(value: Json) -> ReceiptStanding:
    """Read what `GET /v1/receipts/…` answers. Raises VerificationError."""
    match value:
        case {"receipt": {} as receipt, "state": str(state), "used": {} as used} if len(state) <= 40:
            return ReceiptStanding(
                receipt=receipt,
                state=state,
                downloads=_number(used, "downloads", range(1 << 53)),
                bytes=_number(used, "bytes", range(1 << 53)),
            )
    raise VerificationError("the gateway does not say how the receipt stands")


def parse_receipts(value: Json) -> Outcome:
    """Read what `GET /v1/receipts?txid=` answers. Raises VerificationError."""
    match value:
        case {"receipts": list(receipts), **rest} if len(receipts) <= MAX_RECEIPTS:
            found = tuple(parse_standing(receipt).receipt for receipt in receipts)
            refund = _refund(rest["refund"]) if rest.get("refund") is not None else None
            return Outcome(receipts=found, refund=refund)
    raise VerificationError("the gateway does not answer a list of receipts")


def _refund(value: object) -> Refund:
    """One that is not decided yet is not there."""
    match value:
        case None:
            return Refund(state="waiting", credit=Satoshis(0))
        case {
            "state": str(state),
            "beef": str(beef),
            "derivationPrefix": str(prefix),
            "derivationSuffix": str(suffix),
            **rest,
        }:
            for text, what in ((prefix, "prefix"), (suffix, "suffix")):
                _checked("the refund", partial(check_derivation, text, what))
            shown = _base64(beef, "refund", most=_MAX_BEEF)
            return Refund(state=state, credit=_amount(rest, "credit"), beef=shown, prefix=prefix, suffix=suffix)
        case {"state": str(state), **rest}:
            return Refund(state=state, credit=_amount(rest, "credit"))
    raise VerificationError("the gateway says of a refund what is none")


def _leaf(record: Json) -> Leaf:
    match record:
        case {"kind": str(kind), "name": str(name), "documentHash": str(document)}:
            return _checked("a record of the catalog", lambda: Leaf(RecordId(Kind(kind), name), digest(document)))
    raise VerificationError("the catalog has an entry that is no record")


def _methods(methods: list[Json]) -> frozenset[PaymentMethod]:
    """Those that we know: a newer gateway may take more."""
    named = {each.get("method") for each in methods if isinstance(each, Mapping)}
    return frozenset(method for method in PaymentMethod if method in named)


def _output(value: Json) -> TxOutput:
    match value:
        case {"script": str(script), **rest} if 0 < len(script) <= 2 * _MAX_SCRIPT:
            satoshis = _amount(rest, "satoshis")
            if not satoshis:
                raise VerificationError("an output of the template has no satoshis")
            return _checked("an output of the template", lambda: TxOutput(satoshis, bytes.fromhex(script)))
    raise VerificationError("an output of the template is none")


def _urls(urls: list[Json]) -> tuple[str, ...]:
    if len(urls) > _MAX_URLS:
        raise VerificationError(f"the gateway names more than {_MAX_URLS} URLs")
    return tuple(_url(url) for url in urls)


def _url(url: Json) -> str:
    """A path at the gateway, or a URL by which content may be said to lie (wire.uhrp)."""
    if not isinstance(url, str):
        raise VerificationError("a URL of the gateway's is no text")
    is_path = url.startswith("/") and not url.startswith("//")
    fault = location_fault(f"https://gateway.example{url}" if is_path else url, plain_http=True)
    if fault:
        raise VerificationError(f"a URL of the gateway's {fault}")
    return url


def _base64(text: str, what: str, *, most: int = _MAX_KEY) -> bytes:
    if len(text) > most:
        raise VerificationError(f"the {what} is longer than {most} characters")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError(f"the {what} is not base64") from error


def _amount(value: Mapping[Any, Any], name: str) -> Satoshis:
    return Satoshis(_number(value, name, range(MAX_SATOSHIS + 1)))


def _number(value: Mapping[Any, Any], name: str, among: range) -> int:
    found = value.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or found not in among:
        raise VerificationError(f"{name!r} of the gateway's answer is no number that can be")
    return found


def _text(value: Mapping[Any, Any], name: str) -> str | None:
    found = value.get(name)
    if found is not None and (not isinstance(found, str) or len(found) > 100):
        raise VerificationError(f"{name!r} of the gateway's answer is no text")
    return found


def _checked(what: str, make: Callable[[], T]) -> T:
    """Where a constructor's ValueError about a stranger's words becomes a VerificationError."""
    try:
        return make()
    except ValueError as error:
        raise VerificationError(f"{what} is wrong: {error}") from error
