from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifest.encoding import MAX_BYTES, UnreadableError
from reconciler.manifest.syntax import MAX_SCALAR, parse
from reconciler.manifest.tree import Items, Plain, Table, place_of, span


def only(data: bytes):
    (tree,) = parse(data, "f.yaml")
    return tree


def codes(data: bytes) -> list[str]:
    """The codes of everything that is wrong with the file."""
    found: list[str] = []
    try:
        for tree in parse(data, "f.yaml"):
            found += [fault.code for fault in tree.faults]
    except UnreadableError as error:
        found += [fault.code for fault in error.diagnostics]
    return found


def test_a_plain_scalar_keeps_its_text_and_a_quoted_one_is_told_apart():
    root = only(b"version: 1.10\nregion: [NO, 'NO']\n").root

    assert root == {"version": "1.10", "region": ["NO", "NO"]}
    assert [isinstance(item, Plain) for item in root["region"]] == [True, False]


def test_keys_and_values_know_their_places_in_characters():
    tree = only("name: ü\n'ö': {x: [a, b]}\n".encode())

    assert str(span("f", place_of(tree.root, ("name",)))) == "f:1:7"
    assert str(span("f", place_of(tree.root, ("ö", "x", 1)))) == "f:2:14"
    assert str(span("f", place_of(tree.root, ("ö", "x"), key=True))) == "f:2:7"
    assert str(span("f", place_of(tree.root, ("ö", "gone", 5)))) == "f:2:1"


def test_documents_come_one_by_one_and_an_empty_one_has_no_root():
    assert [tree.root for tree in parse(b"a: 1\n---\n---\n# nothing\n---\nb: 2\n", "f")] == [
        {"a": "1"},
        None,
        None,
        {"b": "2"},
    ]


def test_an_alias_repeats_its_anchor():
    root = only(b"a: &x [1, 2]\nb: *x\nc: &y t\nd: *y\n").root

    assert root == {"a": ["1", "2"], "b": ["1", "2"], "c": "t", "d": "t"}


def test_a_document_says_whether_it_may_have_variables():
    assert [tree.has_dollar for tree in parse(b"a: b\n---\na: [$]\n---\na: b\n", "f")] == [False, True, False]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: !!str b", ["tag"]),
        (b"a: ! b", ["tag"]),
        (b"a: !custom {b: c}", ["tag"]),
        (b"<<: {a: b}", ["merge-key"]),
        (b"a: 1\na: 2", ["duplicate-key"]),
        (b"? [a]\n: b", ["not-a-key"]),
        (b"a: *nothing", ["unknown-alias"]),
        (b"&a [*a]", ["unknown-alias"]),
        (b"${X}: a", ["bad-variable"]),
        (b"a:\tb", ["tab"]),
        (b"a:\n\tb: c", ["tab"]),
        (b"a: [\n\tb]", ["tab"]),
        (b"a: 'x\ty' # c\td\nb: |\n  x\ty\n", []),
        (b"a: {b", ["yaml-syntax"]),
        (b"a: b: c", ["yaml-syntax"]),
        (b"%YAML 3.0\n---\na: b", ["yaml-syntax"]),
        (b"a: \x00", ["control-character"]),
        (b'a: "\x07"', ["control-character"]),
        (b'a: "\\ud800"', ["yaml-syntax"]),
        (b"a: caf\xe9", ["not-utf-8"]),
        (b"\xef\xbb\xbfa: b", ["byte-order-mark"]),
        ("a: b".encode("utf-16"), ["byte-order-mark"]),
        (b"[" * 100 + b"]" * 100, ["too-deep"]),
        (b"[" * 1_000_000, ["too-deep"]),
        (b"- " * 100_000, ["too-deep"]),
        (b"a: " + b"x" * (MAX_SCALAR + 1), ["value-too-long"]),
        (b"a" * 2000 + b": b", ["yaml-syntax"]),
        (b" " * (MAX_BYTES + 1), ["too-large"]),
    ],
)
def test_what_is_not_allowed_is_a_diagnostic(data, expected):
    assert codes(data) == expected


def test_aliases_that_explode_are_stopped_at_once():
    lines = [b"a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for previous, name in zip("abcdefghijk", "bcdefghijkl", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{previous}'] * 10)}]".encode())
    begun = time.process_time()

    assert codes(b"\n".join(lines)) == ["alias-bomb"]
    assert time.process_time() - begun < 1


def test_a_fault_has_the_place_of_what_is_wrong():
    with pytest.raises(UnreadableError) as caught:
        list(parse("a: 1\nb: ü\x01".encode(), "f.yaml"))

    assert str(caught.value.diagnostics[0].span) == "f.yaml:2:5"


VALUES = st.recursive(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="$\ufeff\ufffe\uffff\x85"),
        max_size=8,
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc<-_", min_size=1, max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_what_pyyaml_writes_is_read_back(value):
    data = yaml.safe_dump({"value": value}, default_flow_style=None, default_style='"', allow_unicode=True).encode()
    tree = only(data)

    assert [fault.code for fault in tree.faults if fault.code != "tag"] == []
    assert plain(tree.root) == {"value": value}


def plain(node):
    if isinstance(node, Table):
        return {key: plain(child) for key, child in node.items()}
    return [plain(child) for child in node] if isinstance(node, Items) else str(node)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_raise_anything_else(data):
    codes(data)


@given(st.text("ab:-[]{}&*!|>'\"%@`#,?\n \t", max_size=60).map(str.encode))
def test_no_punctuation_raises_anything_else(data):
    codes(data)
