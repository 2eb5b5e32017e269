from __future__ import annotations

from reconciler.store.host_transactions import HostTransactions
from reconciler.store.transactions import Transactions
from reconciler.store.waiting import waiting


async def test_other_peoples_transactions_are_not_waited_for(database, make_transaction):
    own, strangers = make_transaction("own"), make_transaction("strangers")
    async with database.begin() as connection:
        for transaction in (own, strangers):
            await Transactions(connection).put(transaction)
        await HostTransactions(connection).add((strangers, None), shadowed=False)

        assert await waiting(connection) == (own.txid,)
