from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from reconciler.manifest.schema import FILE, schema, text

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def documents(text: str):
    return list(yaml.safe_load_all(text))


def test_the_file_is_what_the_models_say():
    """`python -m reconciler.manifest.schema` writes it anew."""
    assert (ROOT / FILE).read_text(encoding="utf-8") == text()


def test_the_example_is_valid(validator):
    for document in documents((ROOT / "examples" / "producer.yaml").read_text(encoding="utf-8")):
        validator.validate(document)


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "Producer"},
        {"apiVersion": "overlay/v1", "kind": "Producer", "metadata": {"name": "x", "annotations": {}}, "spec": {}},
        {"apiVersion": "overlay/v1", "kind": "Producer", "metadata": {"name": "x"}, "spec": {"vars": {"a": []}}},
        {"apiVersion": "overlay/v1", "kind": "Producer", "metadata": {"name": "x"}, "spec": {"displayName": None}},
        {
            "apiVersion": "overlay/v1",
            "kind": "Dataset",
            "metadata": {"name": "x"},
            "spec": {"source": {}, "titel": "x"},
        },
        {
            "apiVersion": "overlay/v1",
            "kind": "Dataset",
            "metadata": {"name": "x"},
            "spec": {"source": {"size": "1 MB"}},
        },
    ],
)
def test_an_editor_refuses_what_the_program_refuses(validator, document):
    assert not validator.is_valid(document)


def test_both_forms_of_a_network_and_an_amount_are_valid(validator):
    for network in ("embedded", {"preset": "test", "arc": "https://arc.example.com"}):
        for cost in (5000, "5_000"):
            validator.validate(
                {
                    "apiVersion": "overlay/v1",
                    "kind": "Producer",
                    "metadata": {"name": "x"},
                    "spec": {"network": network, "defaults": {"maxCost": cost, "tags": [1.5, "a"]}},
                }
            )


def test_the_schema_has_no_word_of_pydantics_own():
    properties = json.loads(text())["$defs"]["DatasetSpec"]["properties"]

    assert all("title" not in field and "default" not in field for field in properties.values())
