from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli.views.explain import render
from reconciler.manifest import reference
from reconciler.manifest.explain import explain, explain_kind
from reconciler.manifest.kinds import KINDS
from reconciler.manifest.syntax import parse
from reconciler.model.errors import UsageError

ROOT = Path(__file__).parents[3]


def all_of(found):
    yield found
    for field in found.fields:
        yield from all_of(field)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_a_type_a_meaning_and_an_example_that_is_yaml(kind):
    for found in all_of(explain_kind(kind)):
        assert found.meaning.endswith("."), found.path
        assert found.type, found.path
        (tree,) = parse(f"{found.name}: {found.example}\n".encode(), "f")
        assert tree.faults == [], found.path


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_spec_says_who_may_read_it(kind):
    assert all(field.visibility for each in explain_kind(kind).fields for field in each.fields or (each,))


@pytest.mark.parametrize("path", ["dataset.source.glob", "Dataset.spec.source.glob", "DATASET.source.glob"])
def test_a_field_is_found_by_its_path(path):
    found = explain(path)

    assert (found.path, found.type, found.visibility) == ("Dataset.source.glob", "relative path", "local")


def test_defaults_are_told():
    assert explain("stream.conflate").default == "true"
    assert explain("stream.delivery.when").default == "seen"
    assert explain("dataset.source").is_required
    assert explain("producer.identity.key").default == "{file: identity.key}"


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("datset", "did you mean 'dataset'?"),
        ("dataset.sorce", "did you mean 'source'?"),
        ("dataset.title.x", None),
        ("", "one of Producer"),
    ],
)
def test_what_does_not_exist_is_a_usage_error(path, hint):
    with pytest.raises(UsageError) as caught:
        explain(path)

    assert (caught.value.hint or "").startswith(hint or "")


def test_the_view_shows_who_may_read_each_field():
    lines = render(explain("stream.source")).splitlines()

    assert "  who:      sealed: for the producer and its gateway only" in lines
    assert any(line.startswith("  headers") and " S  Headers" in line for line in lines)


def test_the_reference_is_what_the_models_say():
    """`python -m reconciler.manifest.reference` writes it anew."""
    assert (ROOT / reference.FILE).read_text(encoding="utf-8") == reference.text()
