from __future__ import annotations

import pytest
from sqlalchemy import insert

from reconciler.model.vocabulary import ConsumerState
from reconciler.store.consumers import Account, account
from reconciler.store.producer import producer_consumers, producer_identities
from tests.paying import keys_of

FORMER, PRESENT, SOMEBODY = (keys_of(name).identity for name in ("former", "present", "somebody"))


@pytest.fixture
async def met(database):
    """Notes what is known of somebody, by a key of the producer's."""
    identities = [
        {"producer_id": key, "identity_key": key, "name": "acme", "display_name": "Acme"} for key in (FORMER, PRESENT)
    ]
    async with database.begin() as connection:
        await connection.execute(insert(producer_identities), identities)

    async def note(producer, satoshis, status=ConsumerState.ACTIVE):
        row = {"relationship_id": f"{producer}/{SOMEBODY}", "producer_id": producer, "consumer_id": SOMEBODY}
        more = {"total_payments_satoshis": satoshis, "relationship_status": status.value}
        async with database.begin() as connection:
            await connection.execute(insert(producer_consumers), [row | more])

    return note


async def known(database):
    return await database.read(lambda connection: account(connection, SOMEBODY, now=0, memberships=True))


async def test_of_whom_nothing_is_known_has_paid_nothing_and_is_served(database, met):
    assert await known(database) == Account()


async def test_what_was_paid_and_lost_to_a_former_key_of_the_producer_counts(database, met):
    await met(FORMER, 2**40, ConsumerState.BLOCKED)
    await met(PRESENT, 5)
    found = await known(database)
    assert (found.spent, found.status) == (2**40 + 5, ConsumerState.BLOCKED)
