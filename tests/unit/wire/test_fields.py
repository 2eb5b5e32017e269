from __future__ import annotations

import pytest

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Kind
from reconciler.wire.fields import Fields, read_object


def read_all(value, read):
    return read_object(value, "it", read)


def test_every_field_is_read_by_its_type():
    value = {
        "t": "x",
        "n": 3,
        "f": True,
        "o": {"a": 1},
        "l": [{"n": 1}, {"n": 2}],
        "b": "aGk=",
        "k": "dataset",
        "z": None,
    }

    def read(fields: Fields):
        assert fields.text("t") == "x"
        assert fields.integer("n", least=3) == 3
        assert fields.flag("f") is True
        assert fields.nested("o", lambda inner: inner.integer("a")) == 1
        assert fields.items("l", lambda item: item.integer("n")) == (1, 2)
        assert fields.base64("b", size=2) == b"hi"
        assert fields.parsed("k", Kind) is Kind.DATASET
        assert fields.optional("z", fields.text) is None

    read_all(value, read)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ([], lambda _: None),
        ({"a": 1}, lambda _: None),
        ({}, lambda fields: fields.text("a")),
        ({}, lambda fields: fields.optional("a", fields.text)),
        ({"a": 1}, lambda fields: fields.text("a")),
        ({"a": True}, lambda fields: fields.integer("a")),
        ({"a": 1.0}, lambda fields: fields.integer("a")),
        ({"a": 0}, lambda fields: fields.integer("a", least=1)),
        ({"a": 1}, lambda fields: fields.flag("a")),
        ({"a": []}, lambda fields: fields.json_object("a")),
        ({"a": [1]}, lambda fields: fields.json_objects("a")),
        ({"a": {}}, lambda fields: fields.items("a", lambda _: None)),
        ({"a": [1]}, lambda fields: fields.items("a", lambda _: None)),
        ({"a": [{"b": 1}]}, lambda fields: fields.items("a", lambda _: None)),
        ({"a": {"b": 1}}, lambda fields: fields.nested("a", lambda _: None)),
        ({"a": "nonsense"}, lambda fields: fields.parsed("a", Kind)),
        ({"a": "aGk"}, lambda fields: fields.base64("a")),
        ({"a": "aGl="}, lambda fields: fields.base64("a")),
        ({"a": "aGk=\n"}, lambda fields: fields.base64("a")),
        ({"a": "ä"}, lambda fields: fields.base64("a")),
        ({"a": "aGk="}, lambda fields: fields.base64("a", size=3)),
    ],
)
def test_missing_left_over_and_mistyped_fields_are_refused(value, read):
    with pytest.raises(VerificationError):
        read_all(value, read)
