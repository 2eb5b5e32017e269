"""Merkle proofs that transactions are in a block: BUMP, the BSV Unified Merkle Path (BRC-74).

A path is checked when it is made: every node has its sibling, every node given twice agrees, everything leads to one
root. So what proves one of its transactions proves all of them, and `root` has nothing left to find out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Final

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, Txid
from reconciler.wire.reading import Reading, varint
from reconciler.wire.transaction import double_sha256

MAX_LEVELS: Final = 64
"""BRC-74's bound on the height of a tree."""

_MAX_HEIGHT: Final = 0xFFFFFFFF
_HASH, _DUPLICATE, _TXID = 0, 1, 2  # the flag byte; any other value is refused
_LEAST_LEAF: Final = 2  # bytes: an offset and a flag

_Nodes = Mapping[int, bytes | None]  # offset -> hash; None repeats the left sibling


@dataclass(frozen=True, slots=True)
class Leaf:
    """One node as BRC-74 writes it: `hash` in internal byte order, or None where it repeats its left sibling.

    `txid` marks the transactions that the path was made for. It means nothing above the lowest level.
    """

    offset: int
    hash: bytes | None
    txid: bool = False

    def to_bytes(self) -> bytes:
        """As it stands in a path."""
        if self.hash is None:
            return varint(self.offset) + bytes([_DUPLICATE])
        return varint(self.offset) + bytes([_TXID if self.txid else _HASH]) + self.hash


@dataclass(frozen=True, slots=True)
class _Tree:
    """All nodes of a path, those given and those they imply, from the transactions upwards."""

    levels: tuple[_Nodes, ...]
    root: bytes


@dataclass(frozen=True)
class MerklePath:
    """Proves that transactions are in the block at `height`. Making one that does not hold raises VerificationError.

    `levels` run from the transactions upwards, each sorted by offset. A single level of all transactions of a block, in
    order, is a path as well: the reference writes whole blocks that way.
    """

    height: int
    levels: tuple[tuple[Leaf, ...], ...]

    def __post_init__(self) -> None:
        if not 0 <= self.height <= _MAX_HEIGHT:
            raise VerificationError(f"{self.height} is not the height of a block")
        if not 1 <= len(self.levels) <= MAX_LEVELS:
            raise VerificationError(f"a Merkle path has 1 to {MAX_LEVELS} levels, not {len(self.levels)}")
        if not self.levels[0]:
            raise VerificationError("a Merkle path without transactions proves nothing")
        self.tree  # noqa: B018 - computed here, so that a path that exists is sound

    @cached_property
    def tree(self) -> _Tree:
        """Every node that the path gives or implies."""
        if len(self.levels) == 1:
            return _whole_tree([_given_in_order(leaf, offset) for offset, leaf in enumerate(self.levels[0])])
        return _grown_tree(self.levels)

    @cached_property
    def offsets(self) -> Mapping[Txid, int]:
        """Where in the block each transaction stands that the path proves."""
        return {_display(leaf.hash): leaf.offset for leaf in reversed(self.levels[0]) if leaf.hash is not None}

    @property
    def block_root(self) -> Digest:
        """The Merkle root that everything in the path leads to, in display order."""
        return Digest(self.tree.root[::-1].hex())

    @property
    def txids(self) -> tuple[Txid, ...]:
        """The transactions that the path was made for."""
        return tuple(_display(leaf.hash) for leaf in self.levels[0] if leaf.txid and leaf.hash is not None)

    def proves(self, txid: Txid) -> bool:
        """Whether `txid` is among the transactions at the lowest level, marked or not."""
        return txid in self.offsets

    def root(self, txid: Txid) -> Digest:
        """The Merkle root of the block, in display order. Raises VerificationError if `txid` is not proven."""
        self._offset(txid)
        return self.block_root

    def only(self, txids: Iterable[Txid]) -> MerklePath:
        """The smallest path that proves `txids`. Raises VerificationError if one of them is not proven."""
        wanted = tuple(txids)
        # Each level has a node at least, the lowest one two: a path with no more of them cannot be smaller.
        if self.txids == wanted and sum(map(len, self.levels)) == len(self.levels) + 1:
            return self
        return _path(self.height, self.tree, {self._offset(txid) for txid in wanted})

    def to_bytes(self) -> bytes:
        """BRC-74, binary."""
        parts = [varint(self.height), bytes([len(self.levels)])]
        for leaves in self.levels:
            parts.append(varint(len(leaves)))
            parts += (leaf.to_bytes() for leaf in leaves)
        return b"".join(parts)

    def _offset(self, txid: Txid) -> int:
        offset = self.offsets.get(txid)
        if offset is None:
            raise VerificationError(f"the Merkle path of block {self.height} does not prove {txid}")
        return offset


def read_path(reading: Reading) -> MerklePath:
    """Read one path out of a longer buffer. Raises VerificationError."""
    height = reading.varint()
    return MerklePath(height, tuple(_read_level(reading) for _ in range(reading.integer(1))))


def parse_path(data: bytes) -> MerklePath:
    """Parse exactly one path. Raises VerificationError."""
    reading = Reading(data, "the Merkle path")
    path = read_path(reading)
    reading.end()
    return path


def combine(paths: Sequence[MerklePath], txids: Iterable[Txid] | None = None) -> MerklePath:
    """One path for several of the same block, as small as can be.

    Proves `txids`, or what each path was made for (all that it can prove, where it does not say). Raises VerificationError if the paths are of different blocks, or if
    a transaction asked for is in none of them.
    """
    first, *others = paths
    levels = [dict(nodes) for nodes in first.tree.levels]
    offsets = dict(first.offsets)
    for path in others:
        if (path.height, path.block_root) != (first.height, first.block_root):
            raise VerificationError(f"Merkle paths of blocks {first.height} and {path.height} cannot be combined")
        if len(path.tree.levels) != len(levels):
            raise VerificationError(f"two Merkle paths of block {path.height} disagree on the height of its tree")
        for nodes, more in zip(levels, path.tree.levels, strict=True):
            nodes.update((offset, node) for offset, node in more.items() if node is None or offset not in nodes)
        offsets.update(path.offsets)
    wanted = [txid for path in paths for txid in path.txids or path.offsets] if txids is None else list(txids)
    if missing := [txid for txid in wanted if txid not in offsets]:
        raise VerificationError(f"no Merkle path of block {first.height} proves {missing[0]}")
    return _path(first.height, _Tree(tuple(levels), first.tree.root), {offsets[txid] for txid in wanted})


def joined(paths: Sequence[bytes]) -> bytes:
    """`combine` for paths in their binary form, each the smallest for one transaction, and all known to lead to one root.

    Nothing is hashed: which nodes are left out is a matter of where they stand.
    """
    if len(paths) == 1:
        return paths[0]
    head = len(varint(_varint(paths[0], 0)[0])) + 1  # height, and how many levels
    levels: list[dict[int, bytes]] = [{} for _ in range(paths[0][head - 1])]
    marked: set[int] = set()
    for path in paths:
        position = head
        for nodes in levels:
            count, position = _varint(path, position)
            for _ in range(count):
                begin = position
                offset, position = _varint(path, position)
                flag = path[position]
                position += 1 if flag == _DUPLICATE else 33
                if flag == _TXID:
                    marked.add(offset)
                    nodes[offset] = path[begin:position]
                else:  # in another path this node may be the one that is marked
                    nodes.setdefault(offset, path[begin:position])
    parts = [paths[0][:head]]
    computed = marked
    for level, nodes in enumerate(levels):
        given = [offset ^ 1 for offset in computed if offset ^ 1 not in computed and offset ^ 1 in nodes]
        if not level:
            given += marked
        given.sort()
        parts.append(varint(len(given)))
        parts += [nodes[offset] for offset in given]
        computed = {offset >> 1 for offset in computed}
    return b"".join(parts)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number, and where it ends; `Reading` is for bytes that were not checked yet, and takes three times as long."""
    first = data[position]
    if first < 0xFD:
        return first, position + 1
    end = position + 1 + (1 << (first - 0xFC))
    return int.from_bytes(data[position + 1 : end], "little"), end


def path_of(txids: Sequence[Txid], indexes: Collection[int], height: int) -> MerklePath:
    """The path of the transactions at `indexes` of a block, given all its txids in order.

    Raises ValueError if there is no such index.
    """
    if beyond := [index for index in indexes if not 0 <= index < len(txids)]:
        raise ValueError(f"the block has {len(txids)} transactions, none at {beyond[0]}")
    return _path(height, _whole_tree([_internal(txid) for txid in txids]), indexes)


def merkle_root(txids: Sequence[Txid]) -> Digest:
    """The Merkle root of a block of at least one transaction, in display order."""
    return Digest(_whole_tree([_internal(txid) for txid in txids]).root[::-1].hex())


def _read_level(reading: Reading) -> tuple[Leaf, ...]:
    leaves = (_read_leaf(reading) for _ in range(reading.count(_LEAST_LEAF)))
    return tuple(sorted(leaves, key=attrgetter("offset")))


def _read_leaf(reading: Reading) -> Leaf:
    offset, flag = reading.varint(), reading.integer(1)
    if flag == _DUPLICATE:
        return Leaf(offset, None)
    if flag in {_HASH, _TXID}:
        return Leaf(offset, reading.take(32), txid=flag == _TXID)
    raise VerificationError(f"a Merkle path has a node with the unknown flag {flag}")


def _given_in_order(leaf: Leaf, offset: int) -> bytes:
    if leaf.offset != offset or leaf.hash is None:
        raise VerificationError("a Merkle path of one level must list all transactions of its block in order")
    return leaf.hash


def _whole_tree(hashes: Sequence[bytes]) -> _Tree:
    """The tree over all transactions of a block; an odd node is paired with itself."""
    if not hashes:
        raise VerificationError("a block without transactions has no Merkle root")
    levels: list[_Nodes] = []
    row: dict[int, bytes | None] = dict(enumerate(hashes))
    while len(row) > 1:
        if len(row) % 2:
            row[len(row)] = None
        levels.append(row)
        row = _paired(row)
    return _Tree(tuple(levels) or (row,), _only(row))


def _grown_tree(levels: Sequence[Sequence[Leaf]]) -> _Tree:
    """The tree over the nodes of a path: what each level gives, and what the level below implies."""
    grown: list[_Nodes] = []
    row: dict[int, bytes | None] = {}
    for level, leaves in enumerate(levels):
        width = 1 << (len(levels) - level)
        given: set[int] = set()
        for leaf in leaves:
            _check_place(leaf, level, width, given)
            if row.setdefault(leaf.offset, leaf.hash) != leaf.hash:
                raise VerificationError(f"a Merkle path contradicts itself at level {level}, offset {leaf.offset}")
        grown.append(row)
        row = _paired(row)
    return _Tree(tuple(grown), _only(row))


def _check_place(leaf: Leaf, level: int, width: int, given: set[int]) -> None:
    if leaf.offset >= width or leaf.offset in given:
        raise VerificationError(f"a Merkle path has no room for a node at level {level}, offset {leaf.offset}")
    if leaf.hash is None and leaf.offset % 2 == 0:
        raise VerificationError(f"a Merkle path repeats a left node at level {level}, offset {leaf.offset}")
    given.add(leaf.offset)


def _paired(row: Mapping[int, bytes | None]) -> dict[int, bytes | None]:
    """The level above `row`. Every node needs its sibling."""
    above: dict[int, bytes | None] = {}
    for offset, right in row.items():
        if offset % 2:
            left = row.get(offset - 1)
            if left is None:
                raise VerificationError(f"a Merkle path lacks the sibling of offset {offset}")
            above[offset >> 1] = double_sha256(left + (left if right is None else right))
    if 2 * len(above) != len(row):
        raise VerificationError("a Merkle path lacks the sibling of a left node")
    return above


def _only(row: Mapping[int, bytes | None]) -> bytes:
    top = row.get(0)
    if top is None:
        raise VerificationError("a Merkle path leads to no root")
    return top


def _path(height: int, tree: _Tree, offsets: Iterable[int]) -> MerklePath:
    """The path with just the nodes that `offsets` of the lowest level need: they themselves, and lone siblings."""
    marked = computed = set(offsets)
    levels = []
    for nodes in tree.levels:
        leaves = [Leaf(offset, nodes[offset], txid=True) for offset in marked]
        leaves += (
            Leaf(offset ^ 1, nodes[offset ^ 1])
            for offset in computed
            if offset ^ 1 not in computed and offset ^ 1 in nodes  # the only transaction of a block has no sibling
        )
        levels.append(tuple(sorted(leaves, key=attrgetter("offset"))))
        marked, computed = set(), {offset >> 1 for offset in computed}
    return MerklePath(height, tuple(levels))


def _internal(txid: Txid) -> bytes:
    return bytes.fromhex(txid)[::-1]


def _display(internal: bytes) -> Txid:
    return Txid(internal[::-1].hex())
