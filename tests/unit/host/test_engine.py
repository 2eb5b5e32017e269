"""What a host takes in, and what it then shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.errors import RefusedError
from reconciler.model.keys import FUNDING_KEY
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.merkle import path_of
from reconciler.wire.script import p2pkh
from reconciler.wire.spv import Limits
from reconciler.wire.submission import Admittance, Submission, pack_documents
from reconciler.wire.transaction import Transaction, TxInput, TxOutput


async def test_a_record_is_listed_with_its_document_once_the_answer_is_there(world, make_dataset):
    document = make_dataset(world.keys(), "btc", title="Bitcoin")
    publication = await world.publish(document)

    assert await world.submit(publication) == Admittance(outputs=(0,))

    (found,) = await world.found()
    assert found.outpoint == publication.tokens[0].outpoint
    assert found.context == document
    assert found.transaction == publication.transaction
    await world.headers.verified(found.beef, found.outpoint.txid, now=int(world.clock()))


async def test_the_same_submission_again_gets_the_same_answer_and_changes_nothing(world, make_dataset):
    first = await world.publish(make_dataset(world.keys(), "btc"))
    await world.submit(first)
    second = await world.publish(make_dataset(world.keys(), "btc", title="new"), replacing=[(first, 0)])

    answers = [await world.submit(second) for _ in range(3)]

    assert answers == [Admittance(outputs=(0,), removed=(1,))] * 3
    assert [found.outpoint for found in await world.found()] == [second.tokens[0].outpoint]


async def test_a_token_without_its_document_is_not_listed_until_a_later_submit_brings_it(world, make_dataset):
    document = make_dataset(world.keys(), "btc")
    publication = await world.publish(document)
    stray = make_dataset(world.keys(), "stray")

    await world.host.submit(publication.submission(documents=[]))
    assert await world.found() == ()
    await world.host.submit(publication.submission(documents=[stray]))
    assert await world.found() == ()
    await world.host.submit(publication.submission(documents=[stray, document]))

    assert [found.context for found in await world.found()] == [document]
    assert await world.host.document(sha256_hex(document)) == document
    with pytest.raises(RefusedError):
        await world.host.document(sha256_hex(stray))


async def test_documents_complete_tokens_of_earlier_transactions_as_well(world, make_dataset):
    documents = [make_dataset(world.keys(), name) for name in ("btc", "eth")]
    publications = [await world.publish(document) for document in documents]
    await world.host.submit(publications[0].submission(documents=[]))

    await world.host.submit(publications[1].submission(documents=documents))

    assert sorted(await world.names()) == ["btc", "eth"]


async def test_a_root_is_listed_with_both_its_documents_and_not_before_both_are_there(world, make_root):
    sealed = b"sealed" * 10
    document = make_root(world.keys(), sealed, displayName="Acme")
    publication = await world.publish(document)

    await world.host.submit(publication.submission(documents=[sealed]))
    assert await world.found() == ()
    await world.host.submit(publication.submission(documents=[document]))
    assert await world.found() == ()
    await world.host.submit(publication.submission(documents=[document, sealed]))

    (found,) = await world.found(kind="producer")
    assert found.context == pack_documents([document, sealed])


async def test_a_sealed_document_that_did_not_change_need_not_be_sent_again(world, make_root):
    sealed = b"sealed" * 10
    first = await world.publish(make_root(world.keys(), sealed), unlisted=[sealed])
    await world.submit(first)
    document = make_root(world.keys(), sealed, generation=2)

    second = await world.publish(document, replacing=[(first, 0)])
    await world.submit(second)

    assert [found.context for found in await world.found()] == [pack_documents([document, sealed])]


async def test_a_document_that_speaks_of_another_record_never_completes_a_token(world, make_dataset):
    stranger = world.keys("stranger")
    foreign = make_dataset(world.keys(), "btc")  # says it is the producer's
    publication = await world.publish(foreign, keys=stranger)

    assert (await world.submit(publication)).outputs == (0,)
    assert await world.found() == ()


async def test_a_strangers_copy_of_an_old_token_is_not_admitted(world, make_dataset):
    document = make_dataset(world.keys(), "btc")
    publication = await world.publish(document)
    await world.submit(publication)
    thief = world.keys("thief")
    money = await world.coin(thief)

    copy = world.signed(thief, [money.coin], [publication.transaction.outputs[0]], [money.beef], documents=(document,))

    assert await world.submit(copy) == Admittance()
    assert [found.outpoint for found in await world.found()] == [publication.tokens[0].outpoint]


async def test_what_is_replaced_shows_in_history_only_newest_first(world, make_dataset):
    first = await world.publish(make_dataset(world.keys(), "btc", title="1"))
    await world.submit(first)
    second = await world.publish(make_dataset(world.keys(), "btc", title="2"), replacing=[(first, 0)])
    await world.submit(second)

    live = [found.outpoint for found in await world.found(name="btc")]
    history = [found.outpoint for found in await world.found(name="btc", history=True)]

    assert live == [second.tokens[0].outpoint]
    assert history == [second.tokens[0].outpoint, first.tokens[0].outpoint]


async def test_a_transaction_that_only_spends_reports_what_it_removed(world, make_dataset):
    first = await world.publish(make_dataset(world.keys(), "btc"))
    await world.submit(first)

    removal = await world.publish(replacing=[(first, 0)])

    assert await world.submit(removal) == Admittance(removed=(1,))
    assert await world.found() == ()


async def test_a_restarted_host_shows_what_it_showed(world, make_dataset):
    await world.submit(await world.publish(make_dataset(world.keys(), "btc")))
    before = await world.found()

    world.serve()

    assert await world.found() == before


async def test_one_unknown_topic_refuses_the_whole_submission(world, make_dataset):
    publication = await world.publish(make_dataset(world.keys(), "btc"))

    with pytest.raises(RefusedError, match="does not support this topic: tm_other"):
        await world.host.submit(publication.submission("tm_data_catalog", "tm_other"))

    assert await world.found() == ()


async def test_a_submission_that_names_no_topic_is_refused(world, make_dataset):
    publication = await world.publish(make_dataset(world.keys(), "btc"))

    with pytest.raises(RefusedError, match="names a topic"):
        await world.host.submit(Submission(publication.beef.to_bytes(), ()))


async def test_a_host_refuses_a_transaction_that_pays_more_than_it_spends(world):
    keys = world.keys()
    money = await world.coin(keys, 1000)
    inflated = world.signed(keys, [money.coin], [TxOutput(5000, b"\x51")], [money.beef], fee=-10_000)

    await refused(world, inflated.beef, inflated.transaction)


async def test_a_host_refuses_a_transaction_that_spends_one_coin_twice(world):
    keys = world.keys()
    money = await world.coin(keys)
    doubled = world.signed(keys, [money.coin, money.coin], [], [money.beef])

    await refused(world, doubled.beef, doubled.transaction)


async def test_a_host_refuses_a_transaction_that_is_not_final(world):
    keys = world.keys()
    money = await world.coin(keys)
    final = world.signed(keys, [money.coin], [], [money.beef]).transaction
    waiting = Transaction((TxInput(money.coin.outpoint, b"", 1),), final.outputs, 1, 1_900_000_000)

    await refused(world, with_child(money.beef, waiting), waiting)


async def test_a_host_refuses_a_transaction_with_a_forged_proof(world, make_dataset):
    publication = await world.publish(make_dataset(world.keys(), "btc"))
    txid = publication.transaction.txid
    forged = Beef((path_of([txid], [0], 1),), {txid: BeefTx(publication.transaction, 0)}, frozenset())

    await refused(world, forged, publication.transaction)


async def test_a_host_refuses_a_transaction_with_a_wrong_signature(world, make_dataset):
    publication = await world.publish(make_dataset(world.keys(), "btc"))
    (spent,) = publication.transaction.inputs
    broken = replace(
        publication.transaction,
        inputs=(replace(spent, unlocking=spent.unlocking[:10] + b"\x00" + spent.unlocking[11:]),),
    )
    await refused(world, with_child(publication.beef, broken), broken)


async def test_a_host_refuses_a_transaction_without_its_ancestry(world, make_dataset):
    publication = await world.publish(make_dataset(world.keys(), "btc"))
    bare = Beef.of((), [BeefTx(publication.transaction)])

    await refused(world, bare, publication.transaction)


async def test_a_host_refuses_a_ladder_that_is_deeper_than_it_looks(world):
    world.serve(limits=Limits(depth=20))
    keys = world.keys()
    locking = p2pkh(keys.public(FUNDING_KEY))
    money = await world.coin(keys)
    rungs, entries = [money.coin], []
    for _ in range(21):
        halves = [TxOutput(sum(rung.output.satoshis for rung in rungs) // 2 - 50, locking)] * 2
        transaction = signed(rungs, halves, keys)
        entries.append(BeefTx(transaction))
        rungs = [Spendable(transaction.outpoint(vout), halves[vout], FUNDING_KEY, Lock.P2PKH) for vout in range(2)]
    ladder = merge([money.beef, Beef.of((), [*unproven(money.beef), *entries])])

    await refused(world, ladder, entries[-1].transaction)
    shorter = merge([money.beef, Beef.of((), [*unproven(money.beef), *entries[:20]])])
    await world.host.submit(Submission(shorter.to_atomic(entries[19].transaction.txid), ("tm_data_catalog",)))


async def refused(world, beef: Beef, subject: Transaction) -> None:
    submission = Submission(beef.to_atomic(subject.txid), ("tm_data_catalog",))
    with pytest.raises(RefusedError) as caught:
        await world.host.submit(submission)
    assert caught.value.code == "400"
    assert await world.found(history=True) == ()


def with_child(beef: Beef, child: Transaction) -> Beef:
    return merge([beef, Beef.of((), [*unproven(beef), BeefTx(child)])])


def unproven(beef: Beef) -> list[BeefTx]:
    return [replace(entry, bump=None) for entry in beef.transactions.values()]
