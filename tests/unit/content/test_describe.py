from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.content import describe as module
from reconciler.content.describe import describe


def of(tmp_path, content: str | bytes, media_type: str = "text/csv") -> str | None:
    path = tmp_path / "file"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return describe([path], media_type)


def test_a_table_is_described_by_rows_columns_and_range(tmp_path):
    text = "pair,time,price\nbtc,2024-01-02,9.5\nbtc,2024-01-01,10\neth,,8\n"

    assert of(tmp_path, text) == "3 rows, 3 columns (pair, time, price); time from 2024-01-01 to 2024-01-02"


def test_parts_are_described_as_the_bytes_that_they_are_together(tmp_path):
    def described(*parts: str) -> str | None:
        paths = [tmp_path / f"{index}.csv" for index in range(len(parts))]
        for path, part in zip(paths, parts, strict=True):
            path.write_text(part)
        return describe(paths, "text/csv")

    assert described("day,n\n2024-01-01,1\n", "2024-01-02,2\n", "2024-01-03,3\n") == (
        "3 rows, 2 columns (day, n); day from 2024-01-01 to 2024-01-03"
    )
    # Whoever downloads them finds a second header in the middle, and a row that no line break ends.
    assert described("day,n\n2024-01-01,1\n", "day,n\n2024-01-02,2\n") == "3 rows, 2 columns (day, n)"
    assert described("day,n\n2024-01-01,1", "2024-01-02,2\n") == (
        "1 row, 2 columns (day, n); day from 2024-01-01 to 2024-01-01"
    )


def test_without_times_the_first_column_of_numbers_gives_the_range(tmp_path):
    assert of(tmp_path, "name,n\na,9\nb,10\nc,-1.5\n") == "3 rows, 2 columns (name, n); n from -1.5 to 10"
    assert of(tmp_path, "name\tn\na\tx\n", "text/tab-separated-values") == "1 row, 2 columns (name, n)"


def test_many_columns_are_not_all_named(tmp_path):
    header = ",".join(f"c{index}" for index in range(20))

    assert of(tmp_path, f"{header}\n").startswith("0 rows, 20 columns (c0, c1,")
    assert of(tmp_path, f"{header}\n").endswith("c11, ...)")


@pytest.mark.parametrize("media_type", ["application/json", "application/jsonl"])
def test_json_rows_are_described_like_those_of_a_table(tmp_path, media_type):
    rows = [{"t": "2024-01-01T10:00:00Z", "v": 1.5, "n": None, "l": [1]}, {"t": "2023-12-31T10:00:00Z", "v": 1e3}]
    text = json.dumps(rows) if media_type == "application/json" else "\n".join(map(json.dumps, rows))

    assert of(tmp_path, text, media_type) == (
        "2 rows, 4 columns (t, v, n, l); t from 2023-12-31T10:00:00Z to 2024-01-01T10:00:00Z"
    )


def test_json_that_is_no_array_is_one_row(tmp_path):
    assert of(tmp_path, '{"a": 1, "b": [1]}', "application/json") == "1 row, 2 columns (a, b); a from 1 to 1"
    assert of(tmp_path, " [ ] \n", "application/json") == "0 rows"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        ("anything", "text/plain"),
        ("", "text/csv"),
        ("a,a\n", "text/csv"),
        ('a\n"open\n', "text/csv"),
        (b"a\n\xff\n", "text/csv"),
        ("a\n" + "x" * 2_000_000, "text/csv"),
        ("", "application/json"),
        ("[1, 2", "application/json"),
        ("[1 2]", "application/json"),
        ("[1] x", "application/json"),
        ("[1,]", "application/json"),
        ("[NaN]", "application/json"),
        ("[" * 100_000, "application/json"),
        ("9" * 10_000, "application/json"),
        ('{"a": 1}\n{', "application/jsonl"),
    ],
)
def test_what_is_not_data_has_no_description(tmp_path, content, media_type):
    assert of(tmp_path, content, media_type) is None


class Slow(io.StringIO):
    """Gives a few characters at a time, as if they came from afar."""

    step = 1

    def read(self, size=-1):
        return super().read(self.step if size is None or size < 0 else min(size, self.step))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=5), st.integers(1, 5), st.sampled_from([None, 1]))
def test_an_array_is_read_alike_however_it_arrives(values, step, indent):
    text = json.dumps(values, indent=indent)
    slow = Slow(text)
    slow.step = step

    assert module._json(slow).text() == module._json(io.StringIO(text)).text()
    assert module._json(Slow(text)).rows == len(values)
