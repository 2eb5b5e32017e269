from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import count

import pytest

from reconciler.control.waking import waking
from reconciler.control.watch import Wake

LONG = 60.0


@pytest.fixture
async def listening(tmp_path):
    """Pauses over a folder; what is said when nothing can be heard is in `said`."""
    stop, said = asyncio.Event(), []

    @asynccontextmanager
    async def listen(folder=tmp_path, beside=()):
        async with waking([folder], beside, stopped=stop.wait, blind=said.append) as bell:
            for each in (folder, *beside):
                await heard(bell, each)
            yield bell

    listen.stop, listen.said = stop, said
    return listen


async def heard(bell, folder):
    """The system tells nobody when it has begun to listen: touch files until it does. There is nothing to hear in no folder."""
    for number in count():
        probe = folder / f"probe{number}"
        if not folder.is_dir() or (probe.write_text("1") and await bell(0.5, named(probe.name)) is Wake.FILES):
            return


def named(*names):
    return lambda path: path.name in names


async def test_what_changes_as_soon_as_it_listens_is_heard(tmp_path):
    async with waking([tmp_path], [], stopped=asyncio.Event().wait, blind=pytest.fail) as bell:
        (tmp_path / "mine.csv").write_text("1")
        assert await bell(LONG, named("mine.csv")) is Wake.FILES


async def test_a_file_that_matters_ends_a_pause_and_others_do_not(listening, tmp_path):
    (tmp_path / "deep").mkdir()
    async with listening() as bell:
        (tmp_path / "other.txt").write_text("1")
        waiting = asyncio.create_task(bell(LONG, named("mine.csv")))
        await asyncio.sleep(0)
        assert not waiting.done()
        (tmp_path / "deep" / "mine.csv").write_text("1")
        assert await waiting is Wake.FILES
        assert await bell(0.0, named("mine.csv")) is Wake.TIME


async def test_a_file_that_another_takes_the_place_of_has_changed(listening, tmp_path):
    (tmp_path / "mine.csv").write_text("1")
    async with listening() as bell:
        (tmp_path / ".mine.csv.tmp").write_text("2")
        (tmp_path / ".mine.csv.tmp").rename(tmp_path / "mine.csv")
        assert await bell(LONG, named("mine.csv")) is Wake.FILES


async def test_what_changed_while_nobody_waited_ends_the_next_pause(listening, tmp_path):
    async with listening() as bell:
        other = asyncio.create_task(bell(LONG, named("other")))
        (tmp_path / "other").write_text("1")
        await other
        bell.hear({tmp_path / "mine.csv"})
        assert await bell(LONG, named("mine.csv")) is Wake.FILES


async def test_files_beside_are_heard_and_nothing_below_them(listening, tmp_path):
    beside = tmp_path.parent / f"{tmp_path.name}-beside"
    (beside / "below").mkdir(parents=True)
    async with listening(beside=[beside]) as bell:
        (beside / "below" / "mine.yaml").write_text("1")
        (beside / "vars.yaml").write_text("1")
        assert await bell(LONG, named("vars.yaml", "mine.yaml")) is Wake.FILES
        assert await bell(0.0, named("mine.yaml")) is Wake.TIME


async def test_so_many_changes_that_they_are_not_told_apart_are_all(listening, tmp_path):
    async with listening() as bell:
        bell.hear({tmp_path / str(number) for number in range(10_001)})
        assert await bell(LONG, named("mine.csv")) is Wake.FILES


async def test_a_stop_ends_this_pause_and_all_that_follow(listening):
    async with listening() as bell:
        waiting = asyncio.create_task(bell(LONG, named()))
        listening.stop.set()
        assert await waiting is Wake.STOP
        assert await bell(LONG, named()) is Wake.STOP


async def test_where_the_system_cannot_listen_it_says_so_and_pauses_end_by_time(listening, tmp_path):
    async with listening(folder=tmp_path / "nowhere") as bell:
        assert await bell(0.0, named()) is Wake.TIME
    assert len(listening.said) == 1
