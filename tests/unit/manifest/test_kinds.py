from __future__ import annotations

import pytest
from pydantic import ValidationError

from reconciler.manifest.kinds import KINDS, Dataset, Producer
from reconciler.manifest.kinds.dataset import DatasetSpec
from reconciler.manifest.kinds.producer import ProducerSpec
from reconciler.manifest.kinds.visibility import LOCAL, PUBLIC, SEALED, Visibility, fields, values
from reconciler.manifest.syntax import parse


def read(text: str):
    (tree,) = parse(text.encode(), "f.yaml")
    assert tree.faults == []
    return KINDS[tree.root["kind"]].model_validate(tree.root)


def producer(spec: str = "{}") -> Producer:
    return read(f"apiVersion: overlay/v1\nkind: Producer\nmetadata: {{name: acme}}\nspec: {spec}\n")


def dataset(spec: str = "") -> Dataset:
    return read(
        f"apiVersion: overlay/v1\nkind: Dataset\nmetadata: {{name: p}}\nspec: {{source: {{path: a}}, {spec}}}\n"
    )


@pytest.mark.parametrize("model", [ProducerSpec, DatasetSpec])
def test_every_field_of_a_spec_says_who_may_read_it(model):
    for name, field in model.model_fields.items():
        assert len([mark for mark in field.metadata if isinstance(mark, Visibility)]) == 1, name


def test_the_published_fields_are_exactly_those():
    """MANIFESTS §2: what is not marked P is never published."""
    assert fields(ProducerSpec, PUBLIC) == {
        *("display_name", "description", "contact", "regions", "capabilities", "gateway")
    }
    assert fields(ProducerSpec, LOCAL) == {"identity", "vars"}
    assert fields(DatasetSpec, PUBLIC) == {
        *("title", "description", "capability", "tags", "license", "classification", "media_type", "data_schema"),
        *("price", "pricing", "lineage", "version", "access"),
    }
    assert fields(DatasetSpec, SEALED) == {"payment_rule", "replication", "keep_versions"}


def test_text_is_the_source_text_and_norway_is_a_country():
    spec = dataset("version: 1.10, license: no, tags: [yes, 2024-01-01, 1:30, 0777]").spec

    assert (spec.version, spec.license) == ("1.10", "no")
    assert spec.tags == ("0777", "1:30", "2024-01-01", "yes")
    assert producer("{regions: [NO, global, NO]}").spec.regions == ("NO", "global")


@pytest.mark.parametrize(
    ("text", "amount"), [("0", 0), ("5000", 5000), ("5_000", 5000), ("2100000000000000", 2_100_000_000_000_000)]
)
def test_an_amount_is_a_whole_number_of_satoshis(text, amount):
    assert producer(f"{{defaults: {{maxCost: {text}}}}}").spec.defaults.max_cost == amount


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "+1",
        "1.0",
        "1e3",
        "'5'",
        "010",
        "_1",
        "1_",
        "1__0",
        "2100000000000001",
        "9" * 5000,
        "[]",
        "null",
        "0x10",
        "٣",
    ],
)
def test_nothing_else_is_an_amount(text):
    with pytest.raises(ValidationError):
        producer(f"{{defaults: {{maxCost: {text}}}}}")


@pytest.mark.parametrize(
    ("text", "size"),
    [("5", 5), ("1kB", 1000), ("100MB", 100_000_000), ("64MiB", 67_108_864), ("2T", 2 * 10**12), ("7B", 7)],
)
def test_a_size_has_a_unit_or_is_in_bytes(text, size):
    assert dataset().model_validate(read_tree(text)).spec.source.size == size


def read_tree(size: str):
    (tree,) = parse(
        f"apiVersion: overlay/v1\nkind: Dataset\nmetadata: {{name: p}}\nspec: {{source: {{path: a, size: {size}}}}}\n".encode(),
        "f",
    )
    return tree.root


def test_a_data_schema_is_typed_by_the_rules_of_yaml_1_2():
    schema = dataset(
        "dataSchema: {a: 1, b: -2.5, c: true, d: null, e: ~, f: '1', g: yes, h: [1e3, .5, 0o17]}"
    ).spec.data_schema

    assert schema == {
        "a": 1,
        "b": -2.5,
        "c": True,
        "d": None,
        "e": None,
        "f": "1",
        "g": "yes",
        "h": [1000.0, 0.5, "0o17"],
    }
    assert isinstance(schema["h"][0], float)


@pytest.mark.parametrize(
    "text",
    ["https://a.example.com", "http://localhost:3000", "http://[::1]:80000".replace("80000", "8080"), "https://a:8443"],
)
def test_an_origin_is_scheme_host_and_port(text):
    assert producer(f"{{gateway: {{url: '{text}'}}}}").spec.gateway.url == text


@pytest.mark.parametrize(
    "text",
    [
        *("https://a.example.com/", "https://A.example.com", "https://a.example.com:443", "https://u@a.example.com"),
        *("https://a.example.com?x", "https://a.example.com#x", "//a", "a.example.com", "https://", "https://a:0"),
        *("https://a b", "javascript:x", "https://[", "https://a:x", "HTTPS://a"),
    ],
)
def test_nothing_else_is_an_origin(text):
    with pytest.raises(ValidationError):
        producer(f"{{gateway: {{url: '{text}'}}}}")


def test_a_network_is_a_word_or_a_mapping():
    assert producer("{network: test}").spec.network.preset == "test"
    assert values(producer("{network: {preset: main, arc: 'https://arc.example.com'}}").spec, SEALED) == {
        "network": {"preset": "main", "arc": "https://arc.example.com"}
    }


def test_values_leave_out_what_is_not_there():
    assert values(dataset("title: T, price: 0").spec, PUBLIC) == {"title": "T", "price": 0}
    assert values(dataset().spec, SEALED) == {}


def test_models_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        producer().spec.display_name = "x"  # type: ignore[misc]
