"""The gateway over HTTP: what it says, to whom it leaves the rest, and what it keeps to itself."""

from __future__ import annotations

import secrets
import time

import pytest

from reconciler.model.ids import RecordId
from reconciler.wire.beef import parse_beef
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.state_root import InclusionProof, Leaf, verify_inclusion


async def test_the_producer_is_shown_with_what_its_root_commits_to(get, publisher, make):
    root = await publisher.publish([make("dataset/a")], description="Tables")
    told = await get("/v1/producer")
    beef, subject = parse_beef(bytes.fromhex(told.pop("proof")["beef"]))
    assert subject == root.record.outpoint.txid
    assert beef.proof(subject) is not None
    assert told == {
        "identityKey": publisher.identity,
        "previous": [],
        "name": "acme",
        "profile": {"displayName": "Acme & Sons", "description": "Tables"},
        "generation": 1,
        "stateRoot": root.state_root,
        "leafCount": 1,
        "outpoint": str(root.record.outpoint),
        "documentHash": root.record.document_hash,
        "gateway": {"identityKey": publisher.gateway_key, "url": "http://localhost:3000"},
        "network": root.network_id,
        "source": {"repo": None, "commit": "c0ffee", "dirty": False},
    }


async def test_a_free_dataset_is_listed_with_hash_and_place(get, publisher, make):
    root = await publisher.publish([make("dataset/a/b.csv", tags=["x", "y"], capability="feeds")])
    assert (await get("/v1/catalog"))["records"] == [
        {
            "kind": "dataset",
            "name": "a/b.csv",
            "title": "About dataset/a/b.csv",
            "documentHash": sha256_hex(
                publisher.document(make("dataset/a/b.csv", tags=["x", "y"], capability="feeds"))
            ),
            "outpoint": f"{root.record.outpoint.txid}.1",
            "tags": ["x", "y"],
            "capability": "feeds",
            "price": {"model": "per-request", "satoshis": 0},
            "size": 1234,
            "mediaType": "text/csv",
            "sha256": publisher.digest("content of dataset/a/b.csv"),
            "uhrp": (await get("/v1/catalog/dataset/a/b.csv"))["document"]["content"]["parts"][0]["uhrp"],
        }
    ]


async def test_sold_content_is_listed_with_its_price_and_without_a_hash(get, publisher, make):
    await publisher.publish([make("dataset/sold", price=2500)])
    [record] = (await get("/v1/catalog"))["records"]
    assert record["price"] == {"model": "per-request", "satoshis": 2500}
    assert "sha256" not in record
    assert record["size"] == 1234


async def test_what_has_no_content_or_several_parts_names_no_single_place(get, publisher, make):
    await publisher.publish([make("dataset/large", parts=2), make("stream/live", has_content=False)])
    large, live = (await get("/v1/catalog"))["records"]
    assert "uhrp" not in large
    assert "size" in large
    assert not {"uhrp", "sha256", "size", "mediaType"} & live.keys()


@pytest.mark.parametrize("count", [1, 2, 3, 7])
async def test_every_record_comes_with_a_proof_that_the_state_root_covers_it(get, publisher, make, count):
    root = await publisher.publish([make(f"dataset/t{number}") for number in range(count)])
    for record in (await get("/v1/catalog"))["records"]:
        told = await get(f"/v1/catalog/dataset/{record['name']}")
        proof = told["proof"]
        leaf = Leaf(RecordId.parse(f"dataset/{record['name']}"), told["documentHash"])
        assert verify_inclusion(InclusionProof(proof["index"], tuple(proof["path"])), leaf, root.state_root, count)
        assert (proof["stateRoot"], proof["leafCount"]) == (root.state_root, count)
        assert proof["root"] == str(root.record.outpoint)


async def test_names_keep_their_slashes_and_an_encoded_slash_is_one(gateway, publisher, make):
    await publisher.publish([make("dataset/a/b/c.csv")])
    plain = await gateway.get("/v1/catalog/dataset/a/b/c.csv")
    encoded = await gateway.get("/v1/catalog/dataset/a%2Fb%2Fc.csv")
    assert plain.status_code == encoded.status_code == 200
    assert plain.json() == encoded.json()
    assert (await gateway.get("/v1/catalog/dataset/a%252Fb%252Fc.csv")).status_code == 404


async def test_documents_are_given_by_their_hash_and_never_change(gateway, publisher, make):
    root = await publisher.publish([make("dataset/a")])
    reply = await gateway.get(f"/v1/documents/{root.record.document_hash}")
    assert sha256_hex(reply.content) == root.record.document_hash
    assert reply.headers["content-type"] == "application/json"
    assert "immutable" in reply.headers["cache-control"]
    sealed = await gateway.get(f"/v1/documents/{sha256_hex(publisher.sealed)}")
    assert sealed.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/nothing", 404),
        ("/v1/catalog/", 404),
        ("/v1/catalog/dataset/nobody", 404),
        ("/v1/catalog/dataset/%00", 404),
        ("/v1/catalog/dataset/a..b", 404),
        ("/v1/catalog/planet/a", 404),
        ("/v1/catalog/producer/acme", 404),
        (f"/v1/documents/{'0' * 64}", 404),
        ("/v1/documents/short", 400),
        ("/v1/catalog?page=2", 400),
        ("/v1/catalog?kind=planet", 400),
        ("/v1/catalog?tag=a&tag=b", 400),
        ("/v1/catalog?limit=0", 400),
        ("/v1/catalog?limit=501", 400),
        ("/v1/catalog?limit=%D9%A1", 400),
        ("/v1/catalog?cursor=!!", 400),
        ("/v1/catalog?cursor=A", 400),
        ("/v1/catalog?cursor=_-8", 400),
        ("/v1/catalog?q=" + "x" * 601, 400),
        ("/?page=2", 400),
    ],
)
async def test_errors_are_problem_documents(gateway, publisher, make, path, status):
    await publisher.publish([make("dataset/a")])
    reply = await gateway.get(path)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    told = reply.json()
    assert (told["type"], told["status"]) == ("about:blank", status)
    assert told["detail"]


async def test_a_method_that_is_not_allowed_is_a_problem_that_names_those_that_are(gateway):
    reply = await gateway.post("/v1/catalog")
    assert reply.status_code == 405
    assert "GET" in reply.headers["allow"]
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/submit", "/lookup", "/listTopicManagers", "/arc-ingest", "/anything/else"])
async def test_everything_else_is_the_hosts_errors_included(gateway, path):
    reply = await gateway.post(path)
    assert reply.status_code == 418
    assert reply.json() == {"host": path}


async def test_anybody_may_ask_from_any_page(gateway, publisher, make):
    await publisher.publish([make("dataset/a")])
    assert (await gateway.get("/v1/catalog")).headers["access-control-allow-origin"] == "*"
    preflight = await gateway.options("/v1/catalog")
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-methods"] == "*"


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
async def test_health_says_whose_gateway_this_is_even_before_anything_is_published(get, publisher, path):
    assert await get(path) == {"status": "ok", "ready": True, "identityKey": publisher.identity}


@pytest.mark.parametrize("path", ["/v1/producer", "/v1/catalog", "/v1/catalog/dataset/a"])
async def test_before_anything_is_published_there_is_no_catalog(gateway, path):
    assert (await gateway.get(path)).status_code == 404


async def test_what_another_process_publishes_shows_at_once(get, publisher, make):
    await publisher.publish([make("dataset/a")])
    assert (await get("/v1/producer"))["generation"] == 1
    await publisher.publish([make("dataset/a"), make("dataset/b")], generation=2)
    assert [record["name"] for record in (await get("/v1/catalog"))["records"]] == ["a", "b"]
    assert (await get("/v1/producer"))["generation"] == 2
    await publisher.publish([], generation=3)
    assert (await get("/v1/catalog")) == {"records": [], "next": None}


async def test_nothing_sealed_is_said_by_any_route_but_as_ciphertext(gateway, publisher, make, secret):
    root = await publisher.publish([make("dataset/a"), make("dataset/b", price=9)])
    own = f"/v1/documents/{root.record.document_hash}"
    for path in ("/", "/v1/producer", "/v1/catalog", "/v1/catalog/dataset/a", "/v1/catalog/dataset/b", "/health", own):
        text = (await gateway.get(path)).text
        assert secret not in text
        assert publisher.digest(secret) not in text


async def test_the_hosts_lifespan_runs_within_the_gateways(gateway, host):
    assert host.alive


async def test_a_database_with_holes_is_this_servers_failure_and_tells_strangers_nothing(
    database, publisher, host, make, contents
):
    import httpx
    from sqlalchemy import text

    from reconciler.gateway.app import build_app

    root = await publisher.publish([make("dataset/a")])
    async with database.begin() as connection:
        hole = {"digest": bytes.fromhex(root.record.document_hash)}
        await connection.execute(text("DELETE FROM documents WHERE digest = :digest"), hole)
    app = build_app(
        database=database,
        identity=publisher.identity,
        host=host.app(),
        keys=None,
        contents=contents,
        clock=time.time,
        randomness=secrets.token_bytes,
    )
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.example") as client:
        reply = await client.get("/v1/catalog")
    assert reply.status_code == 500
    assert reply.headers["content-type"] == "application/problem+json"
    assert root.record.document_hash not in reply.text
