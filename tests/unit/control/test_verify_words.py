from __future__ import annotations

from reconciler.control.verify import every


def test_one_and_none_are_said_as_people_say_them():
    assert [every(count, "record") for count in (0, 1, 3, 1000)] == [
        "no record",
        "the one record",
        "all 3 records",
        "all 1,000 records",
    ]
