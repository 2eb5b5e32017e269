"""What a plan's header says of where the manifests come from."""

from __future__ import annotations

import pytest

from reconciler.cli.views.plan_document import commit

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"commit": None, "dirty": False}, ""),
        ({"commit": SHA, "dirty": False}, "Manifests of commit 0123456789."),
        ({"commit": SHA, "dirty": True}, "Manifests of commit 0123456789, with changes that are not committed."),
    ],
)
def test_the_commit_is_named_and_whether_the_folder_differs_from_it(meta, said):
    assert commit({"meta": meta}) == said
