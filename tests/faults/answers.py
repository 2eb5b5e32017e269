"""What becomes of a peer's answer: failures, nonsense, ARC's doubts and the lies of hosts, as functions of the true one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from reconciler.chain.ledger import Ledger
from reconciler.chain.world import World
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Digest, Kind, Outpoint, RecordId
from reconciler.wallet.keys import Keys
from reconciler.wire.answer import BINARY, AggregatedAnswer, parse_aggregated
from reconciler.wire.beef import Beef, merge, parse_beef
from reconciler.wire.record import Anchor, RecordToken, lock, preimage
from tests.faults.catalogue import Fault

_MIB: Final = 1024 * 1024
_HUGE: Final = 65 * _MIB
"""More than whoever asks us is willing to read."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a peer is asked."""

    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def path(self) -> str:
        return "/" + self.url.split("/", 3)[3]

    @property
    def key(self) -> str:
        """Equal for the same question."""
        return f"{self.method} {self.url} {self.body.hex() if self.path == '/lookup' else ''}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What it answers."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def is_binary(self) -> bool:
        return (b"content-type", BINARY.encode()) in self.headers

    def with_body(self, body: bytes) -> Answer:
        """The same with another body, and its length."""
        kept = tuple(each for each in self.headers if each[0] != b"content-length")
        return replace(self, headers=(*kept, (b"content-length", str(len(body)).encode())), body=body)


def plain(status: int, body: bytes, media_type: str = "text/html") -> Answer:
    """An answer made up."""
    return Answer(status, ((b"content-type", media_type.encode()),), b"").with_body(body)


def problem(status: int, detail: str) -> Answer:
    """As ARC refuses."""
    return plain(status, json.dumps({"status": status, "detail": detail}).encode(), "application/json")


INSTEAD: Final = {
    Fault.ERROR_500: lambda: plain(500, b"<html>Internal Server Error</html>"),
    Fault.ERROR_503: lambda: plain(503, b"<html>Service Unavailable</html>"),
    Fault.NOT_JSON: lambda: plain(200, b"<html>Welcome to nginx!</html>"),
    Fault.WRONG_TYPE: lambda: plain(200, b'[1, "two", null]', "application/json"),
    Fault.HUGE: lambda: plain(200, bytes(_HUGE), "application/json"),
}
"""Answers that take no notice of the request; it does not arrive."""


def truncated(answer: Answer) -> Answer | None:
    """Half of it, by a server that believes it to be the whole."""
    return answer.with_body(answer.body[: len(answer.body) // 2]) if answer.body else None


def _said(status: str) -> Callable[[Request, Answer], Answer | None]:
    def change(request: Request, answer: Answer) -> Answer | None:
        is_about_a_transaction = request.path.startswith("/v1/tx")
        if not is_about_a_transaction or b"SEEN_ON_NETWORK" not in answer.body:
            return None
        return answer.with_body(answer.body.replace(b"SEEN_ON_NETWORK", status.encode()))

    return change


def _unknown(request: Request, answer: Answer) -> Answer | None:
    is_question = request.method == "GET" and request.path.startswith("/v1/tx/") and answer.status == 200
    return problem(404, "transaction not found") if is_question else None


DOUBTS: Final = {
    Fault.UNSEEN: _said("ANNOUNCED_TO_NETWORK"),
    Fault.CONTESTED: _said("DOUBLE_SPEND_ATTEMPTED"),
    Fault.ORPHANED: _said("SEEN_IN_ORPHAN_MEMPOOL"),
    Fault.REJECTED: _said("REJECTED"),
    Fault.UNKNOWN: _unknown,
}
"""ARC says something else of a transaction than it did with it; None where the answer has no room for that."""


def _listed(change: Callable[[AggregatedAnswer], AggregatedAnswer | None]) -> Callable[[Answer], Answer | None]:
    def lie(answer: Answer) -> Answer | None:
        if not answer.is_binary or answer.status != 200:
            return None
        found = parse_aggregated(answer.body)
        changed = change(found) if found.outputs else None
        return None if changed is None else answer.with_body(changed.to_bytes())

    return lie


def _hides(found: AggregatedAnswer) -> AggregatedAnswer | None:
    return replace(found, outputs=found.outputs[:-1]) if len(found.outputs) > 1 else None


def _wrong_document(found: AggregatedAnswer) -> AggregatedAnswer | None:
    (outpoint, context), *others = found.outputs
    if context is None:
        return None
    return replace(found, outputs=((outpoint, bytes([context[0] ^ 1]) + context[1:]), *others))


def _wrong_proof(found: AggregatedAnswer) -> AggregatedAnswer | None:
    beef, _ = parse_beef(found.beef)
    if not beef.bumps:
        return None
    first, *others = beef.bumps
    moved = replace(first, height=first.height + 1 if first.height < 2 else first.height - 1)
    return replace(found, beef=Beef((moved, *others), beef.transactions, beef.known).to_bytes())


def _nothing(answer: Answer) -> Answer | None:
    is_empty = not answer.is_binary or not parse_aggregated(answer.body).outputs
    return None if is_empty else plain(200, b'{"type":"output-list","outputs":[]}', "application/json")


LIES: Final = {
    Fault.HIDES: _listed(_hides),
    Fault.WRONG_DOCUMENT: _listed(_wrong_document),
    Fault.WRONG_PROOF: _listed(_wrong_proof),
    Fault.LISTS_NOTHING: _nothing,
}
"""What a host may say instead of what it has."""


async def foreign(answer: Answer, ledger: Ledger) -> Answer | None:
    """The answer with a record of somebody else in it, whose transaction holds in every way."""
    if not answer.is_binary or answer.status != 200:
        return None
    found = parse_aggregated(answer.body)
    stranger = Keys(b"\x07" * 32)

    def publish(world: World) -> tuple[Outpoint, bytes]:
        spends = world._reserve().outpoint
        token = RecordToken(stranger.identity, RecordId(Kind.DATASET, "foreign"), Anchor(Digest("11" * 32), spends))
        script = lock(token, stranger.sign(token.key, preimage(token)))
        gift = world.fund(script, Satoshis(1))
        return gift.outpoint, gift.beef

    outpoint, proof = await ledger._run(publish)
    beef = merge([parse_beef(each)[0] for each in (found.beef, proof) if each])
    return answer.with_body(AggregatedAnswer((*found.outputs, (outpoint, b"{}")), beef.to_bytes()).to_bytes())
