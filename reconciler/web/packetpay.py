"""PacketPay (BRC-41, superseded by BRC-105) at the paywall: another form of the same header (WIRE §4.7).

A leaf: whoever puts the gateway together may leave it out. The 402 is the paywall's own, whose prefix such a client passes over: it
makes one of its own, so that it is today's price that it has to have paid.
"""

from __future__ import annotations

from reconciler.model.ids import IdentityKey
from reconciler.web.paywall import read_payment
from reconciler.wire.packetpay import is_packet, parse_packet
from reconciler.wire.tender import Tender


def read_either(text: str, buyer: IdentityKey) -> Tender:
    """The value of `x-bsv-payment` in either form; a web.paywall.Read. Raises VerificationError."""
    return parse_packet(text, buyer) if is_packet(text) else read_payment(text, buyer)
