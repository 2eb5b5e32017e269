from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifest.load import load
from reconciler.manifest.syntax import parse
from reconciler.manifest.tree import Plain
from reconciler.manifest.variables import Variables, check_assignments, given_variables

PRODUCER = """
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec: {vars: {STAGE: test, PRICE: 5_000, EMPTY: "", UNSET: null, FLAG: true}, displayName: "Acme ${STAGE}"}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: "prices-${STAGE}"}
"""


def filled(text: str, **values: str | None):
    """A document's root after filling in, and the codes of what is wrong."""
    (tree,) = parse(text.encode(), "f")
    faults = Variables(values).fill(tree.root, "f")
    return tree.root, [(fault.code, str(fault.span)) for fault in faults]


def loaded(folder: Path, spec: str, variables: dict[str, str] | None = None):
    path = folder / "p.yaml"
    path.write_text(PRODUCER + f"spec:\n  source: {{path: a.csv}}\n{spec}\n")
    return load([path], variables)


def test_a_value_stands_in_for_its_name():
    root, faults = filled("a: x${A}y${A}\nb:\n- ${A}\n- {c: '${A}'}\n", A="1")

    assert (root, faults) == ({"a": "x1y1", "b": ["1", {"c": "1"}]}, [])
    assert isinstance(root["a"], Plain)
    assert not isinstance(root["b"][1]["c"], Plain)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A:-x}", "1"),
        ("${E:-x}", "x"),
        ("${N:-x}", "x"),
        ("${N:-}", ""),
        ("${A:-a:-b}", "1"),
        ("${N:-a:-b}", "a:-b"),
        ("$${A}", "${A}"),
        ("$$${A}", "$1"),
        ("$$$$", "$$"),
        ("$A $", "$A $"),
    ],
)
def test_defaults_and_dollars(text, expected):
    assert filled(f'a: "{text}"\n', A="1", E="", N=None) == ({"a": expected}, [])


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${A-x}", "${A:x}", "${ A }", "${${A}}", "${A"])
def test_nothing_else_is_a_variable(text):
    assert filled(f'x: y\na: "{text}"\n', A="1")[1] == [("bad-variable", "f:2:4")]


def test_a_value_is_not_looked_into_again():
    assert filled("a: ${A}\n", A="${B} $$")[0] == {"a": "${B} $$"}


def test_an_anchored_value_is_filled_in_once():
    assert filled("a: &x ['${A}']\nb: *x\n", A="$${A}")[0] == {"a": ["$${A}"], "b": ["$${A}"]}


def test_what_is_plain_is_typed_after_filling_in(tmp_path):
    manifests, diagnostics = loaded(tmp_path, "  price: ${PRICE}\n  title: ${FLAG}\n  version: '${FLAG}'")

    assert [fault.code for fault in diagnostics] == ["wrong-type"]  # true is no title
    assert "true" in diagnostics[0].found
    manifests, diagnostics = loaded(tmp_path, "  price: ${PRICE}\n  version: '${FLAG}'")
    assert diagnostics == []
    assert manifests.documents[1].manifest.spec.price == 5000
    assert manifests.documents[1].manifest.spec.version == "true"
    assert manifests.documents[1].name == "prices-test"
    assert manifests.documents[0].manifest.spec.display_name == "Acme test"


def test_what_is_given_goes_before_what_is_declared_and_need_not_be_declared(tmp_path):
    manifests, diagnostics = loaded(tmp_path, "  title: ${OTHER}", {"STAGE": "live", "OTHER": "x", "UNSET": "y"})

    assert diagnostics == []
    assert manifests.documents[1].name == "prices-live"
    assert manifests.documents[1].manifest.spec.title == "x"


def test_variables_hold_in_all_files_whatever_their_order(tmp_path):
    (tmp_path / "z.yaml").write_text(PRODUCER.partition("---")[0])
    (tmp_path / "a.yaml").write_text(
        "apiVersion: overlay/v1\nkind: Dataset\nmetadata: {name: '${STAGE}'}\nspec: {source: {path: a.csv}}\n"
    )

    manifests, diagnostics = load([tmp_path])

    assert diagnostics == []
    assert [document.name for document in manifests.documents] == ["test", "acme"]


def test_places_are_those_in_the_file(tmp_path):
    _, diagnostics = loaded(tmp_path, "  title: '${STAGE}'\n  price: ${STAGE}")

    assert [(fault.code, str(fault.span), fault.found) for fault in diagnostics] == [
        ("wrong-type", "p.yaml:13:10", "test")
    ]


def test_values_that_explode_are_stopped():
    uses = "${A}" * 1000
    items = ", ".join(['"${B}"'] * 5000)
    begun = time.process_time()

    root, faults = filled(f"a: {uses}\nb: [{items}]\n", A="x" * 60_000, B="y" * 60_000)

    assert {code for code, _ in faults} == {"value-too-long"}
    assert sum(map(len, root["b"])) <= 16 * 1024 * 1024
    assert time.process_time() - begun < 2


def test_the_command_line_goes_before_files_and_the_last_of_each(tmp_path):
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("A: 1\nB: 2\nC: 3_000\n")
    two.write_text("B: 3\nD: a $$ b\nE: null\n")

    assert given_variables(["A=x", "A=y=z"], [one, two]) == (
        {"A": "y=z", "B": "3", "C": "3_000", "D": "a $ b", "E": ""},
        [],
    )


@pytest.mark.parametrize("assignment", ["A", "=x", "1A=x", "A B=c"])
def test_an_assignment_has_a_name_and_a_value(assignment):
    assert [fault.code for fault in given_variables([assignment])[1]] == ["bad-variable"]


def test_a_name_that_no_manifest_knows_is_not_given(tmp_path):
    manifests, _ = loaded(tmp_path, "  title: ${OWN:-x}", {"OWN": "1", "STAG": "2"})

    (fault,) = check_assignments(["OWN=1", "STAG=2", "STAGE=3", "NO-NAME", "NEVER"], manifests.variables)

    assert (fault.code, fault.found, fault.hint) == ("unknown-variable", "--var STAG", "did you mean 'STAGE'?")


def test_names_are_not_judged_by_manifests_that_could_not_all_be_read(tmp_path):
    (tmp_path / "broken.yaml").write_text("apiVersion: overlay/v1\nkind: [\n")

    assert load([tmp_path])[0].variables is None


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("- a\n", ["wrong-type"]),
        ("A: {b: c}\n", ["bad-variable"]),
        ("A-B: c\n", ["bad-variable"]),
        ("A: [\n", ["yaml-syntax"]),
        ("A: 1\n---\nB: 2\n", ["wrong-type"]),
        ("", []),
    ],
)
def test_a_file_of_variables_is_a_mapping(tmp_path, text, codes):
    path = tmp_path / "vars.yaml"
    path.write_text(text)

    assert [fault.code for fault in given_variables([], [path])[1]] == codes
    assert [fault.code for fault in given_variables([], [tmp_path / "gone"])[1]] == ["no-such-file"]


@given(st.text("AB${}:- '", max_size=30), st.text(max_size=5))
def test_no_text_breaks_it(text, value):
    root, _ = filled(json.dumps({"a": text}), A=value)

    assert isinstance(root["a"], str)
