"""`tm_uhrp`: storage hosts' advertisements of content by hash (BRC-26, WIRE §4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.host.services import VERSION, About
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest
from reconciler.wire import uhrp
from reconciler.wire.submission import Admittance
from reconciler.wire.transaction import Transaction, TxOutput

_DOCUMENTATION: Final = """# Universal Hash Resolution Protocol

Admits tokens by which a storage host says where content with a certain SHA-256 can be had, and until when: PushDrop with the
host's identity key, the hash, a URL, expiry in unix seconds, length, signature. A token replaces those that its transaction
spends.
"""


class UhrpTopic:
    """Satisfies host.services.Topic. `plain_http` admits http URLs of embedded and local worlds."""

    name = "tm_uhrp"
    about = About(
        title="Universal Hash Resolution Protocol",
        short="Where content can be had by its hash.",
        documentation=_DOCUMENTATION,
        version=VERSION,
        information="https://bsv.brc.dev/overlays/0026",
    )

    def __init__(self, *, plain_http: bool = False) -> None:
        self._plain_http = plain_http

    def admit(
        self,
        transaction: Transaction,
        previous: Mapping[int, TxOutput],
        off_chain: bytes | None,  # noqa: ARG002 - chain data says it all
    ) -> Admittance:
        """All sound advertisements come in, all that are spent go."""
        outputs = tuple(vout for vout in range(len(transaction.outputs)) if self._is_advert(transaction, vout))
        return Admittance(outputs=outputs, retained=(), removed=tuple(sorted(previous)))

    def needs(self, output: TxOutput, documents: Mapping[Digest, bytes]) -> tuple[Digest, ...]:  # noqa: ARG002 - none
        """Nothing: the token says it all."""
        return ()

    def _is_advert(self, transaction: Transaction, vout: int) -> bool:
        try:
            uhrp.check(transaction, vout, plain_http=self._plain_http)
        except VerificationError:  # other outputs of the transaction may be of this topic
            return False
        return True
