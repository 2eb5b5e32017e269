"""A gateway that delivers one small content that was bought, as it is measured: the part lies on its disk already."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette

from reconciler.clients.http import HttpClient
from reconciler.content.cache import PartCache
from reconciler.content.fetching import Fetcher
from reconciler.content.sealing import SealedFile, seal
from reconciler.content.serving import Library
from reconciler.content.sources import LocalFiles
from reconciler.gateway.app import build_app
from reconciler.gateway.grants import Grant
from reconciler.model.amounts import Satoshis
from reconciler.model.goods import Good
from reconciler.model.ids import Digest, Kind, Outpoint, RecordId, Txid, digest
from reconciler.model.keys import GRANT_KEY
from reconciler.model.payment import PaymentMethod, PaymentState
from reconciler.payments.sale import receipt_for
from reconciler.store import schema
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.payments import Payment, Payments
from reconciler.store.receipts import Receipts
from reconciler.store.terms import Terms
from reconciler.wallet.keys import Keys
from reconciler.web.server import Door, serving
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.documents import PublishedContent, RecordDocument
from reconciler.wire.script import p2pkh
from reconciler.wire.sealing import seal_record
from reconciler.wire.stream_cipher import Layout, content_key
from reconciler.wire.tender import Tender
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

RECORD: Final = RecordId(Kind.DATASET, "measured")
_SEED: Final = sha256(b"benchmarks: the seed").digest()
_BUYER: Final = Keys(sha256(b"benchmarks: the client").digest())
_WITHOUT_END: Final = 1 << 52


async def prepare(question: Mapping[str, Any], keys: Keys, database: Database) -> str:
    """Put everything where a sale leaves it; the path and query by which it is had."""
    plain, size = await asyncio.to_thread(_measured, Path(question["file"]))
    content = await _store(LocalFiles((Path(question["file"]),), plain, size), Path(question["folder"]))
    box = seal_record(_SEED, RECORD, {"content": {"sha256": plain, "size": content.size}}, bytes(12))
    document = RecordDocument(keys.identity, RECORD, {}, content, box).to_bytes()
    terms = _terms(keys, digest(sha256(document).digest()))
    payment = _payment(keys, terms)
    receipt = receipt_for(payment, terms, seller=keys, now=payment.booked)
    async with database.begin() as connection:
        await Documents(connection).put(document)
        await Payments(connection).book(payment)
        await Receipts(connection).add(receipt)
    grant = Grant(receipt.id, RECORD, int(time.time()) + 86_400)
    return f"/v1/datasets/{RECORD.name}/content?grant={grant.text(lambda data: keys.mac(GRANT_KEY, data))}"


def _measured(file: Path) -> tuple[Digest, int]:
    data = file.read_bytes()
    return digest(sha256(data).digest()), len(data)


async def _store(files: LocalFiles, folder: Path) -> PublishedContent:
    """Seal it, and put its parts where a cache has what it has fetched."""
    key = content_key(_SEED, RECORD.name, files.sha256)
    sealed = await seal(files, key=key, sha256=files.sha256, layout=Layout(files.size))
    for index, part in enumerate(sealed.parts):
        chunks = [chunk async for chunk in SealedFile(files, key, sealed).chunks(index)]
        await asyncio.to_thread(_write, folder / part.sha256, b"".join(chunks))
    return sealed.published("application/octet-stream")


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def _terms(keys: Keys, document: Digest) -> Terms:
    return Terms(
        network=Digest("0b" * 32),
        producer=keys.identity,
        good=Good(RECORD),
        document=document,
        downloads=_WITHOUT_END,
        bytes=_WITHOUT_END,
        seconds=86_400,
        tier="none",
    )


def _payment(keys: Keys, terms: Terms) -> Payment:
    """As it stands when it was accepted; no chain has seen it, and nobody looks there."""
    output = TxOutput(Satoshis(1000), p2pkh(keys.identity))
    transaction = Transaction((TxInput(Outpoint(Txid(terms.document), 0), b"\x51"),), (output,))
    tender = Tender(
        method=PaymentMethod.BRC105,
        buyer=_BUYER.identity,
        prefix="cHJlZml4",
        suffix="c3VmZml4",
        beef=Beef.of((), [BeefTx(transaction)]),
        subject=transaction.txid,
        vout=0,
    )
    return Payment(
        tender=tender,
        good=str(RECORD),
        price=Satoshis(1000),
        satoshis=Satoshis(1000),
        booked=int(time.time()),
        state=PaymentState.ACCEPTED,
        terms=terms,
    )


async def _nobody(_: Digest) -> Sequence[str]:
    return ()


async def _seed() -> bytes:
    return _SEED


async def serve(question: Mapping[str, Any]) -> None:
    """Until standard input ends."""
    database = Database.open(question["database"])
    await schema.prepare(database)
    keys = Keys(bytes.fromhex(question["key"]))
    path = await prepare(question, keys, database)
    async with HttpClient() as http:
        fetcher = Fetcher(http=http, strangers=http, folder=Path(question["folder"]), locate=_nobody)
        app = build_app(
            database=database,
            identity=keys.identity,
            host=Starlette(),
            keys=keys,
            contents=Library(PartCache(fetcher), seed=_seed),
            clock=time.time,
            randomness=secrets.token_bytes,
        )
        async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
            print(json.dumps({"url": url, "path": path}), flush=True)
            await asyncio.to_thread(sys.stdin.read)
    await database.close()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
