from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifest.documents import read_documents

EXAMPLE = (Path(__file__).parents[3] / "examples" / "producer.yaml").read_bytes()
PIECES = st.sampled_from(
    [
        b"",
        b" ",
        b"\n",
        b":",
        b"-",
        b"[",
        b"]",
        b"{",
        b"}",
        b"&a ",
        b"*a",
        b"!x ",
        b"null",
        b"1",
        b"'",
        b"\t",
        b"${A}",
        b"\xff",
    ]
)


def test_a_document_of_ours_in_a_foreign_dress_is_not_passed_over():
    for version in ("overlay/v2", "overly/v1", "Overlay/v1", "overlay"):
        contents = read_documents(f"apiVersion: {version}\nkind: Dataset\n".encode(), "f", is_named=False)
        assert [diagnostic.code for diagnostic in contents.diagnostics] == ["wrong-version"], version


def test_a_foreign_document_is_passed_over_unless_its_file_is_named():
    data = b"apiVersion: kafka.example.com/v1\nkind: Stream\nmetadata: {annotations: {a: !x b}}\n"

    assert read_documents(data, "f", is_named=False).diagnostics == []
    assert [fault.code for fault in read_documents(data, "f", is_named=True).diagnostics] == ["foreign-document"]


@given(
    st.lists(st.tuples(st.integers(0, len(EXAMPLE)), st.integers(0, 9), PIECES), min_size=1, max_size=4), st.booleans()
)
def test_a_damaged_example_never_raises_and_never_points_nowhere(edits, is_named):
    data = EXAMPLE
    for at, length, piece in edits:
        data = data[:at] + piece + data[at + length :]

    contents = read_documents(data, "f.yaml", is_named=is_named)

    assert all(diagnostic.span and diagnostic.span.line >= 1 for diagnostic in contents.diagnostics)
