"""Text that strangers send to a host, where databases differ in what they take."""

from __future__ import annotations

from reconciler.model.ids import AdProtocol, IdentityKey, Kind, RecordId
from reconciler.store.host_transactions import HostTransactions
from reconciler.store.listings import AdQuery, Ads, Page, RecordEntry, RecordQuery, Records
from reconciler.store.outputs import Outputs

PAGE = Page(10)


async def test_a_nul_is_kept_and_found_as_any_other_letter(database, make_transaction, identity, name):
    transaction = make_transaction("record")
    entry = RecordEntry(
        producer=identity,
        id=RecordId(Kind.DATASET, "one"),
        document=name("document"),
        sealed=None,
        tags=("a\0b",),
        capabilities=(),
        regions=(),
        license=None,
        price=None,
        text="some\0Words",
    )
    async with database.begin() as connection:
        await HostTransactions(connection).add((transaction, None), shadowed=False)
        (output,) = await Outputs(connection).admit("tm_data_catalog", transaction.txid, [0], at=0)
        await Records(connection).add({output.id: entry})
    async with database.reading() as connection:
        find = Records(connection).find
        assert len(await find(RecordQuery(tag="a\0b", page=PAGE))) == 1
        assert len(await find(RecordQuery(text="SOME\0words", page=PAGE))) == 1
        for query in (
            RecordQuery(tag="a", page=PAGE),
            RecordQuery(name="one\0", page=PAGE),
            RecordQuery(capability="\0", page=PAGE),
        ):
            assert await find(query) == ()
        asked = AdQuery(protocol=AdProtocol.SHIP, url="\0", names=("\0",), identity=IdentityKey(identity), page=PAGE)
        assert await Ads(connection).find(asked) == ()
