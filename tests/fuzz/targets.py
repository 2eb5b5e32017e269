"""Everything that takes a stranger's bytes, each as a function of bytes: only errors that it announces may come out.

A parser that is in no target fails tests/fuzz/test_parsers.py. Add it to `covers` of one that calls it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from reconciler.chain.blocks import parse_header
from reconciler.gateway import native
from reconciler.gateway import query as gateway_query
from reconciler.gateway.grants import parse_grant
from reconciler.host.catalog import entry_of, token_of
from reconciler.host.lookups import advertisements as ad_lookup
from reconciler.host.lookups import data_catalog as catalog_lookup
from reconciler.host.lookups import uhrp as uhrp_lookup
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import OverlayError, RefusedError, VerificationError
from reconciler.model.ids import AdProtocol, Digest, IdentityKey, Kind, Outpoint, RecordId, Txid
from reconciler.model.json import Json
from reconciler.storage.terms import Grant, Wish
from reconciler.web.packetpay import read_either
from reconciler.web.paywall import read_payment
from reconciler.wire import (
    advertisement,
    auth,
    authrite,
    handshake,
    pushdrop,
    record,
    script,
    sealing,
    selling,
    uhrp,
    uris,
)
from reconciler.wire.answer import parse_aggregated, parse_answer
from reconciler.wire.arc import parse_report
from reconciler.wire.base58 import decode_check
from reconciler.wire.beef import parse_beef
from reconciler.wire.brc121 import Price, SimplePayment
from reconciler.wire.canonical import canonical_json, parse_canonical, parse_cbor, parse_json, parse_written, sha256_hex
from reconciler.wire.certificate import Certificate
from reconciler.wire.documents import PublishedContent, StoredPart, parse_record_document, parse_root_document
from reconciler.wire.encryption import decrypt
from reconciler.wire.extended import is_extended, parse_extended, read_extended
from reconciler.wire.gasp import parse_list_answer, parse_list_request, parse_node, parse_node_request
from reconciler.wire.http import Reply
from reconciler.wire.javascript import javascript_json
from reconciler.wire.merkle import parse_path, read_path
from reconciler.wire.packetpay import parse_envelope, parse_packet
from reconciler.wire.payment import Charge, PaymentHeader, parse_atomic
from reconciler.wire.receipt import Receipt
from reconciler.wire.record import Anchor, RecordToken
from reconciler.wire.sealed_content import sold_layout
from reconciler.wire.settlements import parse_settlements
from reconciler.wire.spend import Allowance, ScriptError, Spending
from reconciler.wire.spv import verify
from reconciler.wire.stream_cipher import Layout, Opening, SegmentCipher, key_commitment
from reconciler.wire.submission import parse_steak, parse_submission, unpack_documents
from reconciler.wire.transaction import Transaction, TxInput, TxOutput, parse_transaction, read_transaction
from tests.contract.calls import CALLS

VECTORS: Final = Path(__file__).parents[1] / "vectors"
SEED: Final = bytes(32)
KEY: Final = IdentityKey("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
NOW: Final = 1_767_225_600
_HASH: Final = Digest("ab" * 32)
_DATASET: Final = RecordId(Kind.DATASET, "a")


@dataclass(frozen=True, slots=True)
class Target:
    """One function of a stranger's bytes."""

    run: Callable[[bytes], object]
    covers: tuple[Callable[..., object], ...]
    """The parsers that it calls."""
    raises: tuple[type[Exception], ...] = (VerificationError,)
    """What they announce."""

    def __call__(self, data: bytes) -> None:
        """Raises whatever is not announced."""
        with suppress(*self.raises):
            self.run(data)


def of_json(read: Callable[[Json], object]) -> Callable[[bytes], object]:
    """A reader of a JSON value, as a reader of bytes."""
    return lambda data: read(parse_json(data, "the body"))


def of_text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """A reader of text, as it comes in headers and fields."""
    return lambda data: read(data.decode("latin-1"))


def of_fields(read: Callable[[list[tuple[str, str]]], object]) -> Callable[[bytes], object]:
    """A reader of headers: lines of `name: value`."""

    def run(data: bytes) -> object:
        lines = (line.partition(": ") for line in data.decode("latin-1").split("\n"))
        return read([(name.lower(), value) for name, _, value in lines])

    return run


def _script(data: bytes) -> None:
    """A stranger's output, and a stranger's input that spends it."""
    size = int.from_bytes(data[:2], "big")
    locking, unlocking = data[2 : 2 + size], data[2 + size :]
    spending = Transaction((TxInput(Outpoint(Txid("ab" * 32), 0), unlocking),), (TxOutput(Satoshis(1), b"\x51"),))
    Spending(spending).check(0, TxOutput(Satoshis(1), locking), Allowance(1 << 20, 1 << 20))


def _spv(data: bytes) -> None:
    beef, subject = parse_beef(data)
    for txid in [subject] if subject else [*beef.transactions][:4]:
        roots = {bump.height: bump.block_root for bump in beef.bumps}
        verify(beef, txid, roots=roots, height=1_000_000, now=NOW)


def _of_token(read: Callable[[Transaction, int], object]) -> Callable[[bytes], object]:
    spent = TxInput(Outpoint(Txid("ab" * 32), 0))
    return lambda data: read(Transaction((spent,), (TxOutput(Satoshis(1), data),)), 0)


def _entry(data: bytes) -> None:
    for kind in (Kind.DATASET, Kind.PRODUCER):
        token = RecordToken(KEY, RecordId(kind, "a"), Anchor(sha256_hex(data), Outpoint(Txid("ab" * 32), 0)))
        try:
            entry_of(token, data)
        except VerificationError:
            continue


def _sold(data: bytes) -> None:
    """A document's claims of parts, and stored bytes."""
    key = sha256(data[:1]).digest()
    sizes = [int.from_bytes(data[at : at + 4], "big") for at in range(1, min(len(data), 33), 4)]
    parts = tuple(StoredPart(uhrp.url_of(_HASH), _HASH, size) for size in sizes)
    total = int.from_bytes(data[1:9], "big")
    sold_layout(PublishedContent(_HASH, total, "text/plain", parts, key_commitment(key)), key)


def _stored(data: bytes) -> None:
    opening = Opening(SegmentCipher(SEED, Layout(1 + len(data[:1]) * 100, 64, 2)))
    for at in range(0, len(data), 50):
        for _ in opening.feed(data[at : at + 50]):
            pass
    opening.end()


def _submission(data: bytes) -> None:
    head, _, body = data.partition(b"\n\n")
    lines = (line.partition(": ") for line in head.decode("latin-1").split("\n"))
    parse_submission({name: value for name, _, value in lines}, body)


def _query(data: bytes) -> None:
    for protocol in AdProtocol:
        of_json(lambda query: ad_lookup.parse_query(protocol, query))(data)  # noqa: B023 - called at once


def _grant(data: bytes) -> None:
    Grant.parse(dict(parse_qsl(data.decode("latin-1"))), lambda sealed: sha256(sealed).digest(), float(NOW))


def _signed(fields: list[tuple[str, str]]) -> None:
    stamp = auth.Stamp.parse(fields)
    auth.request_preimage(stamp, "POST", "/a?b", fields, b"{}")
    auth.response_preimage(stamp, 200, fields, b"")


class Answering:
    """Satisfies wire.http.Http: every question has the same answer."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    async def request(self, method: str, url: str, **_: Any) -> Reply:
        return Reply(url, self.status, self.headers, self._body)

    @asynccontextmanager
    async def stream(self, url: str, **_: Any) -> Any:
        yield self

    async def chunks(self) -> Any:
        yield self._body


def done(work: Coroutine[Any, Any, object]) -> object:
    """What a coroutine gives that waits for nobody."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    finally:
        work.close()
    raise AssertionError("it waits")


_STATUSES: Final = (200, 200, 200, 200, 201, 400, 404, 500)


def _clients(data: bytes) -> None:
    """The first byte says how it is answered, the others are the answer."""
    how = data[0] if data else 0
    kind = "application/octet-stream" if how & 8 else "application/json"
    http = Answering(_STATUSES[how & 7], {"content-type": kind}, data[1:])
    for call in CALLS.values():
        try:
            done(call(http, "http://a.embedded"))  # type: ignore[arg-type]
        except OverlayError as error:
            error.message.encode()


def _certificate(value: Json) -> None:
    if isinstance(value, Mapping):
        for parse in (Certificate.parse, Certificate.parse_master):
            with suppress(VerificationError):
                parse(value).signed()


def _authrite_message(value: Json) -> None:
    for read in (authrite.InitialRequest.parse, authrite.InitialResponse.parse):
        with suppress(VerificationError):
            read(value)


def _charge(fields: list[tuple[str, str]]) -> None:
    Charge.parse(dict(fields), KEY)


_FAULTS: Final = (RefusedError, VerificationError)

GROUPS: Final[dict[str, dict[str, Target]]] = {
    "transactions": {
        "transaction": Target(parse_transaction, (parse_transaction, read_transaction)),
        "extended": Target(
            lambda data: is_extended(data) and parse_extended(data), (is_extended, parse_extended, read_extended)
        ),
        "beef": Target(parse_beef, (parse_beef,)),
        "path": Target(parse_path, (parse_path, read_path)),
        "header": Target(parse_header, (parse_header,), (VerificationError, ValueError)),
        "spv": Target(_spv, (verify,)),
    },
    "scripts": {
        "script": Target(_script, (Spending.check,), (ScriptError,)),
        "pushes": Target(lambda data: script.pushes(data, most=100), (script.pushes,)),
    },
    "tokens": {
        "pushdrop": Target(pushdrop.parse, (pushdrop.parse,)),
        "record": Target(record.parse, (record.parse,)),
        "record in place": Target(_of_token(record.check), (record.check,)),
        "record, remembered": Target(token_of, (token_of,)),
        "anchor": Target(Anchor.from_bytes, (Anchor.from_bytes,)),
        "advertisement": Target(advertisement.parse, (advertisement.parse,)),
        "advertisement in place": Target(_of_token(advertisement.check), (advertisement.check,)),
        "uhrp": Target(uhrp.parse, (uhrp.parse,)),
        "uhrp in place": Target(_of_token(uhrp.check), (uhrp.check,)),
    },
    "documents": {
        "json": Target(lambda data: parse_json(data, "it"), (parse_json,)),
        "canonical json": Target(parse_canonical, (parse_canonical,)),
        "canonical json of our own": Target(lambda data: parse_written(data, "it"), (parse_written,)),
        "cbor": Target(parse_cbor, (parse_cbor,)),
        "off-chain values": Target(unpack_documents, (unpack_documents,)),
        "record document": Target(parse_record_document, (parse_record_document,)),
        "root document": Target(parse_root_document, (parse_root_document,)),
        "entry": Target(_entry, (entry_of,)),
        "javascript": Target(of_json(javascript_json), (javascript_json,)),
    },
    "sealed": {
        "record": Target(
            lambda data: sealing.open_record(SEED, RecordId(Kind.DATASET, "a"), data), (sealing.open_record,)
        ),
        "recipients": Target(sealing.recipients, (sealing.recipients,)),
        "state": Target(lambda data: sealing.open_state(data, SEED), (sealing.open_state,)),
        "brc-2": Target(lambda data: decrypt(SEED, data), (decrypt,)),
        "layout": Target(_sold, (sold_layout,), (VerificationError, ValueError)),
        "stored": Target(_stored, (Opening.feed, SegmentCipher.open)),
    },
    "answers": {
        "look-up": Target(of_json(parse_answer), (parse_answer,)),
        "aggregated": Target(parse_aggregated, (parse_aggregated,)),
        "steak": Target(of_json(parse_steak), (parse_steak,)),
        "report": Target(of_json(parse_report), (parse_report,)),
        "gasp list": Target(of_json(parse_list_answer), (parse_list_answer,)),
        "gasp node": Target(of_json(parse_node), (parse_node,)),
    },
    "selling": {
        parse.__name__.removeprefix("parse_"): Target(of_json(parse), (parse,))
        for parse in (
            selling.parse_producer,
            selling.parse_catalog,
            selling.parse_quote,
            selling.parse_access,
            selling.parse_template,
            selling.parse_paid,
            selling.parse_standing,
            selling.parse_receipts,
        )
    }
    | {
        "receipt": Target(of_json(Receipt.parse), (Receipt.parse,)),
        "receipt bytes": Target(Receipt.from_bytes, (Receipt.from_bytes,)),
        "settlements": Target(of_json(lambda value: parse_settlements(value, "the answer")), (parse_settlements,)),
    },
    "clients": {"answered": Target(_clients, ())},
    "requests": {
        "submission": Target(_submission, (parse_submission,)),
        "gasp list": Target(of_json(parse_list_request), (parse_list_request,)),
        "gasp node": Target(of_json(parse_node_request), (parse_node_request,)),
        "ads": Target(_query, (ad_lookup.parse_query,), _FAULTS),
        "catalog": Target(of_json(catalog_lookup.parse_query), (catalog_lookup.parse_query,), _FAULTS),
        "uhrp": Target(of_json(lambda query: uhrp_lookup.parse_query(query, NOW)), (uhrp_lookup.parse_query,), _FAULTS),
        "native quote": Target(native.parse_quote, (native.parse_quote,)),
        "native payment": Target(native.parse_payment, (native.parse_payment,)),
        "wish": Target(of_json(Wish.parse), (Wish.parse,), _FAULTS),
        "grant": Target(_grant, (Grant.parse,), _FAULTS),
        "content grant": Target(
            of_text(lambda text: parse_grant(text, _DATASET, seal=lambda data: sha256(data).digest(), now=NOW)),
            (parse_grant,),
            (RefusedError,),
        ),
        "gateway": Target(
            lambda data: gateway_query.parse_query(parse_qsl(data.decode("latin-1"))),
            (gateway_query.parse_query,),
            _FAULTS,
        ),
    },
    "identity": {
        "stamp": Target(of_fields(_signed), (auth.Stamp.parse, auth.decoded, auth.check_version)),
        "authrite": Target(
            of_fields(lambda fields: (authrite.Stamp.of_request(dict(fields)), authrite.Stamp.of_answer(dict(fields)))),
            (),
        ),
        "authrite message": Target(
            of_json(_authrite_message), (authrite.InitialRequest.parse, authrite.InitialResponse.parse)
        ),
        "message": Target(of_json(handshake.parse_message), (handshake.parse_message,)),
        "wanted": Target(of_json(handshake.Wanted.parse), (handshake.Wanted.parse,)),
        "certificate": Target(of_json(_certificate), (Certificate.parse, Certificate.parse_master)),
        "charge": Target(of_fields(_charge), (Charge.parse,)),
        "payment": Target(of_text(PaymentHeader.parse), (PaymentHeader.parse,)),
        "packet": Target(
            of_text(lambda text: parse_packet(text, KEY)), (parse_packet, parse_envelope), (VerificationError,)
        ),
        "payment header": Target(of_text(lambda text: read_either(text, KEY)), (read_either, read_payment)),
        "price": Target(of_fields(lambda fields: Price.parse(dict(fields))), (Price.parse,)),
        "simple payment": Target(
            of_fields(lambda fields: SimplePayment.parse(dict(fields))), (SimplePayment.parse, parse_atomic)
        ),
    },
    "names": {
        "base58": Target(
            of_text(lambda text: decode_check(text, prefix=2, payload=32)), (decode_check,), (ValueError,)
        ),
        "uhrp url": Target(of_text(uhrp.digest_of), (uhrp.digest_of,), (ValueError,)),
        "address": Target(of_text(script.p2pkh_of_address), (script.p2pkh_of_address,), (ValueError,)),
        "outpoint": Target(of_text(Outpoint.parse), (Outpoint.parse,), (ValueError,)),
        "record": Target(of_text(RecordId.parse), (RecordId.parse,), (ValueError,)),
        "origin": Target(of_text(lambda text: uris.origin_fault(text, plain_http=False)), (uris.origin_fault,)),
        "uri": Target(of_text(lambda text: uris.advertisable_fault(text, plain_http=True)), (uris.advertisable_fault,)),
        "location": Target(of_text(lambda text: uhrp.location_fault(text, plain_http=False)), (uhrp.location_fault,)),
        "ad name": Target(
            of_text(lambda text: advertisement.name_fault(AdProtocol.SHIP, text)), (advertisement.name_fault,)
        ),
    },
}
"""Targets by group; a group is one fuzzer."""

EXEMPT: Final = {
    "reconciler.web.workers.Inheritance.parse": "reads what the parent process says",
    "reconciler.chain.tables.open_world": "opens our own file",
    "reconciler.content.cache.PartCache.read": "reads what was downloaded, which is held against its hash",
    "reconciler.content.serving.Library.read": "opens by SegmentCipher.open",
    "reconciler.content.joined.open_joined": "opens our own files",
    "reconciler.content.opening.open_content": "takes bytes by Opening.feed",
    "reconciler.gateway.settings.read_setting": "reads what the producer's own root seals",
    "reconciler.gateway.wishes.read_quantity": "as read_wish",
    "reconciler.gateway.wishes.read_wish": "parse_json over a bounded body, and two names that are checked",
    "reconciler.host.lookups.query.Query.read": "called by every look-up's parse_query",
    "reconciler.storage.disk.Disk.read": "reads what we have stored",
    "reconciler.storage.s3.S3.read": "reads what we have stored",
    "reconciler.storage.keeper.Keeper.open": "reads what we have stored",
    "reconciler.storage.keeper.Keeper.read": "reads what we have stored",
    "reconciler.web.bodies.read_body": "held against slow and long bodies by tests/unit/web",
    "reconciler.web.bodies.read_json": "parse_json over a bounded body",
    "reconciler.wire.fields.Fields.parsed": "called by parse_root_document and open_state",
    "reconciler.wire.fields.read_object": "called by parse_root_document and open_state",
    "reconciler.wire.uris.reach_fault": "called by advertisable_fault",
}
"""What is called like a parser and is none, or is covered by what calls it; with the reason."""


def seeds() -> tuple[bytes, ...]:
    """What our vectors hold, as bytes and as text, and small documents of every shape."""
    found = dict.fromkeys(_SMALL)
    for path in sorted(VECTORS.glob("*.json")):
        for text in _texts(json.loads(path.read_text(encoding="utf-8"))):
            found[text.encode()] = None
            if len(text) % 2 == 0 and text and set(text) <= set("0123456789abcdef"):
                found[bytes.fromhex(text)] = None
    return tuple(seed for seed in found if len(seed) <= 4096)


def _texts(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case dict():
            for item in value.values():
                yield from _texts(item)


_NONCE: Final = "A" * 64
_PAID: Final = json.loads((VECTORS / "payment.json").read_text(encoding="utf-8"))["payments"][0]["header"]
_PAYING: Final = PaymentHeader.parse(_PAID)
_BODIES: Final[tuple[Json, ...]] = (
    {
        "derivationPrefix": "AAAA",
        "transaction": {
            "rawTx": _PAYING.beef.transactions[_PAYING.subject].transaction.raw.hex(),
            "inputs": {
                txid: {
                    "rawTx": entry.transaction.raw.hex(),
                    "proof": {
                        "height": 1,
                        "index": 1,
                        "nodes": ["ab" * 32, "*"],
                        "targetType": "height",
                        "target": "1",
                    },
                }
                for txid, entry in _PAYING.beef.transactions.items()
                if txid != _PAYING.subject
            },
            "outputs": [{"vout": 0, "satoshis": 5, "derivationSuffix": "AAAA"}],
        },
    },
    {
        "authrite": "0.2",
        "messageType": "initialResponse",
        "identityKey": KEY,
        "nonce": _NONCE,
        "signature": "3006020101020101",
    },
    {"type": "output-list", "outputs": [{"beef": [1, 0, 190, 239, 0, 0], "outputIndex": 0, "context": [1]}]},
    {"tm_a": {"outputsToAdmit": [0], "coinsToRetain": [], "coinsRemoved": [1]}},
    {"txid": "ab" * 32, "txStatus": "MINED", "merklePath": "00", "blockHash": "cd" * 32, "blockHeight": 1},
    {
        "count": 1,
        "callbacks": [{"txid": "ab" * 32, "txStatus": "SEEN_ON_NETWORK", "extraInfo": "", "competingTxs": []}],
    },
    {"UTXOList": [{"txid": "ab" * 32, "outputIndex": 0, "score": 1}], "since": 1},
    {"graphID": f"{'ab' * 32}.0", "rawTx": "00", "outputIndex": 0, "proof": "00", "txid": "ab" * 32, "metadata": False},
    {"version": 1, "since": 0, "limit": 1},
    {"identityKey": KEY, "outpoint": f"{'ab' * 32}.0", "generation": 1, "documentHash": "ab" * 32},
    {"records": [{"kind": "dataset", "name": "a", "documentHash": "ab" * 32}], "next": "YQ"},
    {
        "id": "AAAA",
        "kind": "dataset",
        "name": "a",
        "quantity": 1,
        "documentHash": "ab" * 32,
        "satoshis": 9,
        "listSatoshis": 10,
        "tier": "gold",
        "credit": 0,
        "expires": NOW,
        "recipient": KEY,
        "methods": [{"method": "brc105", "url": "/a"}],
    },
    {"receipt": {"version": 1}, "key": "AAAA", "urls": ["/a", "https://a.example/b"], "expires": NOW},
    {
        "id": "ab" * 32,
        "expires": NOW,
        "satoshis": 9,
        "outputs": [{"satoshis": 9, "script": "51", "to": "producer"}],
    },
    {"receipt": {"version": 1}, "state": "live", "used": {"downloads": 1, "bytes": 2}},
    {
        "receipts": [{"receipt": {"version": 1}, "state": "live", "used": {"downloads": 1, "bytes": 2}}],
        "refund": {"state": "seen", "credit": 0, "beef": "AAAA", "derivationPrefix": "a", "derivationSuffix": "b"},
    },
    {"receipt": None, "refund": {"state": "credited", "credit": 5}},
    {"quote": {"id": "AAAA", "kind": "dataset", "name": "a", "quantity": 2, "satoshis": 9}},
    {"template": "ab" * 32, "transaction": "AQEBAQ=="},
    {
        "settlements": [
            {
                "txid": "ab" * 32,
                "vout": 0,
                "satoshis": 9,
                "protocol": "data catalog coin",
                "keyId": "settle a 0",
                "counterparty": KEY,
                "state": "mined",
                "height": 7,
                "beef": "AQEBAQ==",
            }
        ],
        "unsettled": {"count": 1, "satoshis": 9},
        "next": "7",
    },
    {"topics": ["tm_a"], "identityKey": KEY, "limit": 1, "skip": 0, "sortOrder": "asc", "findAll": False},
    {"service": "ls_a", "domain": "https://a.example"},
    {"producer": KEY, "kind": "dataset", "name": "a", "price": {"min": 0, "max": 1, "model": "once"}, "history": 1},
    {"uhrpUrl": "XUUd4J26mdRjnb7iYUdYWN3XR59w8zBWaGVdWnPU8MWvECe3tqCq", "expiryTime": 1, "hostIdentityKey": KEY},
    {"fileSize": 1, "retentionPeriod": 1, "uploadURL": "https://a.example/put", "requiredHeaders": {"x-a": "b"}},
    {"status": "success", "data": {"name": "a", "size": "1", "mimeType": "text/plain", "expiryTime": 1}},
    {"uploads": [{"uhrpUrl": "XUUd4J26mdRjnb7iYUdYWN3XR59w8zBWaGVdWnPU8MWvECe3tqCq", "expiryTime": 1}]},
    {
        "version": "0.1",
        "messageType": "initialRequest",
        "identityKey": KEY,
        "initialNonce": _NONCE,
        "requestedCertificates": {"certifiers": [KEY], "types": {_NONCE: ["name"]}},
    },
    {
        "version": "0.1",
        "messageType": "initialResponse",
        "identityKey": KEY,
        "initialNonce": _NONCE,
        "yourNonce": _NONCE,
        "signature": [48, 1],
        "certificates": [{}],
    },
    {
        "version": "0.1",
        "messageType": "certificateResponse",
        "identityKey": KEY,
        "nonce": _NONCE,
        "initialNonce": _NONCE,
        "yourNonce": _NONCE,
        "signature": [48],
        "certificates": [],
    },
    {"policy": {"miningFee": {"satoshis": 1, "bytes": 1000}}, "healthy": True, "ready": True},
    [{"height": 1, "time": 1, "hash": "ab" * 32, "merkleroot": "ab" * 32, "confirmations": 200}],
    {
        "type": f"{'A' * 43}=",
        "serialNumber": f"{'A' * 43}=",
        "subject": KEY,
        "certifier": KEY,
        "revocationOutpoint": f"{'ab' * 32}.0",
        "fields": {"name": "AAAA"},
        "signature": "3006020101020101",
        "keyring": {"name": "AAAA"},
        "masterKeyring": {"name": "AAAA"},
    },
    [{"tx_hash": "ab" * 32, "tx_pos": 0, "value": 1}],
)
_SMALL: Final = (
    b"",
    b"\x00",
    *(canonical_json(body) for body in _BODIES),
    *(bytes([how]) + canonical_json(body) for how in (0, 5) for body in _BODIES),
    b'x-topics: ["tm_a"]\nx-includes-off-chain-values: true\n\n\x04beefrest',
    b"fileSize=1&objectID=a&expiry=9999999999&uploader=a&hmac=ab",
    b"kind=dataset&tag=a&q=b&cursor=dataset/a&limit=5",
    "\n".join(
        (
            "x-bsv-auth-version: 0.1",
            f"x-bsv-auth-identity-key: {KEY}",
            f"x-bsv-auth-nonce: {'A' * 43}=",
            f"x-bsv-auth-your-nonce: {_NONCE}",
            f"x-bsv-auth-request-id: {'A' * 43}=",
            "x-bsv-auth-signature: 3006020101020101",
            "x-authrite: 0.2",
            f"x-authrite-identity-key: {KEY}",
            f"x-authrite-nonce: {'A' * 43}=",
            f"x-authrite-initialnonce: {'A' * 43}=",
            f"x-authrite-yournonce: {_NONCE}",
            "x-authrite-certificates: []",
            "x-authrite-signature: 3006020101020101",
            "x-bsv-payment-version: 1.0",
            "x-bsv-payment-satoshis-required: 100",
            "x-bsv-payment-derivation-prefix: AAAA",
        )
    ).encode(),
    "\n".join(
        (
            "x-bsv-sats: 100",
            f"x-bsv-server: {KEY}",
            f"x-bsv-sender: {KEY}",
            "x-bsv-nonce: 3q2+7w==",
            "x-bsv-time: 1719500000000",
            "x-bsv-vout: 0",
            f"x-bsv-beef: {json.loads(_PAID)['transaction']}",
        )
    ).encode(),
    b"\x00\x01\x51",
    b"\x00\x03\x76\x93\x87\x51",
    b"https://data.example:8443",
    b"js8c+bsvauth+smf:?lat=40&long=-130.5&freq=40meters&radius=1000miles",
    f"{'ab' * 32}.7".encode(),
    b"dataset/prices/btc",
)
