"""Whatever a stranger sends, it costs the host no more than the limits say."""

from __future__ import annotations

import json

from reconciler.model.ids import Kind, RecordId
from reconciler.wire.documents import RecordDocument

HOST = "http://public.embedded"

DOCUMENTS = (
    {"tags": ["x" * 100_000, "fine"]},
    {"tags": ["fine", *(f"tag {number}" for number in range(20_000))]},
    {"tags": ["fine"], "regions": ["\u00df" * 128, "y" * 9000], "license": "\u00df" * 128},
    {"tags": ["fine"], "license": "z" * 100_000, "title": "t" * 1_000_000, "capability": "c" * 5000},
    {"tags": ["fine", "nul\0", "\N{COMBINING GRAVE ACCENT}" * 128, "\U0010ffff" * 128]},
    {"tags": ["fine"], "pricing": {"model": "m" * 5000, "satoshis": 1}},
    {"tags": ["fine"], "pricing": {"model": "per-mb", "satoshis": True}},
    {"tags": ["fine"], "pricing": {"model": "per-mb", "satoshis": 2**53 - 1}},
    {"tags": ["fine"], "pricing": {"model": "per-mb", "satoshis": 1.5}},
    {"tags": ["fine"], "pricing": [[[[]]]]},
)

QUESTIONS = (
    json.dumps({"service": "ls_data_catalog", "query": {"text": "%_" * 100_000}}),
    '{"service":"ls_data_catalog","query":' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}",
    '{"service":"ls_data_catalog","query":' + "[" * 60_000,
    '{"service":"ls_data_catalog","query":{"limit":' + "9" * 30_000 + "}}",
    '{"service":"ls_data_catalog","query":{"limit":1e400}}',
    '{"service":"ls_data_catalog","query":{"limit":-0.0}}',
    json.dumps({"service": "ls_" + "x" * 60_000, "query": {}}),
    json.dumps({"service": "ls_ship", "query": {"topics": ["tm_a"] * 51}}),
    json.dumps({"service": "ls_ship", "query": {"topics": ["tm_a" * 1000]}}),
    json.dumps({"service": "ls_data_catalog", "query": {"skip": 10**9}}),
    json.dumps({"service": "ls_data_catalog", "query": dict.fromkeys(map(str, range(5000)))}),
    '{"service":"ls_data_catalog","query":{"name":"\\ud800"}}',
)

TOPICS = (
    (["tm_data_catalog"] * 2, "different topic names"),
    ([f"tm_{number}" for number in range(10_000)], "does not support this topic: tm_0"),
    (["x" * 50_000], "does not support this topic: xxxx"),
    ([["tm_data_catalog"]], "different topic names"),
    ({}, "names a topic"),
    (["tm_\ud800"], "is not JSON"),
)

TEXTS = ("%" * 256, "_" * 256, "\\" * 256, "a" * 255 + "b", "[^a]*?(+)" * 20, "' OR 1=1 --", "\0")


def document(keys, name, **public):
    """Of a dataset; what a careful producer's tool would never write."""
    return RecordDocument(keys.identity, RecordId(Kind.DATASET, name), public).to_bytes()


async def test_documents_of_any_shape_are_listed_and_indexed_within_bounds(world):
    names = [f"odd{number}" for number in range(len(DOCUMENTS))]
    documents = [document(world.keys(), name, **public) for name, public in zip(names, DOCUMENTS, strict=True)]
    await world.submit(await world.publish(*documents))

    assert sorted(await world.names(tag="fine")) == names
    assert await world.names(price={"model": "per-mb", "max": 2**50}) == []
    assert await world.names(region="\u00df" * 128) == ["odd2"]


async def test_words_far_behind_in_a_long_text_are_not_looked_for(world):
    long = document(world.keys(), "long", title="first " + "x" * 10_000 + " last")
    await world.submit(await world.publish(long))

    assert await world.names(text="FIRST") == ["long"]
    assert await world.names(text="last") == []


async def test_a_question_that_is_too_much_is_refused(world):
    for body in QUESTIONS:
        reply = await world.http.request("POST", f"{HOST}/lookup", content=body.encode())

        assert reply.status in {400, 413}, body[:80]
        assert reply.json()["status"] == "error"
        assert len(reply.body) < 1000


async def test_a_text_is_looked_for_to_the_letter_whatever_it_means_elsewhere(world):
    titles = ["a" * 8000, *(f"x{text}x" for text in TEXTS)]
    documents = [document(world.keys(), f"d{number}", title=title) for number, title in enumerate(titles)]
    await world.submit(await world.publish(*documents))

    for number, text in enumerate(TEXTS):
        assert await world.names(text=text) == [f"d{number + 1}"]


async def test_topics_that_are_too_many_or_none_are_refused(world):
    for topics, says in TOPICS:
        headers = {"content-type": "application/octet-stream", "x-topics": json.dumps(topics)}
        reply = await world.http.request("POST", f"{HOST}/submit", headers=headers, content=b"beef")

        assert reply.status == 400
        assert says in reply.json()["message"]
        assert len(reply.body) < 1000
