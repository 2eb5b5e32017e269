"""What a record token and its document say together (PROTOCOL §2 and §3)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from reconciler.model.amounts import MAX_SATOSHIS
from reconciler.model.capabilities import capability_fault
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, Kind
from reconciler.model.json import Json, JsonObject
from reconciler.store.listings import Price, RecordEntry
from reconciler.wire.documents import parse_record_document, parse_root_document
from reconciler.wire.record import RecordToken, parse

_TEXTS: Final = ("title", "displayName", "description", "capability")

# A stranger's document is as long as he likes; what is indexed of it is not.
_TEXT: Final = 8192
_WORD: Final = 128
_WORDS: Final = 256
_MODEL: Final = 32

_SOLD: Final = frozenset({Kind.DATASET, Kind.STREAM})
"""What is free unless it says what it costs (MANIFESTS §1)."""


_REMEMBERED: Final = 2048
"""Bytes of a script or document that is remembered. Most have some hundreds; others would fill the memory."""


def token_of(locking: bytes) -> RecordToken | None:
    """`wire.record.parse`, for tokens that are looked at several times: its signature check is what an admission costs."""
    return _token_of(locking) if len(locking) <= _REMEMBERED else parse(locking)


@lru_cache(maxsize=4096)
def _token_of(locking: bytes) -> RecordToken | None:
    return parse(locking)


def entry_of(token: RecordToken, document: bytes) -> RecordEntry:
    """What is indexed about a token, given the document that its anchor names by hash.

    Raises VerificationError where the document is malformed or speaks of another record.
    """
    return _entry_of(token, document) if len(document) <= _REMEMBERED else _read_entry(token, document)


@lru_cache(maxsize=1024)  # whether it is whole is asked first, and then what is to be indexed of it
def _entry_of(token: RecordToken, document: bytes) -> RecordEntry:
    return _read_entry(token, document)


def _read_entry(token: RecordToken, document: bytes) -> RecordEntry:
    public, sealed = _root(token, document) if token.id.kind is Kind.PRODUCER else _record(token, document)
    tags = _words(public.get("tags"))
    texts = [token.id.name, *tags, *(text for name in _TEXTS for text in _texts([public.get(name)]))]
    return RecordEntry(
        producer=token.identity,
        id=token.id,
        document=token.anchor.document_hash,
        sealed=sealed,
        tags=tags,
        capabilities=_capabilities(public),
        regions=_words(public.get("regions")),
        license=next(iter(_words([public.get("license")])), None),
        price=_price(token.id.kind, public.get("pricing")),
        text="\n".join(texts)[:_TEXT],
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
    named = (*_words([public.get("capability")]), *_words(public.get("capabilities")))
    return tuple(capability for capability in named if capability_fault(capability) is None)


def _price(kind: Kind, pricing: Json) -> Price | None:
    """What a good costs, or an advertisement says that it costs from; None for what cannot be understood."""
    match pricing:
        case None:
            return Price(0, None) if kind in _SOLD else None
        case {"satoshis": satoshis, "model": str(model)} if type(satoshis) is int and len(model) <= _MODEL:
            return Price(satoshis, model) if 0 <= satoshis <= MAX_SATOSHIS else None
    return None


def _words(value: Json) -> tuple[str, ...]:
    """Tags, regions and the like: what somebody may ask for."""
    return tuple(word for word in _texts(value) if len(word) <= _WORD)[:_WORDS]


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()
