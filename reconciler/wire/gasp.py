"""GASP, by which hosts tell each other what they keep (BRC-76), as the reference speaks it over HTTP (WIRE §4.1).

Who wants to catch up asks for the unspent outputs of a topic since a score, and then for each of them as the tip of a graph:
its transaction, and where no block proves that, the transactions that it spends, back to proven ones. Pull only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, txid
from reconciler.model.json import Json, JsonObject
from reconciler.wire.merkle import MerklePath, parse_path
from reconciler.wire.transaction import Transaction, parse_transaction

VERSION: Final = 1
TOPIC: Final = "x-bsv-topic"
"""The header that names the topic, at `LIST`."""
LIST: Final = "/requestSyncResponse"
NODE: Final = "/requestForeignGASPNode"

PAGE: Final = 10_000
"""Outputs of one answer: as many as the reference asks for. It takes a shorter page for the last."""

_SAFE_INTEGER: Final = 2**53 - 1


class GaspVersionError(VerificationError):
    """The other side speaks another version."""

    def __init__(self, foreign: Json) -> None:
        shown = foreign if type(foreign) is int else "none that is known"
        super().__init__(f"GASP version mismatch: this side speaks {VERSION}, the other {shown}")
        self.foreign = foreign


@dataclass(frozen=True, slots=True)
class KnownOutput:
    """An unspent output that a host keeps, and its score: when it came, by that host's clock (the reference's: milliseconds).

    Scores of one host can be compared with each other, and with nothing else.
    """

    outpoint: Outpoint
    score: int

    def to_json(self) -> JsonObject:
        """One member of `UTXOList`."""
        return {"txid": self.outpoint.txid, "outputIndex": self.outpoint.vout, "score": self.score}


@dataclass(frozen=True, slots=True)
class ListRequest:
    """Asks for what has come since a score, that one included; at most `limit` outputs, those with the lowest scores."""

    since: int = 0
    limit: int = PAGE

    def to_json(self) -> JsonObject:
        """The body of `POST /requestSyncResponse`."""
        return {"version": VERSION, "since": self.since, "limit": self.limit}


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """What a host keeps. `since` is the request's, given back: nobody is asked to send anything the other way."""

    outputs: tuple[KnownOutput, ...]
    since: int

    def to_json(self) -> JsonObject:
        """The body of the answer."""
        return {"UTXOList": [output.to_json() for output in self.outputs], "since": self.since}


@dataclass(frozen=True, slots=True)
class NodeRequest:
    """Asks for a transaction of the graph whose tip is `graph`: the one of `outpoint`, which is the tip or an ancestor's."""

    graph: Outpoint
    outpoint: Outpoint

    def to_json(self) -> JsonObject:
        """The body of `POST /requestForeignGASPNode`; nobody gives metadata, and nobody is asked for it."""
        return {
            "graphID": str(self.graph),
            "txid": self.outpoint.txid,
            "outputIndex": self.outpoint.vout,
            "metadata": False,
        }


@dataclass(frozen=True, slots=True)
class Node:
    """A transaction of a graph. `proof` proves this transaction, or there is no such Node; where it leads is not checked."""

    graph: Outpoint
    transaction: Transaction
    vout: int
    proof: MerklePath | None = None

    def __post_init__(self) -> None:
        if self.vout >= len(self.transaction.outputs):
            raise VerificationError(f"transaction {self.transaction.txid} has no output {self.vout}")
        if self.proof is not None and not self.proof.proves(self.transaction.txid):
            raise VerificationError(f"the proof of {self.transaction.txid} is another transaction's")

    @property
    def outpoint(self) -> Outpoint:
        """The output that it is of."""
        return self.transaction.outpoint(self.vout)

    def to_json(self) -> JsonObject:
        """The body of the answer."""
        proof = {} if self.proof is None else {"proof": self.proof.to_bytes().hex()}
        return {
            "graphID": str(self.graph),
            "rawTx": self.transaction.raw.hex(),
            "outputIndex": self.vout,
            **proof,
        }


def parse_list_request(value: Json) -> ListRequest:
    """Read a request. Raises VerificationError, GaspVersionError among them."""
    body = _object(value, "the request")
    if body.get("version") != VERSION or type(body["version"]) is not int:
        raise GaspVersionError(body.get("version"))
    limit = PAGE if body.get("limit") is None else _integer(body, "limit")
    if limit < 1:
        raise VerificationError("the request's limit is below 1")
    return ListRequest(0 if body.get("since") is None else _integer(body, "since"), min(limit, PAGE))


def parse_list_answer(value: Json, *, most: int = PAGE) -> ListAnswer:
    """Read an answer of at most so many outputs. Raises VerificationError."""
    body = _object(value, "the answer")
    listed = body.get("UTXOList")
    if not isinstance(listed, list):
        raise VerificationError("the answer has no UTXOList")
    if len(listed) > most:
        raise VerificationError(f"the answer lists {len(listed)} outputs, more than {most}")
    return ListAnswer(tuple(_known(each) for each in listed), _score(body, "since"))


def parse_node_request(value: Json) -> NodeRequest:
    """Read a request. Raises VerificationError."""
    body = _object(value, "the request")
    return NodeRequest(_graph(body), _outpoint(body))


def parse_node(value: Json) -> Node:
    """Read an answer; what it says beyond the transaction, its output and its proof is not looked at. Raises VerificationError."""
    body = _object(value, "the node")
    proof = body.get("proof")
    return Node(
        _graph(body),
        parse_transaction(_hex(body, "rawTx")),
        _integer(body, "outputIndex"),
        None if proof is None or proof == "" else parse_path(_hex(body, "proof")),
    )


def _object(value: Json, what: str) -> JsonObject:
    if not isinstance(value, Mapping):
        raise VerificationError(f"{what} is not an object")
    return value


def _known(value: Json) -> KnownOutput:
    body = _object(value, "an output of the UTXOList")
    return KnownOutput(_outpoint(body), _score(body, "score"))


def _outpoint(body: JsonObject) -> Outpoint:
    try:
        return Outpoint(txid(_text(body, "txid").lower()), _integer(body, "outputIndex"))
    except ValueError as error:
        raise VerificationError(str(error)) from error


def _graph(body: JsonObject) -> Outpoint:
    try:
        return Outpoint.parse(_text(body, "graphID").lower())
    except ValueError as error:
        raise VerificationError(f"the graphID is {error}") from error


def _score(body: JsonObject, name: str) -> int:
    """Other hosts may count in seconds, with fractions; none is the least there is."""
    value = body.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _SAFE_INTEGER:
        raise VerificationError(f"{name} is not a score")
    return int(value)


def _integer(body: JsonObject, name: str) -> int:
    value = body.get(name)
    if type(value) is not int or not 0 <= value <= _SAFE_INTEGER:
        raise VerificationError(f"{name} is not a whole number from 0 on")
    return value


def _text(body: JsonObject, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise VerificationError(f"{name} is not text")
    return value


def _hex(body: JsonObject, name: str) -> bytes:
    try:
        return bytes.fromhex(_text(body, name))
    except ValueError as error:
        raise VerificationError(f"{name} is not hexadecimal") from error
