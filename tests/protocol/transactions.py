"""Rebuilds the examples of docs/protocol.md about the transactions of an apply: laid out as plans do, built as applies do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.apply.build import Built, build
from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.ids import Address, AdProtocol, Digest, Kind, Outpoint, RecordId, digest
from reconciler.model.keys import COIN_PROTOCOL, RECORD_PROTOCOL, KeyRef
from reconciler.model.observed import Coin, CoinStatus, ListedAd, ObservedAd, ObservedRecord, ObservedRoot, Snapshot
from reconciler.plan.action import Action, Risk
from reconciler.plan.change import Change
from reconciler.plan.layout import lay_out
from reconciler.plan.record_set import BATCH
from reconciler.plan.tokens import Wish
from reconciler.plan.transactions import Output, TxRole
from reconciler.store.coins import Purpose, StoredCoin
from reconciler.wallet.keys import Keys
from reconciler.wire.advertisement import AdToken
from reconciler.wire.record import Anchor, RecordToken
from tests.protocol.records import Given, keys_of

NOTHING = digest("00" * 32)
ROOT = "producer"


@dataclass(frozen=True, slots=True)
class Saying:
    """What the tokens of an example say (build.Tokens)."""

    keys: Keys
    documents: dict[str, Digest]
    pending: Digest | None
    ads: dict[Address, ListedAd]

    def token(self, output: Output, spends: Outpoint, role: TxRole) -> RecordToken | AdToken:
        """As the example says."""
        if output.record is None:
            ad = self.ads[output.object]
            return AdToken(ad.protocol, self.keys.identity, ad.url, ad.name)
        document = self.pending if role is TxRole.LOCK else self.documents[str(output.record)]
        return RecordToken(self.keys.identity, output.record, Anchor(document, spends))


def coin_of(given: Given) -> StoredCoin:
    """A coin, or a token that is spent."""
    is_money = given["protocol"] == COIN_PROTOCOL
    return StoredCoin(
        outpoint=Outpoint.parse(given["outpoint"]),
        satoshis=Satoshis(given["satoshis"]),
        locking=bytes.fromhex(given["script"]),
        key=KeyRef(given["protocol"], given["keyID"], "self" if is_money else "anyone"),
        purpose=Purpose.MONEY if is_money else Purpose.TOKEN,
    )


def record_of(coin: StoredCoin) -> RecordId | None:
    """Whose token it is; None for the root's, and for what is none of a record's."""
    if coin.key.protocol != RECORD_PROTOCOL or coin.key.key_id == ROOT:
        return None
    return RecordId.parse(coin.key.key_id.replace(" ", "/", 1))


def changes(documents: dict[str, Digest], coins: list[StoredCoin], ads: list[ListedAd]) -> list[Change]:
    """Every record that is made or spent, and every advertisement."""
    made = {RecordId.parse(name) for name in documents if not name.startswith(f"{ROOT}/")}
    spent = {record for record in map(record_of, coins) if record}
    records = [
        Change(
            object=Address.of_record(record),
            action=Action.UPDATE,
            why="",
            risk=Risk.LOW,
            before={} if record in spent else None,
            after={} if record in made else None,
        )
        for record in sorted(made | spent)
    ]
    return records + [
        Change(object=Address.of_ad(ad.protocol, ad.name), action=Action.CREATE, why="", risk=Risk.LOW, after={})
        for ad in ads
    ]


def seen(given: Given, coins: list[StoredCoin], keys: Keys) -> Snapshot:
    """What the plan starts from: roots, tokens and coins, and no more of them than their outpoints."""
    live = next((coin for coin in coins if coin.key.key_id == ROOT), None)
    tokens = {record: coin for coin in coins if (record := record_of(coin))}
    return Snapshot(
        identity=keys.identity,
        root=None if live is None else _root(RecordId(Kind.PRODUCER, given["name"]), live, keys),
        records={record: _record(record, coin) for record, coin in tokens.items()},
        ads=tuple(
            ObservedAd(protocol=AdProtocol.SHIP, name="", url="", outpoint=coin.outpoint, is_recorded=True)
            for coin in coins
            if coin.purpose is Purpose.TOKEN and coin.key.protocol != RECORD_PROTOCOL
        ),
        coins=tuple(
            Coin(outpoint=coin.outpoint, satoshis=coin.satoshis, key=coin.key, status=CoinStatus.CONFIRMED)
            for coin in coins
            if coin.purpose is Purpose.MONEY
        ),
        fee_rate=FeeRate(given["satoshisPerByte"], 1),
        funding_address="",
        source="",
        now=0,
    )


def _record(record: RecordId, coin: StoredCoin) -> ObservedRecord:
    return ObservedRecord(id=record, outpoint=coin.outpoint, document_hash=NOTHING, public={}, sealed={})


def _root(record: RecordId, coin: StoredCoin, keys: Keys) -> ObservedRoot:
    return ObservedRoot(
        record=_record(record, coin),
        generation=1,
        state_root=NOTHING,
        leaf_count=0,
        gateway_key=keys.identity,
        source="",
        network_id=NOTHING,
    )


def set_of(given: Given) -> tuple[Built, ...]:
    """The transactions of an apply, signed."""
    keys = keys_of(given["secret"])
    documents = {name: digest(value) for name, value in given["documents"].items()}
    coins = [coin_of(each) for each in given["coins"]]
    ads = [ListedAd(protocol=AdProtocol(ad["protocol"]), name=ad["name"], url=ad["url"]) for ad in given.get("ads", ())]
    wish = Wish(root=RecordId(Kind.PRODUCER, given["name"]), changes=changes(documents, coins, ads), ads=tuple(ads))
    layout = lay_out(wish, seen(given, coins, keys), batch=given.get("batch", BATCH))
    assert not layout.missing
    pending = digest(given["pendingDocument"]) if "pendingDocument" in given else None
    saying = Saying(keys, documents, pending, {Address.of_ad(ad.protocol, ad.name): ad for ad in ads})
    by_outpoint = {coin.outpoint: coin for coin in coins}
    return build(layout.transactions, saying, by_outpoint, keys, heir=keys, plain_http=False)


def applied(given: Given) -> Any:
    """Each transaction: its bytes, and whose its outputs are."""
    return [
        {
            "role": built.layout.name,
            "txid": built.txid,
            "spends": [str(spent.outpoint) for spent in built.transaction.inputs],
            "outputs": [
                {"satoshis": coin.satoshis, "protocol": coin.key.protocol, "keyID": coin.key.key_id}
                for coin in built.created
            ],
            "fee": built.layout.fee,
            "raw": built.transaction.raw.hex(),
        }
        for built in set_of(given)
    ]


def unsigned(given: Given) -> Any:
    """The same without the bytes, which follow as in the examples before."""
    return [{name: value for name, value in each.items() if name != "raw"} for each in applied(given)]


REBUILT = {"genesis": applied, "update": applied, "large-set": unsigned}
