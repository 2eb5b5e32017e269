"""`tm_ship` and `tm_slap`: who takes which topic, and who answers which look-up service (BRC-88, WIRE §4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.host.services import VERSION, About
from reconciler.model.errors import VerificationError
from reconciler.model.ids import AdProtocol, Digest
from reconciler.wire import advertisement
from reconciler.wire.advertisement import PREFIXES
from reconciler.wire.submission import Admittance
from reconciler.wire.transaction import Transaction, TxOutput

_ABOUT: Final = {
    AdProtocol.SHIP: ("Service Host Interconnect", "Which hosts take which topics."),
    AdProtocol.SLAP: ("Service Lookup Availability", "Which hosts answer which look-up services."),
}

_DOCUMENTATION: Final = """# {title}

Admits {protocol} tokens: PushDrop, lock-before, 1 satoshi, four fields and a signature: `{protocol}`, identity key, URL, name.
Key and signature are the identity's for protocol ID `[2, "{key_protocol}"]`, key ID `1`, counterparty `anyone`, forSelf.
The name begins with `{prefix}`, and is of lower-case words with underscores between them, 50 characters at most.

A token replaces those that its transaction spends.
"""


class AdTopic:
    """Satisfies host.services.Topic. `plain_http` admits what is of this machine, for embedded and local worlds."""

    def __init__(self, protocol: AdProtocol, *, plain_http: bool = False) -> None:
        title, short = _ABOUT[protocol]
        documentation = _DOCUMENTATION.format(
            title=title, protocol=protocol, key_protocol=title.lower(), prefix=PREFIXES[protocol]
        )
        self.name = f"tm_{protocol.lower()}"
        self.about = About(
            title=title,
            short=short,
            documentation=documentation,
            version=VERSION,
            information="https://bsv.brc.dev/overlays/0088",
        )
        self._protocol = protocol
        self._plain_http = plain_http

    def admit(
        self,
        transaction: Transaction,
        previous: Mapping[int, TxOutput],
        off_chain: bytes | None,  # noqa: ARG002 - chain data says it all
    ) -> Admittance:
        """All sound advertisements of the protocol come in, all that are spent go."""
        outputs = tuple(vout for vout in range(len(transaction.outputs)) if self._is_ad(transaction, vout))
        return Admittance(outputs=outputs, retained=(), removed=tuple(sorted(previous)))

    def needs(self, output: TxOutput, documents: Mapping[Digest, bytes]) -> tuple[Digest, ...]:  # noqa: ARG002 - none
        """Nothing: the token says it all."""
        return ()

    def _is_ad(self, transaction: Transaction, vout: int) -> bool:
        try:
            token = advertisement.check(transaction, vout, plain_http=self._plain_http)
        except VerificationError:  # other outputs of the transaction may be of this topic
            return False
        return token.protocol is self._protocol
