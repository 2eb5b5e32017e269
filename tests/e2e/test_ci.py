"""examples/ci: the workflow's very commands, on clean checkouts with nothing kept, against a local world on TCP (DESIGN §4.2)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.long

WORKFLOW = Path(__file__).parents[2] / "examples" / "ci" / "overlay.yml"
REPOSITORY = "acme/data"
COMMENT_LIMIT = 65_536
UNCHANGED = "No changes. The overlay matches the manifests."

GH = """\
#!{python}
import json, pathlib, re, sys
folder = pathlib.Path({folder!r})
match sys.argv[1:]:
    case ["pr", "comment", number, "--repo", "acme/data", "--body-file", file]:
        body = pathlib.Path(file).read_text()
        assert len(body) <= {limit}, "GitHub refuses longer comments"
        with (folder / f"comments-{{int(number)}}").open("a") as comments:
            comments.write(json.dumps(["github-actions[bot]", body]) + "\\n")
    case ["api", path, "--jq", ".[0].number // empty"]:
        commit = re.fullmatch("repos/acme/data/commits/([0-9a-f]{{40}})/pulls", path)[1]
        merged = folder / f"merged-{{commit}}"
        print(merged.read_text() if merged.exists() else "")
    case ["api", "--paginate", path, "--jq", jq]:
        assert jq == '.[] | select(.user.login == "github-actions[bot]") | .body | split("\\\\n")[0]', jq
        number = re.fullmatch("repos/acme/data/issues/([0-9]+)/comments", path)[1]
        for line in (folder / f"comments-{{number}}").read_text().splitlines():
            author, body = json.loads(line)
            if author == "github-actions[bot]":
                print(body.split("\\n")[0])
    case other:
        sys.exit(f"gh is not known to be called like this: {{other}}")
"""
PIP = """\
#!/bin/bash
if [ "$1 $2 $3 $4" = "-m pip install --quiet" ]; then exit 0; fi
exec {python} "$@"
"""


@dataclass
class Ran:
    """How a job ended: the exit code of its last step, everything that it said, and its summary."""

    code: int
    log: str
    summary: str


@dataclass
class GitHub:
    """A repository with its pull requests, and a runner that keeps nothing from one job to the next."""

    folder: Path
    overlay: Any
    secrets: dict[str, str]
    environment: dict[str, str]
    """What the vendor edits in the workflow's `env`."""
    workflow: dict[str, Any]
    command: Path
    """The executable `overlay`."""
    runs: int = 0
    pulls: int = 0

    def __post_init__(self) -> None:
        self.tools.mkdir(parents=True)
        values = {"python": sys.executable, "folder": str(self.folder), "limit": COMMENT_LIMIT}
        for name, text in {"gh": GH, "python": PIP}.items():
            tool = self.tools / name
            tool.write_text(text.format(**values))
            tool.chmod(0o755)
        (self.tools / "overlay").symlink_to(self.command)
        self.git("init", "-q", "--bare", "-b", "main", str(self.origin), cwd=self.folder)
        self.git("clone", "-q", str(self.origin), str(self.work), cwd=self.folder)
        self.git("checkout", "-q", "-b", "main")

    @property
    def tools(self) -> Path:
        return self.folder / "tools"

    @property
    def origin(self) -> Path:
        return self.folder / "origin.git"

    @property
    def work(self) -> Path:
        """The vendor's own clone."""
        return self.folder / "work"

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=cwd or self.work, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        self.git("push", "-q", "origin", "HEAD")
        return self.git("rev-parse", "HEAD")

    def pull_request(self, change: Any, base: str = "main") -> PullRequest:
        """A branch off `base` with a change, pushed."""
        self.pulls += 1
        self.git("checkout", "-q", "-b", f"change-{self.pulls}", base)
        change(self.work / "manifests")
        commit = self.commit(f"Change {self.pulls}")
        return PullRequest(self, self.pulls, commit)

    def job(self, name: str, event: str, commit: str, *, fork: bool = False, **context: Any) -> Ran:
        """Run one job as its `run:` lines say, on a clean checkout, with nothing of earlier runs."""
        job = self.workflow["jobs"][name]
        assert _conditions(event, fork=fork)[job["if"]], f"{name} does not run on {event}"
        self.runs += 1
        place = self.folder / f"run-{self.runs}"
        temporary, kept, summary = place / "temp", place / "env", place / "summary"
        temporary.mkdir(parents=True)
        kept.touch()
        summary.touch()
        known = {
            "secrets.OVERLAY_IDENTITY_KEY": "" if fork else self.secrets["OVERLAY_IDENTITY_KEY"],
            "github.token": "" if fork else "token",
            "github.event.pull_request.number": str(context.get("number", "")),
            "inputs.approved": context.get("approved", ""),
        }
        surroundings = {
            "PATH": f"{self.tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(WORKFLOW.parents[2]),
            "HOME": str(place),
            "RUNNER_TEMP": str(temporary),
            "GITHUB_ENV": str(kept),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_EVENT_NAME": event,
            "GITHUB_SHA": commit,
            "GITHUB_REPOSITORY": REPOSITORY,
            **self.workflow["env"],
            **self.environment,
        }
        assert set(self.environment) <= set(self.workflow["env"])
        assert self.workflow["defaults"] == {"run": {"shell": "bash"}}
        log, code = "", 0
        for step in job["steps"]:
            if bool(code) != (step.get("if") == "failure() || cancelled()"):
                continue
            if "uses" in step:
                log += self._use(step, place, commit)
                continue
            for line in kept.read_text().splitlines():
                key, _, value = line.partition("=")
                surroundings[key] = value
            own = {key: _filled(str(value), known) for key, value in step.get("env", {}).items()}
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                cwd=place / "checkout",
                env={**surroundings, **own},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=120,
            )
            log += f"--- {step['name']}\n{done.stdout}"
            code = done.returncode
        assert self.secrets["OVERLAY_IDENTITY_KEY"] not in log + summary.read_text()
        return Ran(code, log, summary.read_text())

    def _use(self, step: dict[str, Any], place: Path, commit: str) -> str:
        match step["uses"].partition("@")[0]:
            case "actions/checkout":
                self.git("clone", "-q", str(self.origin), str(place / "checkout"), cwd=self.folder)
                self.git("checkout", "-q", commit, cwd=place / "checkout")
            case "actions/setup-python":
                pass
            case "actions/upload-artifact":
                kept = (place / "checkout").glob(step["with"]["path"])
                return "".join(f"kept {file.relative_to(place)}\n" for file in kept)
            case other:
                pytest.fail(f"the runner does not know {other}")
        return f"--- {step['uses']}\n"


@dataclass
class PullRequest:
    """A branch that is to be merged, and what was said under it."""

    github: GitHub
    number: int
    commit: str

    def check(self, *, fork: bool = False) -> Ran:
        return self.github.job("check", "pull_request", self.commit, fork=fork, number=self.number)

    def plan(self) -> Ran:
        return self.github.job("plan", "pull_request", self.commit, number=self.number)

    @property
    def comments(self) -> list[str]:
        said = (self.github.folder / f"comments-{self.number}").read_text().splitlines()
        return [body for _, body in map(json.loads, said)]

    def merge(self) -> Ran:
        """Merge it, and run what a push to main runs."""
        github = self.github
        github.git("checkout", "-q", "main")
        github.git("merge", "-q", "--no-ff", "-m", f"Merge {self.number}", self.commit)
        github.git("push", "-q", "origin", "main")
        merged = github.git("rev-parse", "HEAD")
        (github.folder / f"merged-{merged}").write_text(str(self.number))
        return github.job("apply", "push", merged)


def _conditions(event: str, *, fork: bool) -> dict[str, bool]:
    """Every `if` that the workflow may say."""
    is_pull = event == "pull_request"
    ours = "github.event.pull_request.head.repo.full_name == github.repository"
    return {
        "github.event_name == 'pull_request'": is_pull,
        f"github.event_name == 'pull_request' && {ours}": is_pull and not fork,
        "github.event_name == 'push' || github.event_name == 'workflow_dispatch'": event
        in {"push", "workflow_dispatch"},
        "github.event_name == 'schedule'": event == "schedule",
    }


def _filled(text: str, known: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: known[found[1]], text)


def workflow() -> dict[str, Any]:
    """The workflow as GitHub reads it."""
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))


@pytest.fixture
def github(overlay: Any, local: Any, command: Path, tmp_path: Path) -> GitHub:
    """A vendor's repository without anything in it but the manifests, and a key among its secrets."""
    overlay.run("identity", "new")
    key = (overlay.home / "identity.key").read_text().strip()
    public = overlay.json("identity", "show", "--network", "local")["identityKey"]
    made = GitHub(
        tmp_path / "github",
        overlay,
        {"OVERLAY_IDENTITY_KEY": key},
        {"OVERLAY_NETWORK": "local", "PRODUCER": public},
        workflow(),
        command,
    )
    shutil.copytree(overlay.folder, made.work / "manifests")
    overlay.folder = made.work / "manifests"
    overlay.run("fmt")
    made.commit("Manifests")
    return made


def titled(title: str) -> Any:
    def change(manifests: Path) -> None:
        file = manifests / "producer.yaml"
        file.write_text(re.sub("displayName: .*", f"displayName: {title}", file.read_text()))

    return change


def plan_in(text: str) -> str:
    """The id of the plan that a person reads there."""
    return re.findall("Plan id `([0-9a-f]{64})`", text)[-1]


def test_from_the_pull_request_to_no_changes_and_whatever_moves_in_between_is_planned_again(github):
    first = github.pull_request(titled("First"))
    planned = first.plan()
    assert planned.code == 0, planned.log
    assert plan_in(first.comments[0]) in first.comments[0].splitlines()[0]
    merged = first.merge()
    assert merged.code == 0, merged.log
    assert "Apply complete: 5 created, 0 updated, 0 deleted. Generation 1." in merged.log

    second, third = github.pull_request(titled("Second")), github.pull_request(titled("Third"))
    assert (second.plan().code, third.plan().code) == (0, 0)
    assert "Generation 2." in second.merge().log
    github.git("checkout", "-q", "change-3")
    github.git("merge", "-q", "-X", "ours", "-m", "Main", "main")
    third.commit = github.git("rev-parse", "HEAD")
    stale = third.merge()
    assert stale.code == 4, stale.log
    assert "Plan again" in stale.log
    assert "kept checkout/.overlay/local/state.db" in stale.log

    main = github.git("rev-parse", "main")
    night = github.job("drift", "schedule", main)
    assert night.code == 2, night.log
    assert "run this workflow by hand" in night.log
    assert plan_in(night.summary) == plan_in(stale.summary)
    by_hand = github.job("apply", "workflow_dispatch", main, approved=plan_in(night.summary))
    assert by_hand.code == 0, by_hand.log
    assert "Apply complete: 0 created, 1 updated, 0 deleted. Generation 3." in by_hand.log
    night = github.job("drift", "schedule", main)
    assert (night.code, UNCHANGED in night.summary) == (0, True), night.log
    assert github.job("apply", "workflow_dispatch", main, approved="; exit 0").code == 1


def test_a_root_that_moved_between_the_plan_and_the_merge_is_planned_again(github):
    github.overlay.run("apply", "--yes")
    pull = github.pull_request(titled("From the pull request"))
    assert pull.plan().code == 0
    github.git("checkout", "-q", "main")
    titled("From a laptop")(github.work / "manifests")
    github.overlay.run("apply", "--yes")
    github.git("checkout", "-q", "--", ".")
    stale = pull.merge()
    assert stale.code == 4, stale.log
    assert "Generation 2 is live." in stale.summary


def test_a_fork_sees_public_changes_and_gets_neither_a_secret_nor_an_approval(github):
    github.overlay.run("apply", "--yes")
    pull = github.pull_request(titled("From a stranger"))
    checked = pull.check(fork=True)
    assert checked.code == 0, checked.log
    assert "displayName" in checked.summary
    assert "nobody can approve this plan" in checked.summary
    assert "Plan id" not in checked.summary

    comments = github.folder / "comments-1"
    forged = f"<!-- overlay-plan {'0' * 64} -->"
    comments.write_text(json.dumps(["a-stranger", forged]) + "\n")
    merged = pull.merge()
    assert merged.code == 4
    assert "no plan was approved" in merged.log
    assert "0" * 64 not in merged.log


def test_no_secret_is_where_the_code_of_strangers_runs():
    found = workflow()
    assert "pull_request_target" not in found[True]  # YAML 1.1 reads `on` so
    assert found["permissions"] == {"contents": "read"}
    assert "secrets" not in json.dumps(found["jobs"]["check"])
    for name, job in found["jobs"].items():
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), f"{name}: what others write goes through the environment"
            assert ("secrets." in json.dumps(step)) <= (step.get("name") in {"Plan", "Apply", "Look at everything"})
