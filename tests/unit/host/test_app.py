"""The HTTP surface, as the reference has it (WIRE §4.1), and that no bytes from outside are a fault of ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.clients.http import HttpClient
from reconciler.host.app import build_app
from reconciler.store.database import Database
from reconciler.wire.reading import varint

HOST = "http://public.embedded"
SUBMIT = {"content-type": "application/octet-stream", "x-topics": '["tm_data_catalog"]'}


async def test_every_answer_is_open_to_every_origin(world):
    for method, path in (("GET", "/health"), ("OPTIONS", "/submit"), ("GET", "/nowhere")):
        reply = await world.http.request(method, HOST + path)
        opened = {name: value for name, value in reply.headers.items() if name.startswith("access-control-")}
        assert opened == {
            "access-control-allow-origin": "*",
            "access-control-allow-headers": "*",
            "access-control-allow-methods": "*",
            "access-control-expose-headers": "*",
            "access-control-allow-private-network": "true",
        }
    assert (await world.http.request("OPTIONS", f"{HOST}/submit")).status == 200


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
async def test_a_host_says_that_it_is_well_and_what_it_is(world, path):
    world.serve(name="north", network="main")

    assert (await world.http.request("GET", HOST + path)).json() == {
        "status": "ok",
        "live": True,
        "ready": True,
        "service": {"name": "north", "network": "main", "topicManagerCount": 4, "lookupServiceCount": 4},
    }


async def test_a_host_whose_database_fails_lives_and_is_not_ready(world, tmp_path):
    world.database = Database.open(f"sqlite:///{tmp_path / 'absent' / 'state.db'}")
    world.serve()

    replies = {
        path: await world.http.request("GET", HOST + path) for path in ("/health", "/health/ready", "/health/live")
    }

    assert [(path, reply.status) for path, reply in replies.items()] == [
        ("/health", 503),
        ("/health/ready", 503),
        ("/health/live", 200),
    ]
    assert replies["/health"].json()["ready"] is False
    assert replies["/health"].json()["live"] is True


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("GET", "/submit"), ("POST", "/arc-ingest")])
async def test_an_unknown_route_is_not_found_in_json(world, method, path):
    reply = await world.http.request(method, HOST + path)

    assert reply.status == 404
    assert reply.json() == {"status": "error", "code": "ERR_ROUTE_NOT_FOUND", "description": "Route not found."}


async def test_topics_and_services_are_listed_with_their_metadata(world):
    topics = (await world.http.request("GET", f"{HOST}/listTopicManagers")).json()
    services = (await world.http.request("GET", f"{HOST}/listLookupServiceProviders")).json()

    assert topics["tm_data_catalog"] == {
        "name": "Data Catalog",
        "shortDescription": "Records of data producers and what they offer.",
        "version": "1",
    }
    assert topics["tm_ship"]["informationURL"] == "https://bsv.brc.dev/overlays/0088"
    for about in (*topics.values(), *services.values()):
        assert (
            {"name", "shortDescription", "version"}
            <= about.keys()
            <= {
                "name",
                "shortDescription",
                "version",
                "iconURL",
                "informationURL",
            }
        )
    assert set(topics) == {"tm_data_catalog", "tm_uhrp", "tm_ship", "tm_slap"}
    assert set(services) == {"ls_data_catalog", "ls_uhrp", "ls_ship", "ls_slap"}


@pytest.mark.parametrize(
    ("path", "begins"),
    [
        ("/getDocumentationForTopicManager?manager=tm_data_catalog", "# Data catalog"),
        ("/getDocumentationForTopicManager?manager=tm_uhrp", "# Universal"),
        ("/getDocumentationForTopicManager?manager=tm_other", "No documentation found!"),
        ("/getDocumentationForTopicManager?manager=", "No documentation found!"),
        ("/getDocumentationForLookupServiceProvider?lookupService=ls_data_catalog", "# Data catalog"),
        ("/getDocumentationForLookupServiceProvider?lookupService=ls_uhrp", "# UHRP"),
    ],
)
async def test_services_are_documented_in_markdown(world, path, begins):
    reply = await world.http.request("GET", HOST + path)

    assert reply.headers["content-type"].startswith("text/markdown")
    assert reply.body.decode().startswith(begins)


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/getDocumentationForTopicManager", "manager"),
        ("/getDocumentationForLookupServiceProvider?manager=tm_ship", "lookupService"),
    ],
)
async def test_documentation_of_nothing_that_was_named_is_a_mistake(world, path, parameter):
    reply = await world.http.request("GET", HOST + path)

    assert reply.status == 400
    assert reply.json() == {"status": "error", "message": f"the parameter {parameter} is missing"}


async def test_an_empty_aggregated_answer_is_what_the_reference_sends(world):
    body = b'{"service":"ls_data_catalog","query":{}}'
    reply = await world.http.request("POST", f"{HOST}/lookup", content=body, headers={"x-aggregation": "yes"})

    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.body.hex() == "000200beef0000"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "application/json"}, b"{}"),
        ({"x-topics": ""}, b"x"),
        ({"x-topics": '"tm_data_catalog"'}, b"x"),
        ({"x-topics": "[1]"}, b"x"),
        ({"x-topics": "[" * 20_000}, b"x"),
        ({}, b""),
        ({}, b"0100beef"),
        ({}, bytes.fromhex("0200beef0000")),
        ({}, bytes.fromhex("0200beef00") + varint(2**60)),
        ({"x-includes-off-chain-values": "true"}, varint(2**50)),
        ({"x-includes-off-chain-values": "true"}, varint(6) + bytes.fromhex("0200beef0000") + b"\xff"),
    ],
)
async def test_a_malformed_submission_is_refused_in_json(world, headers, body):
    reply = await world.http.request("POST", f"{HOST}/submit", headers={**SUBMIT, **headers}, content=body)

    assert reply.status == 400
    assert reply.json()["status"] == "error"
    assert reply.json()["message"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"{}", b'{"service":"ls_uhrp"}', b'{"service":7,"query":{}}', b"[" * 60_000, b"\xff"],
)
async def test_a_malformed_look_up_is_refused_in_json(world, body):
    reply = await world.http.request("POST", f"{HOST}/lookup", content=body)

    assert reply.status == 400
    assert reply.json()["status"] == "error"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300), prefix=st.sampled_from([b"", b"\x01\x00\xbe\xef", b"\x02\x00\xbe\xef", b"\x01" * 4])
)
async def test_garbage_is_never_a_fault_of_the_host(world, body, prefix):
    for off_chain in ("true", "false"):
        headers = {**SUBMIT, "x-includes-off-chain-values": off_chain}
        reply = await world.http.request("POST", f"{HOST}/submit", headers=headers, content=prefix + body)
        assert reply.status == 400


async def test_a_submission_that_is_cut_anywhere_is_refused(world, make_dataset):
    publication = await world.publish(make_dataset(world.keys(), "btc"))
    submission = publication.submission()
    body = submission.body()
    for end in range(0, len(body), 7):
        reply = await world.http.request("POST", f"{HOST}/submit", headers=submission.headers(), content=body[:end])
        assert reply.status == 400
    assert await world.found() == ()


async def test_a_body_above_the_limit_is_refused_whether_announced_or_not(world):
    world.serve(body_limit=1000)

    async def unannounced():
        for _ in range(20):
            yield bytes(100)

    for content in (bytes(1001), unannounced()):
        reply = await world.http.request("POST", f"{HOST}/submit", headers=SUBMIT, content=content)
        assert reply.status == 413
        assert "1000 bytes" in reply.json()["message"]


async def test_a_document_that_nobody_needs_is_not_served(world):
    for name in ("00" * 32, "xyz"):
        reply = await world.http.request("GET", f"{HOST}/v1/documents/{name}")
        assert reply.status in {400, 404}
        assert reply.json()["status"] == "error"


async def test_a_chain_that_does_not_answer_is_a_503_and_not_the_submitters_fault(world, make_dataset):
    submission = (await world.publish(make_dataset(world.keys(), "btc"))).submission()

    async def silent(scope, receive, send):
        await send({"type": "http.response.start", "status": 502, "headers": []})
        await send({"type": "http.response.body", "body": b"gone"})

    world.http.mount("http://arc.embedded", silent)
    reply = await world.http.request("POST", f"{HOST}/submit", headers=submission.headers(), content=submission.body())

    assert reply.status == 503
    assert reply.headers["retry-after"] == "1"


async def test_a_server_looks_after_its_proofs_for_as_long_as_it_lives(world):
    app = build_app(
        database=world.database,
        headers=world.headers,
        arc=world.arc,
        clock=world.clock,
        topics=[],
        lookups=[],
        refresh_every=0.001,
    )
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    said = []

    async def receive():
        return next(events)

    async def send(message):
        said.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_third_partys_topic_and_service_are_listed_beside_ours(world):
    from reconciler.host.services import About
    from reconciler.wire.submission import Admittance

    class Everything:
        name = "tm_everything"
        about = About(title="Everything", short="All of it.", documentation="# Everything")

        def admit(self, transaction, previous, off_chain):
            return Admittance(outputs=tuple(range(len(transaction.outputs))))

        def needs(self, output, documents):
            return ()

    app = build_app(
        database=world.database,
        headers=world.headers,
        arc=world.arc,
        clock=world.clock,
        topics=[Everything()],
        lookups=[],
    )
    keys = world.keys()
    money = await world.coin(keys)
    paid = world.signed(keys, [money.coin], [], [money.beef])
    async with HttpClient(apps={"http://other.embedded": app}) as http:
        submission = paid.submission("tm_everything")
        reply = await http.request(
            "POST", "http://other.embedded/submit", headers=submission.headers(), content=submission.body()
        )

    assert json.loads(reply.body)["tm_everything"]["outputsToAdmit"] == [0]
