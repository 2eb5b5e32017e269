"""What proves the outputs of an answer, put together from stored bytes.

Everything here was checked when it was stored. To parse it again for every answer, only to write the same bytes, would be
nine tenths of what an answer costs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import repeat
from typing import Any, Final, TypeAlias

from sqlalchemy import Dialect, Row, bindparam, select, type_coerce
from sqlalchemy.types import NullType

from reconciler.model.ids import Txid
from reconciler.store.batches import batches
from reconciler.store.host_tables import host_transactions
from reconciler.store.transactions import transactions
from reconciler.store.works import Connection
from reconciler.wire.beef import beef_of
from reconciler.wire.merkle import joined, parse_path
from reconciler.wire.transaction import spent_txids

_Block: TypeAlias = tuple[int, bytes]
"""Height and Merkle root."""

_RAW: Final = NullType()
"""As the driver has it: to have ids as text, or only to look at every value, would be a third of the work."""

_TXID: Final = type_coerce(transactions.c.txid, _RAW)
_COLUMNS: Final = (
    _TXID,
    type_coerce(transactions.c.raw, _RAW),
    type_coerce(transactions.c.proof, _RAW),
    transactions.c.height,
    type_coerce(host_transactions.c.root, _RAW),
    type_coerce(host_transactions.c.height == transactions.c.height, _RAW),
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A stored transaction: proven, or with those that it spends."""

    raw: bytes
    block: _Block | None
    proof: bytes | None
    parents: tuple[bytes, ...]


class Evidence:
    """Transactions by id, with the ancestry that proves them, as far as it is here."""

    def __init__(self, parts: Mapping[bytes, _Part], wanted: Iterable[bytes]) -> None:
        self._parts = parts
        self._wanted = tuple(wanted)

    def proves(self, txid: Txid) -> bool:
        """Whether a transaction is here with everything that it needs: not so after a reorg that took a proof away."""
        return bytes.fromhex(txid) not in self._unproven

    def whole(self) -> bytes:
        """The BEEF of all that is proven."""
        return self._beef(txid for txid in self._wanted if txid not in self._unproven)

    def of(self, txid: Txid) -> bytes:
        """The BEEF of one transaction."""
        return self._beef([bytes.fromhex(txid)])

    @cached_property
    def _unproven(self) -> frozenset[bytes]:
        """Those that were asked for and lack something."""
        needed = {*self._wanted, *(parent for part in self._parts.values() for parent in part.parents)}
        if needed <= self._parts.keys():
            return frozenset()
        return frozenset(
            txid for txid in self._wanted if not all(each in self._parts for each in self._ancestry([txid]))
        )

    def _ancestry(self, txids: Iterable[bytes]) -> dict[bytes, None]:
        """All that these need, each once, parents first; what is lacking, too."""
        placed: dict[bytes, None] = {}
        for txid in txids:
            path = [txid]
            while path:
                part = self._parts.get(path[-1])
                before = [parent for parent in part.parents if parent not in placed] if part and part.parents else ()
                if before:
                    path += before
                else:
                    placed[path.pop()] = None
        return placed

    def _beef(self, txids: Iterable[bytes]) -> bytes:
        parts = [self._parts[txid] for txid in self._ancestry(txids)]
        proofs: defaultdict[_Block, list[bytes]] = defaultdict(list)
        for part in parts:
            if part.block is not None and part.proof is not None:
                proofs[part.block].append(part.proof)
        bumps = {block: index for index, block in enumerate(sorted(proofs))}
        return beef_of(
            [joined(proofs[block]) for block in bumps],
            [(part.raw, None if part.block is None else bumps[part.block]) for part in parts],
        )


async def evidence(connection: Connection, txids: Iterable[Txid]) -> Evidence:
    """What is here of these transactions, and of the ancestry of those that no block proves."""
    wanted = [bytes.fromhex(txid) for txid in dict.fromkeys(txids)]
    parts: dict[bytes, _Part] = {}
    asked: set[bytes] = set()
    waiting = set(wanted)
    while waiting:
        asked |= waiting
        found = {}
        for some in batches(waiting):
            found.update({txid: _part(*rest) for txid, *rest in await _rows(connection, some)})
        parts |= found
        waiting = {parent for part in found.values() for parent in part.parents} - asked
    return Evidence(parts, wanted)


async def _rows(connection: Connection, txids: Sequence[bytes]) -> Sequence[Row[*tuple[Any, ...]]]:
    """By the driver's own means: an answer has hundreds of ids, and SQLAlchemy goes through them several times."""
    width = 1 << (len(txids) - 1).bit_length()  # so that there are few different statements
    text, names = _statement(connection.dialect, width)
    values = [*txids, *repeat(txids[-1], width - len(txids))]
    parameters = tuple(values) if names is None else dict(zip(names, values, strict=True))
    return (await connection.exec_driver_sql(text, parameters)).all()


@cache
def _statement(dialect: Dialect, width: int) -> tuple[str, tuple[str, ...] | None]:
    """The statement for so many ids; the names of its parameters, where they have names."""
    names = tuple(f"txid_{place}" for place in range(width))
    statement = (
        select(*_COLUMNS)
        .outerjoin_from(transactions, host_transactions, host_transactions.c.txid == transactions.c.txid)
        .where(_TXID.in_([bindparam(name, type_=_RAW) for name in names]))
    )
    compiled = statement.compile(dialect=dialect)
    return str(compiled), None if compiled.positional else names


def _part(raw: bytes, proof: bytes | None, height: int | None, root: bytes | None, agreed: bool | None) -> _Part:
    if proof is None or height is None:
        return _Part(raw, None, None, spent_txids(raw))
    # Proofs that the wallet has written down are not known to the host yet; then the path itself says where it leads.
    known = root if agreed and root is not None else parse_path(proof).tree.root[::-1]
    return _Part(raw, (height, known), proof, ())
