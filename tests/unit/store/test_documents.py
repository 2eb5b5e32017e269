from __future__ import annotations

from hashlib import sha256

from reconciler.store.documents import Documents


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


async def test_documents_are_found_by_their_digest(database):
    async with database.begin() as connection:
        digests = await Documents(connection).put(b"one", b"two")
        assert digests == (_digest(b"one"), _digest(b"two"))
    async with database.begin() as connection:
        assert await Documents(connection).get(digests[1]) == b"two"
        assert await Documents(connection).find([*digests, _digest(b"three")]) == {
            digests[0]: b"one",
            digests[1]: b"two",
        }


async def test_putting_a_document_again_changes_nothing(database):
    async with database.begin() as connection:
        first = await Documents(connection).put(b"one", b"one")
        assert await Documents(connection).put(b"one") == first[:1]
        assert await Documents(connection).put() == ()
        assert await Documents(connection).get(first[0]) == b"one"


async def test_missing_documents_are_told_in_the_order_asked_for(database):
    asked = [_digest(str(number).encode()) for number in range(2500)]
    async with database.begin() as connection:
        await Documents(connection).put(b"3", b"2400")
        missing = await Documents(connection).missing(asked)
    assert missing == tuple(key for number, key in enumerate(asked) if number not in {3, 2400})


async def test_a_document_that_is_not_there_is_none(database):
    async with database.begin() as connection:
        assert await Documents(connection).get(_digest(b"one")) is None
