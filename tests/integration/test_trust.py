"""A buyer believes what a producer's root covers, shown by somebody else than the gateway, and tells who shows anything else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.model.errors import GuardError, RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import RecordId
from reconciler.model.order import Sighting
from tests.buying import FREE, SOLD, URL, open_market, shop_window

PUBLIC = "http://public.embedded"

pytestmark = pytest.mark.only("sqlite")  # nothing here is about the producer's database


@pytest.fixture
async def market(stocked):
    async with open_market(stocked, shop_window) as market:
        yield market


def rewriting(path, change):
    """What a buyer hears where the gateway's JSON at a path is changed."""

    def after(method, url, reply):
        if not url.startswith(URL + path):
            return reply
        return replace(reply, body=json.dumps(change(json.loads(reply.body))).encode())

    return after


async def test_a_gateway_and_its_producer_lead_to_the_same_catalog(market):
    async with market.opened() as buyer:
        by_url, by_key = await buyer.catalog(URL), await buyer.catalog(market.keys.identity)

    assert by_url.records == by_key.records
    assert by_url.gateway == by_key.gateway == URL
    assert by_url.gateway_key == market.gateway_keys.identity
    assert set(by_url.records) == {SOLD.record, FREE.record}
    assert by_url.witnesses == (PUBLIC,)
    assert by_url.doubts == by_key.doubts == ()


async def test_a_gateway_that_hides_a_record_is_told_by_name(market):
    def hide(body):
        return {**body, "records": [each for each in body["records"] if each["name"] != "secrets"]}

    async with market.opened(door=market.meddling(after=rewriting("/v1/catalog", hide))) as buyer:
        catalog = await buyer.catalog(URL)

    assert SOLD.record in catalog.records
    assert catalog.doubts == (f"{URL} hides dataset/secrets",)


async def test_a_gateway_that_adds_or_changes_a_record_is_told_by_name(market):
    def change(body):
        first, second = body["records"]
        more = {**first, "name": "more"}
        return {**body, "records": [{**first, "documentHash": "11" * 32}, second, more]}

    async with market.opened(door=market.meddling(after=rewriting("/v1/catalog", change))) as buyer:
        catalog = await buyer.catalog(URL)

    assert set(catalog.records) == {SOLD.record, FREE.record}
    assert catalog.doubts == (f"{URL} adds dataset/more", f"{URL} shows another version of dataset/open")


async def test_where_nobody_lists_all_that_the_root_covers_nothing_is_believed(market):
    def nothing(body):
        return {**body, "records": []}

    def before(method, url, content):
        if url == f"{PUBLIC}/lookup" and b"ls_data_catalog" in content and b'"kind":"producer"' not in content:
            raise UnreachableError("gone")

    door = market.meddling(before=before, after=rewriting("/v1/catalog", nothing))
    async with market.opened(door=door) as buyer:
        with pytest.raises(VerificationError, match="nobody gives a catalog that adds up to the root of generation 1"):
            await buyer.catalog(URL)


async def test_an_old_generation_is_told_and_one_that_was_seen_is_never_gone_back_on(market):
    async with market.opened() as buyer:
        first = await buyer.catalog(URL)
        assert first.generation == 1

        later = Sighting(producer=first.producer, generation=7, root="ab" * 32 + ".0", gateway=URL, at=1)
        await buyer.books.see(later)
        with pytest.raises(VerificationError, match=r"shows generation 1 of .* and generation 7 was seen before"):
            await buyer.catalog(URL)
        await buyer.books.see(replace(later, generation=6))
        assert (await buyer.books.sighting(first.producer)).generation == 7


async def test_a_gateway_that_shows_an_old_root_is_told_by_name(market, stocked):
    old = {}

    def after(method, url, reply):
        if url in {f"{URL}/v1/producer", f"{URL}/lookup"}:
            return old.setdefault(url, reply)
        return reply

    async with market.opened(door=market.meddling(after=after)) as buyer:
        await buyer.catalog(URL)
        stocked.data("open.csv", "id,value\n2,more for everybody\n")
        await stocked.apply()
        catalog = await buyer.catalog(URL)

    assert catalog.generation == 2
    assert any(f"{URL} shows generation 1" in doubt for doubt in catalog.doubts)
    assert catalog.witnesses == (PUBLIC,)


async def test_the_word_of_the_gateway_alone_is_not_enough(market):
    def before(method, url, content):
        if url.startswith(PUBLIC):
            raise UnreachableError("gone")

    async with market.opened(door=market.meddling(before=before)) as buyer:
        with pytest.raises(UnreachableError, match="0 hosts besides the gateway show the root"):
            await buyer.catalog(URL)
    async with market.opened(door=market.meddling(before=before), witnesses=0) as buyer:
        catalog = await buyer.catalog(URL)
        assert catalog.witnesses == ()
        assert f"{PUBLIC} does not answer" in catalog.doubts


async def test_a_gateway_that_the_root_does_not_name_is_refused(market):
    market.site.http.mount("http://other.embedded", await shop_window(market))
    async with market.opened() as buyer:
        with pytest.raises(VerificationError, match=f"whose root names {URL}"):
            await buyer.catalog("http://other.embedded")
        with pytest.raises(RefusedError, match="no gateway's"):
            await buyer.catalog("http://gateway.embedded/path")
        with pytest.raises(RefusedError, match="no gateway's"):
            await buyer.catalog("http://10.0.0.1:80")


async def test_a_forged_proof_of_the_root_is_a_host_that_lies(market):
    def after(method, url, reply):
        if url == f"{PUBLIC}/lookup" and len(reply.body) > 100:
            return replace(reply, body=reply.body.replace(b"acme", b"acmf"))
        return reply

    async with market.opened(door=market.meddling(after=after)) as buyer:
        with pytest.raises((UnreachableError, VerificationError)):
            await buyer.catalog(URL)
    async with market.opened(door=market.meddling(after=after), witnesses=0) as buyer:
        catalog = await buyer.catalog(URL)
        assert any(doubt.startswith(PUBLIC) for doubt in catalog.doubts)


async def test_documents_come_from_whoever_has_them_and_are_what_the_root_says(market):
    def before(method, url, content):
        if url.startswith(f"{URL}/v1/documents"):
            raise UnreachableError("gone")

    async with market.opened(door=market.meddling(before=before)) as buyer:
        catalog = await buyer.catalog(URL)
        document = await buyer.document(catalog, SOLD.record)
        assert document.public["title"] == "Secrets"
        with pytest.raises(VerificationError, match="covers no dataset/nothing"):
            await buyer.document(catalog, RecordId.parse("dataset/nothing"))


async def test_books_are_one_buyers(market):
    async with market.opened("alice"):
        pass
    async with market.opened("bob"):
        pass
    books, wrong = (market.folder / name / "embedded" / "consumer.db" for name in ("alice", "bob"))
    wrong.write_bytes(books.read_bytes())
    with pytest.raises(GuardError, match="belongs to the buyer"):
        async with market.opened("bob"):
            pass


async def test_hosts_that_strangers_advertise_count_only_where_the_networks_own_keep_no_catalogs(market):
    crony = "http://crony.embedded"
    market.site.http.mount(crony, await shop_window(market))
    services = f"{PUBLIC}/listLookupServiceProviders"

    def nothing(method, url, reply):
        return replace(reply, body=b"{}") if url == services else reply

    def silent(method, url, content):
        if url == services:
            raise UnreachableError("gone")

    class Advertised:
        async def hosts_for(self, name):
            return (crony,)

    for door, is_believed in ((market.meddling(after=nothing), True), (market.meddling(before=silent), False)):
        async with market.opened(door=door) as buyer:
            around = replace(buyer.surroundings, resolver=Advertised())
            asking = replace(buyer, surroundings=around)
            if is_believed:
                catalog = await asking.catalog(URL)
                assert catalog.witnesses == (crony,)
                assert "only hosts that strangers advertise show the root" in catalog.doubts
            else:
                with pytest.raises(UnreachableError, match="0 hosts besides the gateway"):
                    await asking.catalog(URL)
