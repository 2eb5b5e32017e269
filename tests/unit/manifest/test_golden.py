"""Every way in which a manifest can be wrong, with the exact words about it.

Each `tests/golden/manifests/<case>.yaml`, or folder `<case>/`, has the expected text beside it; `UPDATE_GOLDEN=1` writes it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.cli.views.diagnostics import lines
from reconciler.content.digests import Digests
from reconciler.manifest.compile import compile as compile_manifests
from reconciler.manifest.contents import local_contents
from reconciler.manifest.load import load
from reconciler.model.desired import StorageHost
from reconciler.model.diagnostics import Diagnostic, has_errors
from reconciler.model.ids import Network

GOLDEN = Path(__file__).parents[2] / "golden" / "manifests"
HOSTS = {Network.EMBEDDED: (StorageHost(name="one", url="http://one.embedded", region="EU"),)}
CASES = sorted(
    {path.stem for path in GOLDEN.glob("*.yaml")} | {path.name for path in GOLDEN.glob("folder-*") if path.is_dir()}
)


async def check(path: Path, cache: Path) -> list[Diagnostic]:
    """What a command would say: each step only where the one before found no error."""
    manifests, diagnostics = load([path])
    if has_errors(diagnostics):
        return diagnostics
    files, more = local_contents(manifests)
    diagnostics += more
    if has_errors(diagnostics):
        return diagnostics
    facts = await Digests(cache).facts(files)
    _, more = compile_manifests(manifests, facts, default_hosts=HOSTS)
    return diagnostics + more


@pytest.mark.parametrize("case", CASES)
async def test_a_wrong_manifest_is_explained_in_these_words(case, tmp_path):
    path = GOLDEN / f"{case}.yaml"
    path = path if path.exists() else GOLDEN / case

    diagnostics = await check(path, tmp_path / "cache")

    text = "".join(f"{line}\n" for line in lines(diagnostics))
    expected = GOLDEN / f"{case}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(text, encoding="utf-8")
    assert has_errors(diagnostics)
    assert text == expected.read_text(encoding="utf-8")


def test_there_are_cases_and_each_has_its_text():
    assert len(CASES) >= 40
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CASES)
