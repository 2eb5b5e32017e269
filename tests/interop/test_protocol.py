"""docs/protocol.md is enough: a second implementation, in TypeScript's SDK, makes of its examples what ours makes of them."""

from __future__ import annotations

from dataclasses import asdict

from tests.protocol.document import examples


def test_a_second_implementation_comes_to_what_the_document_says(run_peer):
    asked = examples()
    told = run_peer("protocol.mjs", [asdict(example) for example in asked])
    assert told.keys() == {example.name for example in asked}
    for example in asked:
        assert told[example.name] == example.then, example.name
