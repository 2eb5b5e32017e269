"""What only the producer and its gateway may read: a record's sealed fields, and the root's sealed document. PROTOCOL §3.

Plaintext is canonical JSON, then the byte 0x80, then zeros up to a multiple of 64 bytes (ISO/IEC 7816-4): since JSON ends in
neither, the padding can be taken off in one way only. Both boxes are nonce (12 bytes) ‖ AES-256-GCM ciphertext with its tag.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey, RecordId, identity_key
from reconciler.model.json import JsonObject
from reconciler.wire.canonical import Cbor, canonical_cbor, canonical_json, parse_canonical, parse_cbor
from reconciler.wire.fields import Fields, read_object

NONCE_BYTES: Final = 12
SEED_BYTES: Final = 32
_KEY_BYTES: Final = 32
_BLOCK: Final = 64
_TAG_BYTES: Final = 16
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedState:
    """The root's sealed document: what a rebuild needs and nobody else may see."""

    settings: JsonObject
    """The setting kinds of the manifests, by address."""
    producer: JsonObject
    """The Producer's own sealed fields."""
    source: str
    """The source of truth's id (PROTOCOL §4)."""
    content_seed: bytes = field(repr=False)
    """32 bytes from which content keys are made (PROTOCOL §6)."""
    coins: tuple[JsonObject, ...] = ()
    """Coins outside the walkable chains (PROTOCOL §5)."""
    tips: JsonObject = field(default_factory=dict)
    """Of the streams."""
    expiries: JsonObject = field(default_factory=dict)
    """Relative dates of the manifests, resolved."""

    def __post_init__(self) -> None:
        if len(self.content_seed) != SEED_BYTES:
            raise ValueError(f"a content seed has {SEED_BYTES} bytes, not {len(self.content_seed)}")


def seal_record(seed: bytes, id: RecordId, plaintext: JsonObject, nonce: bytes) -> bytes:  # noqa: A002 - its name everywhere
    """Seal the sealed fields of one record. `nonce` is 12 random bytes, never used twice. Raises ValueError."""
    return _seal(_record_key(seed, id), plaintext, nonce, _record_data(id))


def open_record(seed: bytes, id: RecordId, box: bytes) -> JsonObject:  # noqa: A002 - its name everywhere
    """The sealed fields of one record. Raises VerificationError for another record's box, another seed, tampered bytes."""
    return _open(_record_key(seed, id), box, _record_data(id))


def seal_state(state: SealedState, *, data_key: bytes, nonce: bytes, wrapped: Mapping[IdentityKey, bytes]) -> bytes:
    """The root's sealed document. Raises ValueError.

    Args:
        state: What to seal.
        data_key: 32 fresh random bytes.
        nonce: 12 random bytes.
        wrapped: The data key, encrypted (BRC-2) for each identity key that may open the document.
    """
    if not wrapped:
        raise ValueError("a sealed document needs somebody who can open it")
    head = _head({bytes.fromhex(key): box for key, box in wrapped.items()})
    box = _seal(data_key, _state_json(state), nonce, canonical_cbor(head))
    return canonical_cbor({**head, "c": box})


def recipients(sealed: bytes) -> Mapping[IdentityKey, bytes]:
    """Who can open a sealed document, and the data key wrapped for each. Raises VerificationError."""
    wrapped, _ = _parts(sealed)
    try:
        return {identity_key(key): box for key, box in wrapped.items()}
    except ValueError as error:
        raise VerificationError(f"a recipient of the sealed document is wrong: {error}") from error


def open_state(sealed: bytes, data_key: bytes) -> SealedState:
    """The root's sealed document, in plain. Raises VerificationError for another key or tampered bytes; `data_key` has 32."""
    wrapped, box = _parts(sealed)
    plain = _open(data_key, box, canonical_cbor(_head(wrapped)))
    return read_object(plain, "the sealed document", _state)


def _state(fields: Fields) -> SealedState:
    return SealedState(
        settings=fields.json_object("settings"),
        producer=fields.json_object("producer"),
        source=fields.text("source"),
        content_seed=fields.base64("contentSeed", size=SEED_BYTES),
        coins=fields.json_objects("coins"),
        tips=fields.json_object("tips"),
        expiries=fields.json_object("expiries"),
    )


def _state_json(state: SealedState) -> JsonObject:
    return {
        "settings": state.settings,
        "producer": state.producer,
        "source": state.source,
        "contentSeed": base64.b64encode(state.content_seed).decode(),
        "coins": state.coins,
        "tips": state.tips,
        "expiries": state.expiries,
    }


def _head(wrapped: Mapping[bytes, bytes]) -> dict[str, Cbor]:
    """All of a sealed document but its ciphertext, which is bound to it as associated data."""
    return {"v": _VERSION, "w": wrapped}


def _parts(sealed: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Wrapped keys and box of a sealed document."""
    match parse_cbor(sealed, "the sealed document"):
        case {"v": int(version), "w": {**wrapped}, "c": bytes(box), **others} if not others and version == _VERSION:
            keys = {key: value for key, value in wrapped.items() if isinstance(key, bytes) and isinstance(value, bytes)}
            if keys and len(keys) == len(wrapped):
                return keys, box
    raise VerificationError("the sealed document is not a map of v (1), w (keys to byte strings) and c (byte string)")


def _record_key(seed: bytes, record: RecordId) -> bytes:
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a content seed has {SEED_BYTES} bytes, not {len(seed)}")
    info = f"seal | {record.kind} | {record.name}".encode()
    return HKDF(SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(seed)


def _record_data(record: RecordId) -> bytes:
    return canonical_cbor([str(record.kind), record.name])


def _seal(key: bytes, plaintext: JsonObject, nonce: bytes, bound: bytes) -> bytes:
    _check_key(key)
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    padded = canonical_json(plaintext) + b"\x80"
    padded += bytes(-len(padded) % _BLOCK)
    return nonce + AESGCM(key).encrypt(nonce, padded, bound)


def _open(key: bytes, box: bytes, bound: bytes) -> JsonObject:
    _check_key(key)
    if len(box) < NONCE_BYTES + _BLOCK + _TAG_BYTES:
        raise VerificationError(f"a sealed box of {len(box)} bytes is too short")
    try:
        padded = AESGCM(key).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], bound)
    except InvalidTag as error:
        raise VerificationError("sealed data was tampered with, or is for another key") from error
    plaintext = padded.rstrip(b"\x00")
    if len(padded) % _BLOCK or len(padded) - len(plaintext) >= _BLOCK or not plaintext.endswith(b"\x80"):
        raise VerificationError("sealed data is not padded as it should be")
    value = parse_canonical(plaintext[:-1], "the sealed data")
    if not isinstance(value, Mapping):
        raise VerificationError("the sealed data is not a JSON object")
    return value


def _check_key(key: bytes) -> None:
    # AESGCM would take a key of 16 bytes as well, and quietly use AES-128.
    if len(key) != _KEY_BYTES:
        raise ValueError(f"a sealing key has {_KEY_BYTES} bytes, not {len(key)}")
