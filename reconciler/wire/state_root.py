"""The state root: one hash over all records of a producer but the producer's own (PROTOCOL §3), a Merkle tree as RFC 6962.

Levels are paired from the leaves upwards and an odd last node moves up as it is, which gives the RFC's tree without recursion.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from reconciler.model.ids import Digest, RecordId, digest
from reconciler.wire.canonical import canonical_cbor


@dataclass(frozen=True, slots=True)
class Leaf:
    """One record: its id, and the hash of its document (`mh`)."""

    id: RecordId
    document_hash: Digest

    def to_bytes(self) -> bytes:
        """Deterministic CBOR [kind, name, mh]; leaves are sorted by these bytes."""
        return canonical_cbor([str(self.id.kind), self.id.name, bytes.fromhex(self.document_hash)])


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Where a leaf stands among all, counted from 0, and its siblings from the leaves upwards."""

    index: int
    path: tuple[Digest, ...]


def state_root(leaves: Iterable[Leaf]) -> Digest:
    """The root over these leaves, in whatever order they come; that of none is the SHA-256 of nothing.

    Raises ValueError where one record stands there twice.
    """
    level = [_hash_leaf(data) for data in _sorted(leaves)]
    while len(level) > 1:
        level = _next(level)
    return digest(level[0] if level else sha256().digest())


def prove(leaves: Iterable[Leaf], record: RecordId) -> InclusionProof:
    """The proof that the leaf of `record` is under the root. Raises ValueError where there is none, or one twice."""
    everything = tuple(leaves)
    own = next((leaf.to_bytes() for leaf in everything if leaf.id == record), None)
    if own is None:
        raise ValueError(f"{record} is not among the leaves")
    ordered = _sorted(everything)
    index = position = ordered.index(own)
    level = [_hash_leaf(data) for data in ordered]
    path = []
    while len(level) > 1:
        sibling = position ^ 1
        if sibling < len(level):
            path.append(digest(level[sibling]))
        level, position = _next(level), position // 2
    return InclusionProof(index, tuple(path))


def verify_inclusion(proof: InclusionProof, leaf: Leaf, root: Digest, count: int) -> bool:
    """Whether `leaf` is one of the `count` leaves under `root` (RFC 9162 §2.1.3.2)."""
    if not 0 <= proof.index < count:
        return False
    siblings = iter(proof.path)
    node, position, width = _hash_leaf(leaf.to_bytes()), proof.index, count
    while width > 1:
        if position ^ 1 < width:
            sibling = next(siblings, None)
            if sibling is None:
                return False
            other = bytes.fromhex(sibling)
            node = _hash_pair(other, node) if position & 1 else _hash_pair(node, other)
        position, width = position // 2, (width + 1) // 2
    return next(siblings, None) is None and digest(node) == root


def _sorted(leaves: Iterable[Leaf]) -> list[bytes]:
    everything = tuple(leaves)
    if len({leaf.id for leaf in everything}) != len(everything):
        raise ValueError("a record stands twice among the leaves of a state root")
    return sorted(leaf.to_bytes() for leaf in everything)


def _next(level: list[bytes]) -> list[bytes]:
    pairs = zip(level[::2], level[1::2], strict=False)
    return [_hash_pair(*pair) for pair in pairs] + level[len(level) & ~1 :]


def _hash_leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def _hash_pair(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()
