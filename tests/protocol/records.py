"""Rebuilds the examples of docs/protocol.md about encodings, keys, documents, tokens and what is sealed, by our own code."""

from __future__ import annotations

import base64
from hashlib import sha256
from itertools import chain
from typing import Any

from reconciler.model.ids import AdProtocol, Kind, Outpoint, RecordId, digest, identity_key
from reconciler.model.keys import KeyRef
from reconciler.wallet.keys import Keys
from reconciler.wallet.sealing import seal
from reconciler.wire import advertisement, pushdrop, record, uhrp
from reconciler.wire.advertisement import AdToken
from reconciler.wire.canonical import canonical_cbor, canonical_json, sha256_hex
from reconciler.wire.documents import parse_record_document, parse_root_document
from reconciler.wire.record import Anchor, RecordToken
from reconciler.wire.script import p2pkh
from reconciler.wire.sealing import SealedState, open_record, seal_record
from reconciler.wire.state_root import Leaf, prove, state_root, verify_inclusion
from reconciler.wire.submission import pack_documents
from reconciler.wire.uhrp import UhrpToken, url_of

Given = dict[str, Any]


def keys_of(secret: str) -> Keys:
    """The wallet of a private key in hex."""
    return Keys(bytes.fromhex(secret))


def counterparty_of(given: str) -> Any:
    """As `KeyRef` takes it."""
    return given if given in {"self", "anyone"} else identity_key(given)


def from_notation(value: Any) -> Any:
    """What the document writes for CBOR: {"hex": …} is a byte string."""
    match value:
        case {"hex": str(text)}:
            return bytes.fromhex(text)
        case dict():
            return {key: from_notation(item) for key, item in value.items()}
        case list():
            return [from_notation(item) for item in value]
    return value


def encodings(given: Given) -> Given:
    """Canonical JSON and CBOR."""
    return {
        "json": canonical_json(given["json"]).decode(),
        "sha256": sha256_hex(canonical_json(given["json"])),
        "cbor": canonical_cbor(from_notation(given["cbor"])).hex(),
    }


def keys(given: Given) -> Given:
    """Child keys, the owner's half, and what it pays to."""
    wallet = keys_of(given["secret"])
    named = [KeyRef(each["protocol"], each["keyID"], counterparty_of(each["counterparty"])) for each in given["keys"]]
    return {
        "identity": wallet.identity,
        "keys": [{"public": wallet.public(key), "p2pkh": p2pkh(wallet.public(key)).hex()} for key in named],
    }


def sealed_record(given: Given) -> Given:
    """The sealed fields of one record."""
    seed, record_id = bytes.fromhex(given["seed"]), RecordId(Kind(given["kind"]), given["name"])
    box = seal_record(seed, record_id, given["plaintext"], bytes.fromhex(given["nonce"]))
    assert open_record(seed, record_id, box) == given["plaintext"]
    return {"box": box.hex()}


def record_document(given: Given) -> Given:
    """A record's document, read, and written again."""
    data = canonical_json(given)
    assert parse_record_document(data).to_bytes() == data
    return {"documentHash": sha256_hex(data), "bytes": len(data)}


def root_document(given: Given) -> Given:
    """A root document, read, and written again."""
    data = canonical_json(given)
    assert parse_root_document(data).to_bytes() == data
    return {"documentHash": sha256_hex(data), "bytes": len(data)}


def record_token(given: Given) -> Given:
    """A record token, from its anchor to its script."""
    wallet = keys_of(given["secret"])
    anchor = Anchor(
        digest(given["documentHash"]), Outpoint.parse(given["spends"]), tuple(map(digest, given["parents"]))
    )
    token = RecordToken(wallet.identity, RecordId(Kind(given["kind"]), given["name"]), anchor)
    signature = wallet.sign(token.key, record.preimage(token))
    locking = record.lock(token, signature)
    assert record.parse(locking) == token
    return {
        "anchor": anchor.to_bytes().hex(),
        "keyID": token.key.key_id,
        "lockingKey": wallet.public(token.key),
        "signature": signature.hex(),
        "script": locking.hex(),
    }


def roots_of_state(given: Given) -> Given:
    """The state root over the first n leaves, for every n, and where each leaf stands among all."""
    leaves = [Leaf(RecordId(Kind(each["kind"]), each["name"]), digest(each["documentHash"])) for each in given]
    root = state_root(leaves)
    proofs = [prove(leaves, leaf.id) for leaf in leaves]
    assert all(verify_inclusion(proof, leaf, root, len(leaves)) for proof, leaf in zip(proofs, leaves, strict=True))
    return {
        "leaves": [leaf.to_bytes().hex() for leaf in leaves],
        "roots": [state_root(leaves[:count]) for count in range(len(leaves) + 1)],
        "proofs": [{"index": proof.index, "path": list(proof.path)} for proof in proofs],
    }


def sealed_state(given: Given) -> Given:
    """The root's sealed document; `random` is what is drawn, in this order."""
    drawn = iter([given["dataKey"], *given["ivs"], given["nonce"]])
    state = given["plaintext"]
    sealed = seal(
        SealedState(
            settings=state["settings"],
            producer=state["producer"],
            source=state["source"],
            content_seed=base64.b64decode(state["contentSeed"]),
            coins=tuple(state["coins"]),
            tips=state["tips"],
            expiries=state["expiries"],
        ),
        readers=[identity_key(reader) for reader in given["readers"]],
        keys=keys_of(given["secret"]),
        randomness=lambda _: bytes.fromhex(next(drawn)),
    )
    return {"sealed": sealed.hex(), "sha256": sha256_hex(sealed), "size": len(sealed)}


def off_chain(given: Given) -> Given:
    """Documents as off-chain values, and as the context of a producer's output."""
    return {"values": pack_documents([bytes.fromhex(each) for each in given["documents"]]).hex()}


def advertisements(given: Given) -> Given:
    """A SHIP and a SLAP token."""
    wallet = keys_of(given["secret"])
    tokens = [
        AdToken(AdProtocol(each["protocol"]), wallet.identity, each["url"], each["name"]) for each in given["tokens"]
    ]
    signatures = [wallet.sign(token.key, advertisement.preimage(token)) for token in tokens]
    return {
        "scripts": [
            advertisement.lock(token, signature).hex() for token, signature in zip(tokens, signatures, strict=True)
        ]
    }


def storage_advert(given: Given) -> Given:
    """A storage host's UHRP token."""
    wallet = keys_of(given["secret"])
    content = digest(sha256(bytes.fromhex(given["stored"])).hexdigest())
    token = UhrpToken(wallet.identity, content, given["url"], given["expires"], len(bytes.fromhex(given["stored"])))
    signature = wallet.sign(uhrp.UHRP_KEY, uhrp.preimage(token))
    script = uhrp.lock(token, signature)
    return {
        "uhrp": url_of(content),
        "fields": [field.hex() for field in chain(uhrp.signed_fields(token), [signature])],
        "script": script.hex(),
        "lockingKey": pushdrop.parse(script).key,
    }


REBUILT = {
    "encodings": encodings,
    "keys": keys,
    "sealed-record": sealed_record,
    "record-document": record_document,
    "record-token": record_token,
    "state-root": roots_of_state,
    "root-document": root_document,
    "sealed-state": sealed_state,
    "off-chain-values": off_chain,
    "advertisements": advertisements,
    "storage-advert": storage_advert,
}
