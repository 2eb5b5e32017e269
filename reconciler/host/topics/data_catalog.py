"""`tm_data_catalog`: record tokens, admitted by chain data alone (PROTOCOL §2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.host.catalog import entry_of, token_of
from reconciler.host.services import VERSION, About
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest
from reconciler.wire import record
from reconciler.wire.submission import Admittance
from reconciler.wire.transaction import Transaction, TxOutput

_DOCUMENTATION: Final = """# Data catalog

Admits record tokens of data producers: PushDrop, lock-before, 1 satoshi, five fields and a signature: `DLM1`, identity key,
kind (`producer`, `advertisement`, `dataset`, `stream`), name, anchor. The anchor is a CBOR map: `mh`, the SHA-256 of the
record's document; `i`, an outpoint that this very transaction spends; `p`, hashes of parent documents.

A token replaces those that its transaction spends. Documents travel as off-chain values, a CBOR array of byte strings; a
token is listed once its document is here, a producer's once its sealed document is here as well.
"""


class DataCatalogTopic:
    """Satisfies host.services.Topic."""

    name = "tm_data_catalog"
    about = About(
        title="Data Catalog",
        short="Records of data producers and what they offer.",
        documentation=_DOCUMENTATION,
        version=VERSION,
    )

    def admit(
        self,
        transaction: Transaction,
        previous: Mapping[int, TxOutput],
        off_chain: bytes | None,  # noqa: ARG002 - admission uses chain data only
    ) -> Admittance:
        """All sound record tokens come in, all that are spent go."""
        outputs = tuple(vout for vout in range(len(transaction.outputs)) if _is_record(transaction, vout))
        return Admittance(outputs=outputs, retained=(), removed=tuple(sorted(previous)))

    def needs(self, output: TxOutput, documents: Mapping[Digest, bytes]) -> tuple[Digest, ...]:
        """The record's document and, for a producer, the sealed document that it names."""
        token = token_of(output.locking)
        if token is None:
            raise VerificationError("the output holds no record token")
        document = documents.get(token.anchor.document_hash)
        sealed = None if document is None else entry_of(token, document).sealed
        return (token.anchor.document_hash,) if sealed is None else (token.anchor.document_hash, sealed)


def _is_record(transaction: Transaction, vout: int) -> bool:
    try:
        record.check(transaction, vout, read=token_of)
    except VerificationError:  # other outputs of the transaction may be of this topic
        return False
    return True
