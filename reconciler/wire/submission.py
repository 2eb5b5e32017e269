"""BRC-22: handing a transaction to an overlay host, and what the host says it did with it. WIRE §4.1."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.model.errors import VerificationError
from reconciler.model.json import Json, JsonObject
from reconciler.wire.canonical import canonical_cbor, parse_cbor, parse_json
from reconciler.wire.reading import Reading, varint

_TOPICS: Final = "x-topics"
_OFF_CHAIN: Final = "x-includes-off-chain-values"
_WITH_OFF_CHAIN: Final = {None: False, "false": False, "true": True}


@dataclass(frozen=True, slots=True)
class Submission:
    """A transaction as BEEF, for some topics; `off_chain` travels beside it and is not part of the chain."""

    beef: bytes
    topics: tuple[str, ...]
    off_chain: bytes | None = None

    def headers(self) -> dict[str, str]:
        """The HTTP headers of `POST /submit`."""
        headers = {"content-type": "application/octet-stream", _TOPICS: json.dumps(self.topics, separators=(",", ":"))}
        return headers if self.off_chain is None else {**headers, _OFF_CHAIN: "true"}

    def body(self) -> bytes:
        """The HTTP body: the BEEF, or its length, the BEEF and the off-chain values."""
        if self.off_chain is None:
            return self.beef
        return varint(len(self.beef)) + self.beef + self.off_chain


def parse_submission(headers: Mapping[str, str], body: bytes) -> Submission:
    """The server's side. Header names are lower case; the BEEF is not looked into. Raises VerificationError."""
    topics = _topics(headers.get(_TOPICS))
    stated = headers.get(_OFF_CHAIN)
    if stated not in _WITH_OFF_CHAIN:
        raise VerificationError(f"the header {_OFF_CHAIN} is neither true nor false: {stated!r}")
    if not body:
        raise VerificationError("the submission has no body")
    if not _WITH_OFF_CHAIN[stated]:
        return Submission(body, topics)
    reading = Reading(body, "the submission")
    beef = reading.take(reading.count(1))
    if not beef:
        raise VerificationError("the submission has off-chain values, but no BEEF")
    return Submission(beef, topics, reading.rest())


@dataclass(frozen=True, slots=True)
class Admittance:
    """What a host did for one topic: output indices admitted; input indices of topic coins retained, and removed."""

    outputs: tuple[int, ...] = ()
    retained: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()


Steak = Mapping[str, Admittance]
"""By topic. An admittance of three empty tuples says nothing: a reference host answers so to a duplicate (WIRE §4.1)."""


def steak_json(steak: Steak) -> JsonObject:
    """The body of the answer to `POST /submit`."""
    return {
        topic: {
            "outputsToAdmit": admittance.outputs,
            "coinsToRetain": admittance.retained,
            "coinsRemoved": admittance.removed,
        }
        for topic, admittance in steak.items()
    }


def parse_steak(value: Json) -> Steak:
    """The client's side. `coinsRemoved` may be absent; fields beyond the standard are not ours to judge.

    Raises VerificationError.
    """
    if not isinstance(value, Mapping):
        raise VerificationError("the STEAK is not an object by topic")
    return {topic: _admittance(topic, instructions) for topic, instructions in value.items()}


def pack_documents(documents: Sequence[bytes]) -> bytes:
    """Documents as off-chain values (PROTOCOL §2)."""
    return canonical_cbor(list(documents))


def unpack_documents(data: bytes) -> tuple[bytes, ...]:
    """The documents in off-chain values. Raises VerificationError."""
    documents = parse_cbor(data, "the off-chain values")
    if not isinstance(documents, list) or not all(isinstance(document, bytes) for document in documents):
        raise VerificationError("the off-chain values are not an array of byte strings")
    return tuple(documents)


def _topics(header: str | None) -> tuple[str, ...]:
    if header is None:
        raise VerificationError(f"the header {_TOPICS} is missing")
    topics = parse_json(header.encode(errors="surrogatepass"), f"the header {_TOPICS}")
    if not isinstance(topics, list) or not topics:
        raise VerificationError(f"the header {_TOPICS} is not an array that names a topic")
    names = [topic for topic in topics if isinstance(topic, str) and topic]
    if len(names) != len(topics) or len(set(names)) != len(names):
        raise VerificationError(f"the header {_TOPICS} is not an array of different topic names")
    return tuple(names)


def _admittance(topic: str, instructions: Json) -> Admittance:
    if not isinstance(instructions, Mapping):
        raise VerificationError(f"the STEAK of {topic} is not an object")
    return Admittance(
        _indices(topic, instructions.get("outputsToAdmit")),
        _indices(topic, instructions.get("coinsToRetain")),
        _indices(topic, instructions.get("coinsRemoved", [])),
    )


def _indices(topic: str, value: Json) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(index) is int and index >= 0 for index in value):
        raise VerificationError(f"the STEAK of {topic} lacks an array of indices")
    return tuple(value)
