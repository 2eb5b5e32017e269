from dataclasses import replace

import pytest

from reconciler.cli.views.markdown import LIMIT, render_markdown
from reconciler.model.observed import Answer, Reading
from reconciler.plan.document import plan_id, to_json

COMMENT = 65_536


def shown(plan):
    return render_markdown(to_json(plan))


def test_summary_and_id_come_first_then_deletions(world):
    old = world.desired(world.dataset("btc"), world.dataset("eth"))
    plan = world.plan(world.desired(world.dataset("btc"), world.dataset("zec")), world.published(old))
    text = shown(plan)
    order = [
        "Plan: 3 to create",
        str(plan_id(plan)),
        "### Deletions (3)",
        "- record/dataset/eth",
        "### Guards",
        "<details>",
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert text.index("+ record/dataset/zec") > text.index("<details>")


@pytest.mark.parametrize("count", [1, 300, 3000])
def test_no_plan_is_too_large_for_a_comment(world, count):
    old = [world.dataset(f"old-{number}", title="€" * 90, price=5) for number in range(count)]
    new = [world.dataset(f"new-{number}", title="`" * 50 + "€" * 300) for number in range(count)]
    readings = tuple(
        Reading(host=f"https://{number}.example/" + "x" * 300, answer=Answer.NONE, at=world.now)
        for number in range(count)
    )
    plan = world.plan(world.desired(*new), replace(world.published(world.desired(*old)), readings=readings))
    text = shown(plan)
    assert len(text.encode()) <= LIMIT < COMMENT
    assert f"### Deletions ({3 * count})" in text
    assert ("more\n" in text) is (count > 1)
    assert text.count("<details>") == text.count("</details>") == 2


def test_a_huge_field_and_a_huge_object_are_cut(world):
    wide = {f"field-{number}": "x" * 5000 for number in range(500)}
    text = shown(world.plan(world.desired(world.dataset("a", **wide)), world.empty()))
    assert len(text.encode()) <= LIMIT
    assert "lines more" in text


def test_nothing_of_a_plan_is_markup(world):
    title = "``` </details> @everyone <script> [x](http://evil)"
    text = shown(world.plan(world.desired(world.dataset("a", title=title)), world.empty()))
    fences = [line for line in text.splitlines() if line.startswith("```")]
    assert "````diff" in fences
    inside = text[text.index("````diff") : text.rindex("````")]
    assert text.count("@everyone") == inside.count("@everyone") == 1


def test_a_refused_or_restricted_plan_says_so_at_the_top(world):
    state = world.desired(world.dataset("a"))
    text = shown(world.plan(state, world.empty(coins=()), targets=("dataset/a",)))
    assert "**Refused by coins: apply will do nothing.**" in text[: text.index("###")]
    assert "`PARTIAL: only dataset/a, and what that refers to.`" in text[: text.index("###")]
    assert "PARTIAL.**" in text


def test_no_changes_are_said_in_the_same_words(world):
    state = world.desired(world.dataset("a"))
    assert "**No changes. The overlay matches the manifests.**" in shown(world.plan(state, world.published(state)))
