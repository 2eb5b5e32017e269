from __future__ import annotations

import pytest

from reconciler.manifest.inputs import Inputs
from reconciler.manifest.load import load

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec: {displayName: Acme}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: one}
spec: {source: {path: files/one.csv}, title: One}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: many}
spec: {source: {glob: "data/*.csv"}, title: Many}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "producer.yaml").write_text(MANIFEST)
    return tmp_path


def inputs(*paths, beside=()):
    manifests, _ = load(paths)
    return Inputs.of(manifests, paths, beside)


@pytest.mark.parametrize(
    ("name", "concerns"),
    [
        ("producer.yaml", True),
        ("files/one.csv", True),
        ("files", True),
        ("files/two.csv", False),
        ("data/a.csv", True),
        ("data/deep/a.csv", True),
        ("data", True),
        ("data/.a.csv.swp", False),
        ("other.yaml", False),
        ("README.md", False),
        (".overlay/embedded/state.db", False),
        ("vars/prod.yaml", True),
    ],
)
def test_a_named_manifest_concerns_itself_and_what_it_names(folder, name, concerns):
    found = inputs(folder / "producer.yaml", beside=[folder / "vars" / "prod.yaml"])
    assert found.concerns(folder / name) is concerns


def test_a_folder_concerns_every_manifest_that_may_come(folder):
    found = inputs(folder)
    assert found.concerns(folder / "more" / "new.yml")
    assert not found.concerns(folder / ".hidden" / "new.yml")
    assert not found.concerns(folder / "more")
    (folder / "more").mkdir()
    assert found.concerns(folder / "more")
    assert not found.concerns(folder.parent / "new.yml")
    assert found.folders == (folder,)


def test_of_a_broken_set_what_can_be_read_concerns(folder):
    (folder / "producer.yaml").write_text(MANIFEST + "---\nkind: [")
    assert inputs(folder / "producer.yaml").concerns(folder / "producer.yaml")
    assert inputs(folder / "nowhere.yaml").concerns(folder / "nowhere.yaml")
