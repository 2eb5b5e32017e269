"""A plan after an interrupted apply says so, and is what the next apply will do."""

from __future__ import annotations

import pytest

from reconciler.apply.events import Moved
from reconciler.model.journal import JournalState
from reconciler.plan.document import plan_id

pytestmark = pytest.mark.long  # several machines, or many transactions: .ci/run has them


class Stop(BaseException):
    """Ends an apply where a power cut might."""


@pytest.mark.parametrize(
    ("state", "word", "pending"),
    [(JournalState.PREPARED, "gives it up", 1), (JournalState.SENDING, "finishes it first", 0)],
)
async def test_plan_looks_beyond_an_unfinished_entry(producer, state, word, pending):
    await producer.apply()
    producer.write(title="Interrupted")

    def tell(event):
        if isinstance(event, Moved) and event.state is state:
            raise Stop

    with pytest.raises(Stop):
        await producer.apply(tell=tell)

    planned = await producer.plan()
    assert any(word in warning for warning in planned.observation.warnings)
    assert planned.plan.summary.update == pending

    producer.write(title="Edited again")
    shown = await producer.plan()
    agreed = []
    finished = await producer.apply(agree=lambda planned: agreed.append(plan_id(planned.plan)) or True)
    assert agreed == [plan_id(shown.plan)]
    assert finished.applied.generation == (2 if pending else 3)
    assert (await producer.audit()).balanced
