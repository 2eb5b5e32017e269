"""Where downloads go: each good has a place of its own, or nothing is bought."""

from __future__ import annotations

import pytest

from reconciler.cli.operations.consumer.get import _places
from reconciler.model.errors import UsageError


def test_one_good_is_a_file_and_several_lie_below_a_folder(tmp_path):
    assert _places(tmp_path, tmp_path / "copy.csv", ["tables/a.csv"]) == [tmp_path / "copy.csv"]
    assert _places(tmp_path, None, ["tables/a.csv"]) == [tmp_path / "a.csv"]
    assert _places(tmp_path, tmp_path / "all", ["a", "b/c"]) == [tmp_path / "all/a", tmp_path / "all/b/c"]


@pytest.mark.parametrize("names", [["a", "a"], ["a", "a/b"], ["a/b/c", "a"]])
def test_goods_that_would_overwrite_one_another_are_not_bought_together(tmp_path, names):
    with pytest.raises(UsageError, match="not the only one"):
        _places(tmp_path, None, names)
