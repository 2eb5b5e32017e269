"""By which methods a good is paid, and when a payment is good enough: the PaymentRules of the live root. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Self, TypeAlias

from reconciler.gateway.settings import amount, length, read_setting
from reconciler.model.amounts import MAX_SATOSHIS, Satoshis
from reconciler.model.errors import StateError, VerificationError
from reconciler.model.ids import IdentityKey, SettingKind
from reconciler.model.json import Json, JsonObject
from reconciler.model.payment import Accept
from reconciler.model.vocabulary import ArcPreset, Way
from reconciler.payments.conditions import QUOTE_SECONDS
from reconciler.payments.splits import Split, splits_of
from reconciler.payments.templates import EXPIRY_SECONDS
from reconciler.payments.verdict import Policy
from reconciler.wire.fields import Fields, read_object

_LEAST: Final = Satoshis(1)
_MOST: Final = Satoshis(MAX_SATOSHIS)


_Splits: TypeAlias = Callable[[Json], tuple[Split, ...]]
"""What a rule's `splits` come to."""


@dataclass(frozen=True, slots=True)
class Arc:
    """A transaction processor of the producer's choice; `key` is where this machine has its API key: {env} or {file}."""

    name: str
    url: str
    key: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """Payment with the request that it pays for."""

    min: Satoshis = _LEAST
    """The smallest payment taken: what costs less is sold for this."""
    max: Satoshis = _MOST
    """The largest payment taken."""
    window: int = QUOTE_SECONDS
    """Seconds for which a quoted price holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """Payment by a transaction made from a template."""

    arc: tuple[ArcPreset | Arc, ...] = ()
    """Who processes transactions, the first that answers; none named: those of the network."""
    splits: tuple[Split, ...]
    """Shares that add up to exactly 1; the producer's is this gateway's, which settles."""
    template_seconds: int = EXPIRY_SECONDS
    """For how long a template may be paid."""


@dataclass(frozen=True, slots=True)
class Routing:
    """Which way is offered for which amount: from `threshold` satoshis on, `large`."""

    threshold: Satoshis
    small: Way
    large: Way


@dataclass(frozen=True, slots=True)
class Settle:
    """When what was earned is moved on: as soon as `above` satoshis came together, after `every` seconds."""

    above: Satoshis | None
    every: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One PaymentRule. A way that is None is not taken; at least one is there."""

    http: Http | None = None
    native: Native | None = None
    routing: Routing | None = None
    """There where both ways are."""
    seen: Satoshis | None = None
    """Up to here it is enough that the network has seen a payment; None: up to `http.max`."""
    settle: Settle | None = None

    def way(self, price: Satoshis) -> Way | None:
        """How so much is paid; None where it is more than is taken that way."""
        if self.routing is not None:
            way = self.routing.small if price < self.routing.threshold else self.routing.large
        else:
            way = Way.HTTP if self.http is not None else Way.NATIVE
        return None if way is Way.HTTP and self.http is not None and price > self.http.max else way

    @property
    def policy(self) -> Policy:
        """When a payment is good."""
        limit = self.seen
        if limit is None:
            limit = _MOST if self.http is None else self.http.max
        return Policy(Accept.SEEN, limit)

    @property
    def window(self) -> int:
        """Seconds for which a quoted price holds."""
        return QUOTE_SECONDS if self.http is None else self.http.window


ANY_AMOUNT: Final = Rule(http=Http())
"""What holds for a good for which nothing was said."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The PaymentRules of one generation, unread: one that cannot be read stops the goods that it is for, and no others."""

    named: Mapping[str, JsonObject]
    default: Json
    """The name of the rule of goods that name none; None where there is none."""
    payees: Json
    """As the Producer's sealed fields have them."""
    ourselves: IdentityKey
    """The gateway, which takes what is the producer's."""

    @classmethod
    def of(cls, settings: Mapping[str, JsonObject], producer: JsonObject, ourselves: IdentityKey) -> Self:
        """From the root's settings by `kind/name`, the Producer's own sealed fields, and the gateway's identity key."""
        prefix = f"{SettingKind.PAYMENT_RULE}/"
        named = {
            address.removeprefix(prefix): value for address, value in settings.items() if address.startswith(prefix)
        }
        defaults = producer.get("defaults")
        default = defaults.get("paymentRule") if isinstance(defaults, Mapping) else None
        return cls(named, default, producer.get("payees", {}), ourselves)

    def of_record(self, sealed: JsonObject) -> Rule:
        """The rule for a record with these sealed fields: its own, inline or by name, else the default. Raises StateError."""
        return self._chosen(sealed.get("paymentRule", self.default))

    def default_rule(self) -> Rule:
        """The rule for what is no record's: memberships. Raises StateError."""
        return self._chosen(self.default)

    def all(self) -> tuple[Rule, ...]:
        """Those that can be read, the default first."""
        names = sorted(self.named, key=lambda name: (name != self.default, name))
        found = []
        for name in names:
            with suppress(StateError):  # it stops the goods that it is for
                found.append(self._chosen(name))
        return tuple(found)

    def _chosen(self, choice: Json) -> Rule:
        if choice is None:
            return ANY_AMOUNT
        if not isinstance(choice, str):
            return self._read(choice, "a payment rule in a record")
        if choice not in self.named:
            raise StateError(f"the root has no payment rule {choice!r}, which a good of it names")
        return self._read(self.named[choice], f"the payment rule {choice!r}")

    def _read(self, value: Json, what: str) -> Rule:
        return read_setting(
            value, what, partial(_rule, splits=partial(splits_of, payees=self.payees, ourselves=self.ourselves))
        )


def settle_of(rules: Rules) -> Settle | None:
    """When this gateway settles: it has one purse, so that of several rules the first that says so decides."""
    return next((rule.settle for rule in rules.all() if rule.settle is not None), None)


def arcs_of(rules: Rules) -> tuple[ArcPreset | Arc, ...]:
    """The transaction processors of all rules, each once, in their order; none where no rule names one."""
    named = (arc for rule in rules.all() if rule.native is not None for arc in rule.native.arc)
    found: list[ArcPreset | Arc] = []
    for arc in named:
        if arc not in found:
            found.append(arc)
    return tuple(found)


def _rule(fields: Fields, *, splits: _Splits) -> Rule:
    rule = Rule(
        http=fields.given("http", lambda name: fields.nested(name, _http)),
        native=fields.given("native", lambda name: fields.nested(name, partial(_native, splits=splits))),
        routing=fields.given("routing", lambda name: fields.nested(name, _routing)),
        seen=fields.given("accept", lambda name: fields.nested(name, lambda accept: amount(accept, "seen"))),
        settle=fields.given("settle", lambda name: fields.nested(name, _settle)),
    )
    taken = {way for way, method in ((Way.HTTP, rule.http), (Way.NATIVE, rule.native)) if method is not None}
    routed = {rule.routing.small, rule.routing.large} if rule.routing is not None else taken
    if not taken or not routed <= taken or (len(taken) == 2 and rule.routing is None):
        raise VerificationError("it does not say by which way an amount is paid")
    return rule


def _http(fields: Fields) -> Http:
    least, most = fields.given("min", partial(amount, fields)), fields.given("max", partial(amount, fields))
    window = fields.given("window", partial(length, fields))
    http = Http(
        min=max(_LEAST, least or _LEAST),
        max=_MOST if most is None else most,
        window=QUOTE_SECONDS if window is None else window,
    )
    if http.min > http.max:
        raise VerificationError(f"the smallest payment, {http.min}, is above the largest, {http.max}")
    return http


def _native(fields: Fields, *, splits: _Splits) -> Native:
    expiry = fields.given("templateExpiry", partial(length, fields))
    arcs = fields.given("arc", fields.array)
    return Native(
        arc=tuple(map(_arc, arcs or ())),
        splits=splits(fields.given("splits", lambda name: list(fields.array(name)))),
        template_seconds=EXPIRY_SECONDS if expiry is None else expiry,
    )


def _arc(value: Json) -> ArcPreset | Arc:
    if isinstance(value, str):
        try:
            return ArcPreset(value)
        except ValueError:
            raise VerificationError(f"no transaction processor is known as {value!r:.40}") from None
    return read_object(value, "a transaction processor", _own_arc)


def _own_arc(fields: Fields) -> Arc:
    key = fields.given("key", fields.json_object) or {}
    return Arc(fields.text("name"), fields.text("url"), {name: str(where) for name, where in key.items()})


def _routing(fields: Fields) -> Routing:
    return Routing(amount(fields, "threshold"), fields.parsed("small", Way), fields.parsed("large", Way))


def _settle(fields: Fields) -> Settle:
    return Settle(fields.given("above", partial(amount, fields)), fields.given("every", partial(length, fields)))
