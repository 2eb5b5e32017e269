"""What a record token and its document say together (PROTOCOL §2 and §3)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from reconciler.model.capabilities import capability_fault
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, Kind
from reconciler.model.json import Json, JsonObject
from reconciler.store.listings import RecordEntry
from reconciler.wire.documents import parse_record_document, parse_root_document
from reconciler.wire.record import RecordToken, parse

_TEXTS: Final = ("title", "displayName", "description", "capability")


@lru_cache(maxsize=4096)
def token_of(locking: bytes) -> RecordToken | None:
    """`wire.record.parse`, for tokens that are looked at several times: its signature check is what an admission costs."""
    return parse(locking)


def entry_of(token: RecordToken, document: bytes) -> RecordEntry:
    """What is indexed about a token, given the document that its anchor names by hash.

    Raises VerificationError where the document is malformed or speaks of another record.
    """
    public, sealed = _root(token, document) if token.id.kind is Kind.PRODUCER else _record(token, document)
    tags = _texts(public.get("tags"))
    texts = [token.id.name, *tags, *(text for name in _TEXTS for text in _texts([public.get(name)]))]
    return RecordEntry(
        producer=token.identity,
        id=token.id,
        document=token.anchor.document_hash,
        sealed=sealed,
        tags=tags,
        capabilities=_capabilities(public),
        text="\n".join(texts),
    )


def _record(token: RecordToken, document: bytes) -> tuple[JsonObject, None]:
    parsed = parse_record_document(document)
    if (parsed.producer, parsed.id) != (token.identity, token.id):
        raise VerificationError(f"the document of {token.id} speaks of {parsed.id} of {parsed.producer}")
    return parsed.public, None


def _root(token: RecordToken, document: bytes) -> tuple[JsonObject, Digest]:
    parsed = parse_root_document(document)
    if (parsed.producer, parsed.name) != (token.identity, token.id.name):
        raise VerificationError(f"the document of {token.id} speaks of {parsed.name} of {parsed.producer}")
    return parsed.public, parsed.sealed.sha256


def _capabilities(public: JsonObject) -> tuple[str, ...]:
    """A record's capability, a producer's capabilities; what is none in form can be asked for by nobody."""
    named = (*_texts([public.get("capability")]), *_texts(public.get("capabilities")))
    return tuple(capability for capability in named if capability_fault(capability) is None)


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()
