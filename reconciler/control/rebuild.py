"""Writing down a published state that was read back from the overlay (PROTOCOL §5).

The same after a lost database (`state rebuild`), on a fresh CI runner, and where another machine has applied meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.apply.deliver import CATALOG_TOPIC, OverlayHost
from reconciler.model.ids import Outpoint, Txid
from reconciler.model.keys import KeyRef, ad_key
from reconciler.model.observed import ListedAd, ObservedReplica
from reconciler.observe.ads import LiveAd, purses
from reconciler.observe.catalog import Catalog
from reconciler.store.coins import Coins, Purpose, StoredCoin
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.outcome import Outcome
from reconciler.store.published import Published
from reconciler.store.settings import Settings
from reconciler.store.transactions import Transactions
from reconciler.wallet.keys import Keys
from reconciler.wallet.sealing import SEED_KEY
from reconciler.wire.beef import Beef, merge, subset
from reconciler.wire.merkle import MerklePath
from reconciler.wire.submission import Submission, pack_documents
from reconciler.wire.transaction import Transaction, TxOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What was restored, for people: `change` is the money that the chain shows as ours, in satoshis."""

    generation: int
    records: int
    replicas: int
    change: int


async def write_down(
    catalog: Catalog,
    replicas: Sequence[ObservedReplica],
    ads: Sequence[LiveAd],
    *,
    database: Database,
    keys: Keys,
    iv: bytes,
    now: int,
    spent: Collection[Outpoint] = (),
) -> Rebuilt:
    """Make the catalog this machine's recorded state, in one database transaction: records, ads, documents, coins, seed.

    Of the coins that follow from it, those that are known to be `spent` are left out. Read with the gateway's keys it brings no coins: they are the producer's, and nobody here could spend them.
    """
    is_ours = keys.identity == catalog.live.document.producer
    found = (*_coins(catalog), *ad_coins(ads), *_purse_coins(ads, keys)) if is_ours else ()
    coins = tuple(coin for coin in found if coin.outpoint not in spent)
    beef = merge([_beef(catalog), *(ad.found.beef for ad in ads)])
    async with database.begin() as connection:
        await Transactions(connection).keep(_proven(beef))
        await Documents(connection).put(*_documents(catalog))
        await Coins(connection).replace(coins)
        await Coins(connection).mark_spent(entry.transaction for entry in beef.transactions.values())
        await Settings(connection).put_reader(keys.identity)
        if is_ours:
            await Settings(connection).put_seed(
                keys.identity, keys.encrypt(SEED_KEY, catalog.state.content_seed, iv=iv)
            )
        await Published(connection).clear()
        await Published(connection).commit(_outcome(catalog, replicas, ads, now))
    return Rebuilt(
        generation=catalog.root.generation,
        records=len(catalog.records),
        replicas=len(replicas),
        change=sum(coin.satoshis for coin in coins if coin.purpose is Purpose.MONEY),
    )


async def write_rows(catalog: Catalog, replicas: Sequence[ObservedReplica], *, database: Database, now: int) -> None:
    """Write the rows of what is live anew, where somebody damaged them; of coins and advertisements the database knows more."""
    async with database.begin() as connection:
        published = Published(connection)
        ads = await published.ads()
        await Documents(connection).put(*_documents(catalog))
        await published.clear()
        await published.commit(replace(_outcome(catalog, replicas, (), now), ads=ads))


async def keep_ads(ads: Sequence[LiveAd], database: Database, keys: Keys) -> None:
    """Keep the tokens of advertisements that were found, so that they can be spent or taken over, and the purse."""
    async with database.begin() as connection:
        await Transactions(connection).keep(_proven(merge([ad.found.beef for ad in ads])))
        await Coins(connection).add((*ad_coins(ads), *_purse_coins(ads, keys)))


async def refill(catalog: Catalog, own: OverlayHost) -> None:
    """Give our own host the records that it lost with the database; it verifies them as any host would."""
    beef = _beef(catalog)
    for txid, documents in _by_transaction(catalog).items():
        await own.submit(Submission(subset(beef, [txid]).to_bytes(), (CATALOG_TOPIC,), pack_documents(documents)))


def ad_coins(ads: Iterable[LiveAd]) -> Iterator[StoredCoin]:
    """The tokens of these advertisements, as coins."""
    for ad in ads:
        yield _coin(ad.found.outpoint, ad.found.output, ad_key(ad.found.protocol), Purpose.TOKEN)


def _purse_coins(ads: Sequence[LiveAd], keys: Keys) -> Iterator[StoredCoin]:
    for purse in purses(ads, keys):
        yield _coin(purse.outpoint, purse.output, purse.key, Purpose.MONEY)


def _outcome(catalog: Catalog, replicas: Sequence[ObservedReplica], ads: Sequence[LiveAd], now: int) -> Outcome:
    listed = set(catalog.root.ads)
    observed = (ad.observed(is_recorded=True) for ad in ads)
    return Outcome(
        identity=catalog.live.document.producer,
        root=catalog.root,
        upserts=tuple(record.observed for record in catalog.records),
        replicas=tuple(replicas),
        ads=tuple(
            {
                (ad.protocol, ad.name, ad.url): ad
                for ad in observed
                if ListedAd(protocol=ad.protocol, name=ad.name, url=ad.url) in listed
            }.values()
        ),
        commit=catalog.live.document.source.commit,
        at=now,
    )


def _coins(catalog: Catalog) -> Iterator[StoredCoin]:
    for record in catalog.records:
        yield _coin(record.observed.outpoint, record.output, record.token.key, Purpose.TOKEN)
    for stray in (catalog.token, *catalog.strays):
        yield _coin(stray.outpoint, stray.output, stray.token.key, Purpose.TOKEN)
    for change in catalog.change:
        yield _coin(change.outpoint, change.output, change.key, Purpose.MONEY)


def _coin(outpoint: Outpoint, output: TxOutput, key: KeyRef, purpose: Purpose) -> StoredCoin:
    return StoredCoin(outpoint=outpoint, satoshis=output.satoshis, locking=output.locking, key=key, purpose=purpose)


def _beef(catalog: Catalog) -> Beef:
    return merge(list(catalog.beefs))


def _proven(beef: Beef) -> Iterator[tuple[Transaction, MerklePath | None]]:
    return ((entry.transaction, beef.proof(txid)) for txid, entry in beef.transactions.items())


def _documents(catalog: Catalog) -> tuple[bytes, ...]:
    return (catalog.live.raw_document, catalog.live.sealed, *(record.document for record in catalog.records))


def _by_transaction(catalog: Catalog) -> Mapping[Txid, list[bytes]]:
    documents = {catalog.live.outpoint.txid: [catalog.live.raw_document, catalog.live.sealed]}
    for record in catalog.records:
        documents.setdefault(record.observed.outpoint.txid, []).append(record.document)
    return documents
