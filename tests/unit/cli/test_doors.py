"""How long commands wait for an answer."""

from __future__ import annotations

import pytest

from reconciler.cli.doors import patience
from reconciler.model.errors import UsageError


@pytest.mark.parametrize(("text", "seconds"), [(None, 0.0), ("", 0.0), ("0", 0.0), ("90s", 90.0), ("2m", 120.0)])
def test_the_environment_says_how_long(text, seconds):
    assert patience({} if text is None else {"OVERLAY_REQUEST_TIMEOUT": text}) == seconds


def test_what_is_no_duration_is_refused(overlay):
    with pytest.raises(UsageError, match="'soon' is no duration"):
        patience({"OVERLAY_REQUEST_TIMEOUT": "soon"})

    overlay.state["OVERLAY_REQUEST_TIMEOUT"] = "soon"
    said = overlay.run("devnet", "mine", "--network", "embedded", code=1)
    assert "'soon' is no duration" in said.stderr
