"""What is kept of manifests says what reading them anew would say, or nothing."""

from __future__ import annotations

import asyncio
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.content.digests import Digests
from reconciler.control.desired import inputs_of, load_desired
from reconciler.control.kept import Compiled, KeptSets, Question
from reconciler.control.loaded import Beside, Loaded, recall
from reconciler.manifest.load import load
from reconciler.model.errors import ManifestError

PRODUCER = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: example}
spec:
  displayName: ${NAME:-An example}
  gateway: {url: "http://localhost:3000"}
  defaults: {license: CC0, maxCost: 50_000, maxPriceFactor: 2.5}
  identity: {key: {file: one.key}, rotation: {to: {file: two.key}, transition: 10d}}
  vars: {NAME: The example, UNUSED: null}
---
apiVersion: overlay/v1
kind: ReplicationRule
metadata: {name: everywhere}
spec: {replicas: 2, selector: {matchTags: [wide]}}
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {name: standard}
spec: {http: {min: 1, max: 100_000, window: 1h}}
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: feeds}
spec: {serviceType: data-feed, capability: feeds, pricing: {model: per-minute, satoshis: 20}, availability: 99.9}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: logs}
spec: {source: {glob: "logs/**/*.csv", allowEmpty: true}, title: "{stem}", price: 3, tags: [wide]}
"""
DATASET = """\
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: {name}}}
spec: {{source: {{path: data/{name}.csv}}, title: {title}, description: {{generate: true}}, lineage: {{parents: [logs]}}}}
"""
CLOCK_AHEAD = 60 * 10**9
"""So that nothing is too young to be kept."""


RACY = 2 * 10**9
"""Nanoseconds that a change must be older than what it is to be told from."""


class Folder:
    """A set of manifests, with two ways to read it."""

    def __init__(self, path: Path) -> None:
        self.path = self.named = path / "set"
        self.cache = path / "home" / "cache"
        self.probe = path / "probe"
        self.variables = path / "variables.yaml"
        self.write("producer.yaml", PRODUCER)
        self.write("logs/first.csv", "first,second\n1,2\n3,4\n")
        for name in ("one", "two"):
            self.write(f"{name}.yaml", DATASET.format(name=name, title=name))
            self.write(f"data/{name}.csv", f"day,close\n2024-01-01,{name}\n")
        self.variables.write_text("NAME: From a file\n")

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def load(self, *, kept: bool, assignments: tuple[str, ...] = ()):
        """The set, or the codes of what is wrong with it."""
        sets = self.sets() if kept else None
        beside = Beside(assignments=assignments, variable_files=(self.variables,))
        digests = Digests(self.cache / "digests.db")
        try:
            loaded = asyncio.run(self.loaded(digests, beside, sets))
        except ManifestError as error:
            return [(each.code, each.span) for each in error.diagnostics]
        return loaded.state, loaded.folder, loaded.warnings, loaded.inputs

    def sets(self) -> KeptSets:
        return KeptSets(self.cache / "manifests", now_ns=lambda: time.time_ns() + CLOCK_AHEAD)

    def asked(self, assignment: str) -> tuple[Question, Compiled]:
        """What is asked for, and what it is compiled to."""
        state, _, warnings, inputs = self.load(kept=False, assignments=(assignment,))
        manifests, _ = load([self.named], {"NAME": "any"})
        compiled = Compiled(state=state, warnings=warnings, manifests=manifests, inputs=inputs)
        return Question.of([self.named], [self.variables], [assignment]), compiled

    async def loaded(self, digests: Digests, beside: Beside, kept: KeptSets | None) -> Loaded:
        """As a command has it: what is kept, else what is read."""
        paths = [self.named]
        found = None
        if kept is not None:
            found = await recall(kept, beside.question(paths, None), find_inputs=lambda: inputs_of(paths, beside))
        return found or await load_desired(paths, digests=digests, network=None, beside=beside, kept=kept)

    def files(self) -> list[Path]:
        found = self.cache / "manifests"
        return sorted(found.iterdir()) if found.exists() else []

    def tick(self) -> None:
        """Let the clock of the file system go on: it has ticks of some milliseconds."""
        self.probe.write_bytes(b"")
        before = self.probe.stat().st_ctime_ns
        while self.probe.stat().st_ctime_ns == before:
            self.probe.write_bytes(b"")


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def is_kept(state) -> bool:
    return not isinstance(state.records, tuple)


def test_a_set_that_has_not_changed_is_found_and_equals_what_was_compiled(folder):
    cold = folder.load(kept=True)
    warm = folder.load(kept=True)

    assert not is_kept(cold[0])
    assert is_kept(warm[0])
    assert warm == cold == folder.load(kept=False)
    assert len(warm[0].records) == len(list(warm[0].records)) == 4


def test_what_is_kept_says_the_same_as_reading_anew_after_any_edit(folder):
    chance = random.Random(7)
    hits = 0
    for _ in range(30):
        chance.choice(EDITS)(folder, chance)
        folder.tick()
        for _ in range(2):
            warm = folder.load(kept=True)
            hits += isinstance(warm, tuple) and is_kept(warm[0])
            assert warm == folder.load(kept=False)
    assert hits > 10


def edit_manifest(folder, chance):
    folder.write("one.yaml", DATASET.format(name="one", title=chance.choice(["one", "two", "six", "'"])))


def edit_content_and_restore_its_times(folder, chance):
    path = folder.path / "data/two.csv"
    if path.exists() and not path.is_symlink():
        status = path.stat()
        path.write_text(f"day,close\n2024-01-01,{chance.randrange(100, 999)}\n")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def add_to_a_glob(folder, chance):
    folder.write(f"logs/{chance.choice('abc')}/{chance.choice('abc')}.csv", "first,second\n10,20\n30,40\n")


def take_from_a_glob(folder, chance):
    for path in (folder.path / "logs").glob(f"{chance.choice('abc')}/*"):
        path.unlink()


def lose_or_bring_back_content(folder, _chance):
    path = folder.path / "data/one.csv"
    if path.exists():
        path.unlink()
    else:
        folder.write("data/one.csv", "day,close\n2024-01-01,again\n")


def add_or_remove_a_manifest(folder, _chance):
    path = folder.path / "deep/er/three.yml"
    if path.exists():
        path.unlink()
    else:
        folder.write("deep/er/data/three.csv", "day,close\n2024-01-01,three\n")
        folder.write("deep/er/three.yml", DATASET.format(name="three", title="three"))


def edit_variables(folder, chance):
    folder.variables.write_text(f"NAME: {chance.choice('abc')}\n")


def put_a_link_for_a_folder(folder, _chance):
    data, away = folder.path / "data", folder.path.parent / "away"
    if data.is_symlink():
        data.unlink()
        away.rename(data)
    else:
        data.rename(away)
        data.symlink_to(away)


def touch_nothing(_folder, _chance):
    pass


EDITS = [
    edit_manifest,
    edit_content_and_restore_its_times,
    add_to_a_glob,
    take_from_a_glob,
    lose_or_bring_back_content,
    add_or_remove_a_manifest,
    edit_variables,
    put_a_link_for_a_folder,
    touch_nothing,
]


def test_another_value_of_a_variable_is_another_question(folder):
    folder.load(kept=True)

    state, *_ = folder.load(kept=True, assignments=("NAME=Given here",))

    assert state.producer.public["displayName"] == "Given here"


@pytest.mark.parametrize("cut", [0, 1, 65, -1])
def test_a_file_that_was_cut_off_is_made_again(folder, cut):
    cold = folder.load(kept=True)
    [path] = folder.files()
    path.write_bytes(path.read_bytes()[:cut])

    assert folder.load(kept=True) == cold
    assert is_kept(folder.load(kept=True)[0])


@pytest.mark.parametrize("part", range(4))
def test_a_file_with_a_byte_changed_is_not_believed(folder, part):
    cold = folder.load(kept=True)
    [path] = folder.files()
    parts = path.read_bytes().split(b"\n")
    parts[part] = parts[part][:-2] + bytes([parts[part][-2] ^ 1]) + parts[part][-1:]
    path.write_bytes(b"\n".join(parts))

    warm = folder.load(kept=True)

    assert warm == cold
    assert not is_kept(warm[0])


def test_what_others_may_write_or_read_is_not_believed(folder):
    folder.load(kept=True)
    [path] = folder.files()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o620)

    assert not is_kept(folder.load(kept=True)[0])


def test_what_was_changed_a_moment_ago_is_not_kept(folder):
    sets = KeptSets(folder.cache / "manifests")

    asyncio.run(load_desired([folder.path], digests=Digests(folder.cache / "digests.db"), network=None, kept=sets))

    assert folder.files() == []


def test_a_set_with_a_link_in_it_is_not_kept(folder):
    put_a_link_for_a_folder(folder, None)

    folder.load(kept=True)

    assert folder.files() == []


def test_a_link_that_leads_nowhere_may_yet_lead_to_a_file(folder):
    (folder.path / "elsewhere").mkdir()
    (folder.path / "logs/later.csv").symlink_to("../elsewhere/later.csv")
    folder.named = folder.path / "producer.yaml"
    folder.load(kept=True)
    folder.write("elsewhere/later.csv", "first,second\n5,6\n")

    assert folder.load(kept=True) == folder.load(kept=False)


def test_a_folder_of_a_glob_may_be_missing_because_a_file_is_in_its_place(folder):
    folder.write("producer.yaml", PRODUCER.replace("logs/**", "producer.yaml/logs/**"))
    folder.named = folder.path / "producer.yaml"

    assert folder.load(kept=True) == folder.load(kept=True) == folder.load(kept=False)


def test_those_who_write_at_the_same_time_do_not_stumble_over_one_another(folder):
    def write(number: int) -> list[bool]:
        folder_sets = folder.sets()
        question, compiled = folder.asked(f"NAME={number}")
        return [folder_sets.keep(question, compiled, begun=folder_sets.now_ns()) for _ in range(50)]

    with ThreadPoolExecutor(8) as threads:
        assert all(all(written) for written in threads.map(write, range(8)))


def test_an_edit_while_the_files_are_looked_at_is_not_taken_for_what_was_read(folder, monkeypatch):
    edited = folder.path / "one.yaml"
    look = os.lstat

    def lstat(path):
        status = look(path)
        if path == str(edited) and "later" not in edited.read_text():
            folder.write("one.yaml", DATASET.format(name="one", title="later"))
        return status

    monkeypatch.setattr("reconciler.control.kept.os.lstat", lstat)
    folder.load(kept=True)

    assert folder.load(kept=True) == folder.load(kept=False)


def test_a_folder_that_takes_the_place_of_another_meanwhile_is_not_taken_for_it(folder):
    for name in ("one", "two"):
        folder.write(f"new/{name}.csv", f"day,close\n2025-01-01,{name}\n")
    folder.named = folder.path / "one.yaml"
    folder.write("one.yaml", PRODUCER + "---\n" + DATASET.format(name="one", title="one"))
    begun = time.time_ns()
    folder.tick()
    question, compiled = folder.asked("NAME=any")
    (folder.path / "data").rename(folder.path / "old")
    (folder.path / "new").rename(folder.path / "data")
    settled = [path.stat().st_mtime_ns for path in folder.path.rglob("*.csv")]

    assert all(written < begun for written in settled)
    assert not folder.sets().keep(question, compiled, begun=begun + RACY)


def test_a_set_with_something_wrong_in_it_is_not_kept(folder):
    folder.write("one.yaml", "apiVersion: overlay/v1\nkind: Dataset\n")

    assert folder.load(kept=True) == folder.load(kept=True)
    assert folder.files() == []


def test_a_value_that_no_manifest_uses_is_not_in_the_cache(folder):
    folder.load(kept=True, assignments=("UNUSED=canary-of-a-secret",))

    [path] = folder.files()
    assert b"canary" not in path.read_bytes()


def test_no_more_sets_are_kept_than_anybody_works_with(folder):
    for number in range(20):
        folder.load(kept=True, assignments=(f"NAME=number {number}",))

    assert len(folder.files()) == 16
