from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifest.documents import check_draft, read_drafts
from reconciler.manifest.variables import Variables

EXAMPLE = (Path(__file__).parents[3] / "examples" / "producer.yaml").read_bytes()


def faults_of(data: bytes, *, is_named: bool):
    """All that is wrong with one file by itself."""
    contents = read_drafts(data, "f.yaml", is_named=is_named)
    checked = [check_draft(draft, Variables({})) for draft in contents.drafts]
    return contents.diagnostics + [fault for each in checked for fault in each.diagnostics]


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
        found = faults_of(f"apiVersion: {version}\nkind: Dataset\n".encode(), is_named=False)
        assert [diagnostic.code for diagnostic in found] == ["wrong-version"], version


def test_a_foreign_document_is_passed_over_unless_its_file_is_named():
    data = b"apiVersion: kafka.example.com/v1\nkind: Stream\nmetadata: {annotations: {a: !x b, c: '${D}'}}\n"

    assert faults_of(data, is_named=False) == []
    assert [fault.code for fault in faults_of(data, is_named=True)] == ["foreign-document"]


@given(
    st.lists(st.tuples(st.integers(0, len(EXAMPLE)), st.integers(0, 9), PIECES), min_size=1, max_size=4), st.booleans()
)
def test_a_damaged_example_never_raises_and_never_points_nowhere(edits, is_named):
    data = EXAMPLE
    for at, length, piece in edits:
        data = data[:at] + piece + data[at + length :]

    found = faults_of(data, is_named=is_named)

    assert all(diagnostic.span and diagnostic.span.line >= 1 for diagnostic in found)
