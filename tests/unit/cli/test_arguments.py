"""Words of the command line as values."""

from __future__ import annotations

import pytest

from reconciler.cli.arguments import seconds
from reconciler.model.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("500ms", 0.5), ("1s", 1), ("1.5s", 1.5), ("5m", 300), ("24h", 86_400), ("7d", 604_800), ("0s", 0)],
)
def test_a_duration_is_read_as_seconds(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "1", "s", "-1s", "1 s", "1w", "1e3s", ".5s", "soon", "٣s", "1s\n"])
def test_anything_else_is_no_duration(text):
    with pytest.raises(UsageError, match="is no duration"):
        seconds(text)
