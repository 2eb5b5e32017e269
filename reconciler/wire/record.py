"""Record tokens: the fact on chain that a producer publishes a document under a name. PROTOCOL §2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, IdentityKey, Kind, Outpoint, RecordId, digest, identity_key
from reconciler.model.keys import KeyRef, record_key
from reconciler.wire import pushdrop
from reconciler.wire.canonical import canonical_cbor, parse_cbor
from reconciler.wire.derivation import public_child, verify
from reconciler.wire.script import MAX_SIGNATURE
from reconciler.wire.transaction import Transaction

T = TypeVar("T")

MAGIC: Final = b"DLM1"
SATOSHIS: Final = 1
"""What the output of a record token holds."""

_FIELDS: Final = 6  # the five that are signed, and the signature
_ANY_KEY: Final = IdentityKey("02" + 64 * "0")
_ANY_DIGEST: Final = Digest(64 * "0")


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a token commits to.

    `spends` is an outpoint that the token's own transaction spends: since that happens once, a copy of the token in
    another transaction is recognised. `parents` are the hashes of the documents that this one was made from.
    """

    document_hash: Digest
    spends: Outpoint
    parents: tuple[Digest, ...] = ()

    def to_bytes(self) -> bytes:
        """The anchor field: a deterministic CBOR map, without `p` where there are no parents."""
        parents = {"p": [bytes.fromhex(parent) for parent in self.parents]} if self.parents else {}
        return canonical_cbor({"i": self.spends.to_bytes(), "mh": bytes.fromhex(self.document_hash), **parents})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read an anchor field. Raises VerificationError."""
        match parse_cbor(data, "the anchor"):
            case {"i": bytes(spends), "mh": bytes(document_hash), **others} if not others.keys() - {"p"}:
                return _checked(lambda: cls(digest(document_hash), Outpoint.from_bytes(spends), _parents(others)))
        raise VerificationError("the anchor is not a map of the byte strings i and mh, and perhaps the array p")


@dataclass(frozen=True, slots=True)
class RecordToken:
    """One record of one producer, as its token states it."""

    identity: IdentityKey
    id: RecordId
    anchor: Anchor

    @property
    def key(self) -> KeyRef:
        """The key that locks and signs it."""
        return record_key(self.id.kind, self.id.name)


def signed_fields(token: RecordToken) -> tuple[bytes, ...]:
    """The five fields in front of the signature."""
    names = (token.id.kind.encode(), token.id.name.encode())
    return (MAGIC, bytes.fromhex(token.identity), *names, token.anchor.to_bytes())


def preimage(token: RecordToken) -> bytes:
    """What the signature signs (its SHA-256, once)."""
    return b"".join(signed_fields(token))


def lock(token: RecordToken, signature: bytes) -> bytes:
    """The locking script. `signature` is DER, by `token.key`, and is not checked here."""
    return signed_lock(token, lambda _: signature)


def signed_lock(token: RecordToken, sign: Callable[[bytes], bytes]) -> bytes:
    """The locking script, with what `sign` makes of the `preimage` as its signature: the fields are written once for both."""
    fields = signed_fields(token)
    return pushdrop.lock(public_child(token.identity, token.key), (*fields, sign(b"".join(fields))))


def locking_size(record: RecordId, parents: int = 0) -> int:
    """The most bytes that the locking script of this record's token can have, with so many parents."""
    anchor = Anchor(_ANY_DIGEST, Outpoint.from_bytes(bytes(36)), (_ANY_DIGEST,) * parents)
    fields = signed_fields(RecordToken(_ANY_KEY, record, anchor))
    return len(pushdrop.lock(_ANY_KEY, (*fields, bytes(MAX_SIGNATURE))))


def parse(locking: bytes) -> RecordToken | None:
    """The token in a locking script, its key and signature checked; None where there is no DLM1 token.

    Raises VerificationError where there is one and it is wrong. That its transaction spends what the anchor says is for
    `check` to see.
    """
    pushed = pushdrop.parse(locking)
    if pushed is None or pushed.fields[0] != MAGIC:
        return None
    if len(pushed.fields) != _FIELDS:
        raise VerificationError(f"a record token has {_FIELDS} fields, not {len(pushed.fields)}")
    _, identity, kind, name, anchor, signature = pushed.fields
    token = _checked(
        lambda: RecordToken(
            identity_key(identity), RecordId(Kind(kind.decode()), name.decode()), Anchor.from_bytes(anchor)
        )
    )
    if pushed.key != _checked(lambda: public_child(token.identity, token.key)):
        raise VerificationError(f"the token of {token.id} is not locked by its identity's key")
    if not verify(pushed.key, preimage(token), signature):
        raise VerificationError(f"the token of {token.id} is not signed by its identity's key")
    return token


def check(tx: Transaction, vout: int, *, read: Callable[[bytes], RecordToken | None] = parse) -> RecordToken:
    """The record token in one output of a transaction, everything about it checked. Raises VerificationError.

    `read` is `parse`, or what remembers what that has found.
    """
    if not 0 <= vout < len(tx.outputs):
        raise VerificationError(f"transaction {tx.txid} has no output {vout}")
    output = tx.outputs[vout]
    token = read(output.locking)
    if token is None:
        raise VerificationError(f"output {tx.outpoint(vout)} is no record token")
    if output.satoshis != SATOSHIS:
        raise VerificationError(f"the token of {token.id} holds {output.satoshis} satoshis, not {SATOSHIS}")
    if all(spent.outpoint != token.anchor.spends for spent in tx.inputs):
        raise VerificationError(
            f"the token of {token.id} is a copy: its transaction does not spend {token.anchor.spends}"
        )
    return token


def _parents(others: Mapping[object, object]) -> tuple[Digest, ...]:
    if "p" not in others:
        return ()
    parents = others["p"] if isinstance(others["p"], list) else []
    hashes = tuple(digest(parent) for parent in parents if isinstance(parent, bytes))
    if not hashes or len(hashes) != len(parents):
        raise ValueError("p is not an array of at least one byte string")
    return hashes


def _checked(make: Callable[[], T]) -> T:
    """Where a constructor's ValueError about a stranger's bytes becomes a VerificationError."""
    try:
        return make()
    except ValueError as error:
        raise VerificationError(f"a record token is malformed: {error}") from error
