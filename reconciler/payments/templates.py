"""A native payment as it is to be made: which outputs, for one buyer, by one quote (D21, PROTOCOL §7).

A template's id is the hash of what it says, and names the keys of its outputs: prefix = id, suffix = the output's index, both
of BRC-29. Ours is paid by the buyer as sender; a payee's has the gateway as sender, so that the payee can spend it knowing
the gateway's identity key, the id and the index. The id cannot cover the scripts, since they follow from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Digest, IdentityKey
from reconciler.model.json import Json
from reconciler.model.keys import KeyRef, payment_key
from reconciler.payments.conditions import Share
from reconciler.payments.quote import Offer
from reconciler.store.terms import Portion
from reconciler.wire.canonical import Cbor, canonical_cbor, sha256_hex
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import TxOutput

EXPIRY_SECONDS: Final = 24 * 3600
"""For how long a template may be paid, where the rule does not say."""

_PURPOSE: Final = "native payment template 1"


class Deriver(Protocol):
    """The gateway's keys, as far as outputs are made out to it and to payees."""

    @property
    def identity(self) -> IdentityKey:
        """Who is paid, and who is the sender to payees."""
        ...

    def public(self, key: KeyRef) -> IdentityKey:
        """The public half of a child key of the gateway's."""
        ...

    def public_for(self, key: KeyRef) -> IdentityKey:
        """The counterparty's half of a child key."""
        ...


@dataclass(frozen=True, slots=True)
class TemplateOutput:
    """One output: who gets how much, and the script that it must have."""

    payee: IdentityKey
    output: TxOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The first outputs of the transaction that is the payment, in order. `expires` is in unix seconds."""

    id: Digest
    gateway: IdentityKey
    offer: Offer
    quote: str
    """The quote's id, by which the price was promised."""
    expires: int
    outputs: tuple[TemplateOutput, ...]

    @property
    def own(self) -> int | None:
        """The index of the output that pays us; None where all of it goes to payees."""
        return next((index for index, each in enumerate(self.outputs) if each.payee == self.gateway), None)

    @property
    def satoshis(self) -> Satoshis:
        """All outputs together: the price."""
        return self.offer.price

    def key(self, index: int) -> KeyRef:
        """How the key of an output is named by whoever it pays: by us towards the buyer, by a payee towards us."""
        payee = self.outputs[index].payee
        return payment_key(self.id, str(index), self.offer.buyer if payee == self.gateway else self.gateway)

    @property
    def shares(self) -> tuple[Share, ...]:
        """The outputs as payments/check.py holds a transaction against them: each to the satoshi, each once."""
        return tuple(Share(index, each.output.satoshis, each.output.locking) for index, each in enumerate(self.outputs))

    def to_json(self) -> dict[str, Json]:
        """As a buyer is given it. Who the payees are is sealed in the root: a buyer learns that there are some."""
        outputs: Sequence[Json] = [
            {
                "satoshis": each.output.satoshis,
                "script": each.output.locking.hex(),
                "to": "producer" if each.payee == self.gateway else "payee",
            }
            for each in self.outputs
        ]
        return {"id": self.id, "expires": self.expires, "satoshis": self.satoshis, "outputs": outputs}


def template_of(offer: Offer, *, quote: str, portions: Sequence[Portion], expires: int, keys: Deriver) -> Template:
    """The template of an offer, with the outputs that `portions` say, which add up to its price. The same again is the same.

    Raises ValueError where they do not, or a payee's identity key is no point of the curve.
    """
    if sum(portion.satoshis for portion in portions) != offer.price:
        raise ValueError("the outputs of a template add up to its price")
    shares: Sequence[Cbor] = [[bytes.fromhex(portion.payee), portion.satoshis] for portion in portions]
    parties: Sequence[Cbor] = [bytes.fromhex(keys.identity), bytes.fromhex(offer.buyer)]
    name = sha256_hex(canonical_cbor([_PURPOSE, *parties, offer.good, offer.price, quote, expires, shares]))
    outputs = tuple(
        TemplateOutput(
            portion.payee, TxOutput(portion.satoshis, _script(name, index, portion.payee, offer.buyer, keys))
        )
        for index, portion in enumerate(portions)
    )
    return Template(id=name, gateway=keys.identity, offer=offer, quote=quote, expires=expires, outputs=outputs)


def _script(name: Digest, index: int, payee: IdentityKey, buyer: IdentityKey, keys: Deriver) -> bytes:
    if payee == keys.identity:
        return p2pkh(keys.public(payment_key(name, str(index), buyer)))
    return p2pkh(keys.public_for(payment_key(name, str(index), payee)))
