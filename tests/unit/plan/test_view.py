import json

import pytest

from reconciler.cli.escaping import printable
from reconciler.cli.views.fitting import fitted, wrapped
from reconciler.cli.views.plan import render
from reconciler.cli.views.plan_document import NO_CHANGES
from reconciler.model.observed import Answer, Reading
from reconciler.plan.document import to_bytes, to_json


def shown(plan, width=80, *, colour=False):
    return render(to_json(plan), width=width, colour=colour)


def test_the_last_line_has_its_fixed_words(world):
    state = world.desired(world.dataset("btc"))
    assert shown(world.plan(state, world.empty())).splitlines()[-1] == "Plan: 4 to create, 0 to update, 0 to delete."
    assert shown(world.plan(state, world.published(state))).splitlines()[-1] == NO_CHANGES
    new = world.desired(world.dataset("btc", text="new"))
    last = shown(world.plan(new, world.published(state))).splitlines()[-1]
    assert last == "Plan: 0 to create, 1 to update, 0 to delete, 2 to replace."


def test_a_plan_read_from_its_file_looks_the_same(world):
    plan = world.plan(world.desired(world.dataset("btc")), world.empty())
    assert render(json.loads(to_bytes(plan)), width=80, colour=False) == shown(plan)


def test_colours_come_only_when_asked_for_and_change_no_word(world, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    plan = world.plan(world.desired(world.dataset("btc")), world.empty())
    assert "\x1b" not in shown(plan)
    assert "\x1b[32m+\x1b[0m" in shown(plan, colour=True)


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(world, width):
    long = world.dataset("btc", title="A title " * 40, description="x" * 500)
    text = shown(world.plan(world.desired(long), world.empty()), width)
    assert [line for line in text.splitlines() if len(line) > width] == []


def test_a_terminal_too_narrow_for_anything_still_gets_every_line(world):
    plan = world.plan(world.desired(world.dataset("btc")), world.empty())
    assert shown(plan, 10).splitlines()[-1] == shown(plan).splitlines()[-1]


def test_control_characters_from_outside_are_shown_not_obeyed(world):
    old = world.desired(world.dataset("btc", title="evil\x1b[2J\u202etitle"))
    new = world.desired(world.dataset("btc", title="good"))
    text = shown(world.plan(new, world.published(old)))
    assert '"evil\\u001b[2J\\u202etitle" -> "good"' in text


def test_square_brackets_are_text_not_markup(world):
    text = shown(world.plan(world.desired(world.dataset("btc", title="[bold]x[/bold]")), world.empty()))
    assert '"[bold]x[/bold]"' in text


def test_a_lagging_host_is_told_from_one_that_agrees(world):
    state = world.desired(world.dataset("btc"))
    snapshot = world.published(state)
    other = Reading(host="http://b", answer=Answer.ROOT, root=world.outpoint("older"), at=world.now)
    text = shown(world.plan(state, world.published(state, readings=(*snapshot.readings, other))))
    assert "http://public.embedded shows it" in text
    assert "http://b shows another root" in text


def test_shortening_keeps_both_ends():
    assert fitted("0123456789abcdef", 9) == "0123…cdef"
    assert fitted("short", 80) == "short"
    assert fitted("日本語の長い題名です", 9) == "日本…です"


def test_wrapping_keeps_long_words_whole():
    assert wrapped("a " + "b" * 30, 12, indent=2) == ["  a", "  " + "b" * 30]


def test_printable_text_is_left_as_it_is():
    assert printable("Zürich and 日本") == "Zürich and 日本"


def vendor(world, count, title="Weather"):
    return world.desired(*(world.dataset(f"d{number:05}", title=title) for number in range(count)))


def words(text):
    return " ".join(text.split())


def test_of_very_many_changes_of_one_sort_the_first_are_shown_and_the_others_counted(world):
    text = shown(world.plan(vendor(world, 1000), world.empty()))

    assert len(text.splitlines()) < 200
    assert "+ record/dataset/*: 990 more will be created; plan --all shows them" in words(text)
    assert "+ replica/*: 2,000 in all will be created; plan --all shows them" in words(text)
    assert "record/dataset/d00009 will be created" in text
    assert "record/dataset/d00010" not in text
    assert text.splitlines()[-1].startswith("Plan: 3001 to create")


def test_fifty_changes_are_all_shown(world):
    text = shown(world.plan(vendor(world, 50), world.empty()))
    assert text.count("record/dataset/d000") == 50


def test_the_one_change_that_is_unlike_a_thousand_others_is_seen(world):
    old, new = vendor(world, 1000), vendor(world, 1000, title="Climate")
    other = world.dataset("d00777", title="Climate", license="mine")
    state = world.desired(*(other if record.id == other.id else record for record in new.records))

    text = shown(world.plan(state, world.published(old)))

    assert "~ record/dataset/*: 989 more will be updated (title); plan --all shows them" in words(text)
    assert "record/dataset/d00777 will be updated" in text


def test_the_whole_of_a_large_plan_is_shown_to_whom_asks_for_it(world):
    plan = world.plan(vendor(world, 60), world.empty())
    text = render(to_json(plan), width=80, colour=False, whole=True)
    assert text.count("record/dataset/d000") == 60
    assert "--all" not in text
