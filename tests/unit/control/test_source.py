from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.control.source import Provenance, provenance, repository


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("git@github.com:Owner/Repo.git", "github.com/owner/repo"),
        ("https://github.com/Owner/Repo.git", "github.com/owner/repo"),
        ("https://user:ghp_secret@github.com/Owner/Repo", "github.com/owner/repo"),
        ("ssh://git@Git.Example.com:2222/team/data.git", "git.example.com/team/data"),
        ("/srv/git/data.git", None),
        ("../data", None),
        ("file:///srv/git/data.git", None),
    ],
)
def test_a_remote_is_reduced_to_host_owner_and_repository(remote: str, expected: str | None) -> None:
    assert repository(remote) == expected


def test_the_source_id_is_the_bare_name_without_a_remote() -> None:
    assert Provenance(commit="0" * 40).source_id("acme") == "acme"


def test_the_source_id_names_repository_and_folder() -> None:
    assert (
        Provenance(repo="github.com/acme/data", folder="overlay").source_id("acme")
        == "acme github.com/acme/data/overlay"
    )
    assert Provenance(repo="github.com/acme/data").source_id("acme") == "acme github.com/acme/data"


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments],
        check=True,
        capture_output=True,
    )


async def test_commit_folder_and_dirtiness_come_from_git(tmp_path: Path) -> None:
    pytest.importorskip("shutil").which("git") or pytest.skip("git is not installed")
    folder = tmp_path / "overlay"
    folder.mkdir()
    (folder / "producer.yaml").write_text("a: 1\n")
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "remote", "add", "origin", "https://token@github.com/Acme/Data.git")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    clean = await provenance(folder)
    assert (clean.repo, clean.folder, clean.dirty) == ("github.com/acme/data", "overlay", False)
    assert clean.commit
    assert len(clean.commit) == 40
    (folder / "producer.yaml").write_text("a: 2\n")
    assert (await provenance(folder)).dirty


async def test_without_git_or_a_work_tree_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await provenance(tmp_path) == Provenance()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await provenance(tmp_path) == Provenance()
