"""What a gateway answers at GET /v1/settlements: coins for whoever asks, each with all that it takes to spend it (PROTOCOL §5).

What stands here is the gateway's word. That a coin is there, and is the reader's, shows the transaction and the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconciler.model.amounts import Satoshis, satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey, Outpoint, identity_key, txid
from reconciler.model.json import Json
from reconciler.model.keys import KeyRef
from reconciler.wire.beef import Beef, parse_beef
from reconciler.wire.fields import Fields, read_object

MOST: Final = 1000
"""Coins of one answer that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One coin. `height` is that of the block which proves it, None as long as none does."""

    outpoint: Outpoint
    satoshis: Satoshis
    key: KeyRef
    """As the reader names it."""
    state: str
    height: int | None
    beef: Beef


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledPage:
    """One answer. `next` is what to ask for the rest with; None at the end."""

    coins: tuple[Settled, ...]
    unsettled: tuple[int, Satoshis]
    """How many coins, and satoshis, are still with the gateway, or not proven yet."""
    next: str | None


def parse_settlements(value: Json, what: str) -> SettledPage:
    """Read an answer; `what` names it in the VerificationError that is raised for anything else."""
    return read_object(value, what, _page)


def _page(fields: Fields) -> SettledPage:
    coins = fields.items("settlements", _settled)
    if len(coins) > MOST:
        raise VerificationError(f"it has {len(coins)} coins, more than {MOST}")
    unsettled = fields.nested("unsettled", lambda each: (each.integer("count"), _amount(each)))
    return SettledPage(coins=coins, unsettled=unsettled, next=fields.optional("next", fields.text))


def _settled(fields: Fields) -> Settled:
    outpoint = fields.built("vout", Outpoint, fields.parsed("txid", txid), fields.integer("vout"))
    protocol, key_id = fields.text("protocol"), fields.text("keyId")
    counterparty: IdentityKey = fields.parsed("counterparty", identity_key)
    beef, subject = parse_beef(fields.base64("beef"))
    if subject != outpoint.txid:
        raise VerificationError(f"the BEEF of the coin {outpoint} is of another transaction")
    return Settled(
        outpoint=outpoint,
        satoshis=_amount(fields),
        key=KeyRef(protocol, key_id, counterparty),
        state=fields.text("state"),
        height=fields.optional("height", fields.integer),
        beef=beef,
    )


def _amount(fields: Fields) -> Satoshis:
    return fields.built("satoshis", satoshis, fields.integer("satoshis"))
