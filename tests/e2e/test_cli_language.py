"""The commands of the whole language: plans that bind, approval, destruction, variables, the doctor (DESIGN §4.2, §8)."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.wallet.keys import Keys

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: "${WHO:-Acme}"
  network: embedded
  vars: {WHO: null}
  gateway: {url: "https://acme.example"}
  IDENTITY
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: tables}
spec: {serviceType: data-feed, capability: tables}
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {name: standard}
spec: {native: {arc: [taal], splits: [{to: producer, share: 1}]}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: countries}
spec: {source: {path: data/countries.csv}, title: Countries, price: 5}
"""
COMPLETE = "Apply complete: 7 created, 0 updated, 0 deleted. Generation 1."
UNCHANGED = "No changes. The overlay matches the manifests."


@pytest.fixture
def written(overlay):
    """A folder with manifests and one file, below `review`, where plans are kept."""
    (overlay.folder / "data").mkdir()
    (overlay.folder / "data" / "countries.csv").write_text("code,name\nde,Germany\n")
    (overlay.folder / "review").mkdir()
    write(overlay)
    return overlay


def write(overlay: Any, text: str = MANIFEST, identity: str = "") -> None:
    (overlay.folder / "producer.yaml").write_text(text.replace("IDENTITY", identity))


def last(ran: Any) -> str:
    return ran.stdout.splitlines()[-1]


def edit(path: Path, change: Any) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def journal(overlay: Any) -> list[str]:
    with sqlite3.connect(overlay.home / "embedded" / "state.db") as database:
        return [note for (note,) in database.execute("select note from journal order by created, id")]


# Plans in files


def test_a_plan_in_a_file_is_carried_out_as_it_is_and_once(written):
    written.run("plan", "--out", "review/plan.json", "--var", "WHO=Acme & Co", "--reason", "the first")
    kept = written.folder / "review" / "plan.json"
    assert json.loads(kept.read_bytes())["meta"]["folder"] == ".."
    assert kept.stat().st_mode & 0o077 == 0

    done = written.run("apply", "review/plan.json", "--wait", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "plan"
    assert events[-1]["message"] == COMPLETE
    assert events[-1]["mined"] is True
    assert events[-1]["planId"] == events[0]["id"] == json.loads(kept.read_bytes())["id"]
    assert last(written.run("plan", "--var", "WHO=Acme & Co")) == UNCHANGED
    assert any("--reason the first" in note for note in journal(written))

    stale = written.run("apply", "review/plan.json", code=4)
    assert "the live root is" in stale.stderr


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda plan: plan["body"]["producer"].update(name="other"), 4, "edited after it was made"),
        (lambda plan: plan.update(id="0" * 64), 4, "edited after it was made"),
        (lambda plan: plan["body"].update(format_version="9.0"), 1, "has format 9.0"),
        (lambda plan: plan["meta"].update(folder=None), 1, "does not say where its manifests are"),
    ],
)
def test_a_plan_that_was_edited_is_refused(written, change, code, said):
    written.run("plan", "--out", "plan.json")
    edit(written.folder / "plan.json", change)

    assert said in written.run("apply", "plan.json", code=code).stderr
    assert written.json("state", "list")["objects"] == []


def test_a_plan_for_another_network_or_identity_or_approved_otherwise_is_refused(written, request):
    written.run("plan", "--out", "plan.json")

    other = written.run("apply", "plan.json", "--network", "test", code=4)
    assert "made for the network embedded, and test was asked for" in other.stderr
    assert "approved was" in written.run("apply", "plan.json", "--approved", "0" * 64, code=4).stderr

    stranger = replace(written, home=written.home.with_name("stranger"))
    stranger.run("identity", "new")
    assert "was made for the identity" in stranger.run("apply", "plan.json", code=4).stderr
    assert written.json("state", "list")["objects"] == []


def test_nothing_that_would_change_it_goes_with_a_plan_in_a_file(written):
    written.run("plan", "--out", "plan.json")
    for words in (["--target", "dataset/countries"], ["--var", "WHO=x"], ["--allow-empty"], ["--refresh"]):
        assert "carried out as it is" in written.run("apply", "plan.json", *words, code=1).stderr


def test_a_plan_whose_file_has_changed_is_stale(written):
    written.run("plan", "--out", "plan.json")
    (written.folder / "data" / "countries.csv").write_text("code,name\nfr,France\n")

    assert "changed since the plan was made" in written.run("apply", "plan.json", code=4).stderr
    assert written.json("state", "list")["objects"] == []


# Approval


def test_an_approved_plan_is_applied_without_asking_and_no_other_is(written):
    approved = written.json("plan")["id"]
    part = written.run("apply", "--approved", approved[:12], code=1)
    assert "the whole id" in part.stderr

    assert "approved was" in written.run("apply", "--approved", approved, "--var", "WHO=Other", code=4).stderr
    assert last(written.run("apply", "--approved", approved)) == COMPLETE
    assert last(written.run("apply", "--approved", approved)) == UNCHANGED


def test_without_a_terminal_and_without_consent_nothing_is_begun(written):
    for command in ("apply", "destroy"):
        assert "nobody can be asked here" in written.run(command, code=1).stderr
    assert not written.home.exists()


# Forms


def test_a_plan_has_one_form(written):
    assert "two forms of one plan" in written.run("plan", "--json", "--markdown", code=1).stderr
    assert written.run("plan", "--markdown").stdout.startswith("## `acme` on embedded")


def test_exit_codes_say_whether_changes_are_pending_and_refused(written):
    written.run("plan", "--detailed-exitcode", code=2)
    written.run("plan", "--detailed-exitcode", "--max-cost", "0", code=3)
    written.run("plan", "--max-cost", "0")
    refused = written.run("apply", "--yes", "--max-cost", "0", "--json", code=3)
    assert json.loads(last(refused))["event"] == "failed"
    assert json.loads(last(refused))["exit_code"] == 3
    written.run("apply", "--yes")
    written.run("plan", "--detailed-exitcode")


def test_what_is_restricted_says_so_to_the_end(written):
    written.run("apply", "--yes")
    write(
        written,
        MANIFEST.replace("title: Countries", "title: All").replace(
            "displayName: ", "description: New\n  displayName: "
        ),
    )

    assert last(written.run("plan", "--target", "dataset/countries")).endswith("PARTIAL.")
    done = written.run("apply", "--yes", "--target", "dataset/countries")
    assert last(done) == "Apply complete: 0 created, 1 updated, 0 deleted. Generation 2. PARTIAL."
    rest = written.run("apply", "--yes", "--exclude", "record/producer/*")
    assert last(rest) == "No changes. PARTIAL: nothing else was compared."
    assert "matches no object" in written.run("plan", "--target", "dataset/none", code=1).stderr


# Destruction


def test_destroy_leaves_nothing_and_says_so(written):
    written.run("apply", "--yes")
    refused = written.run("destroy", code=1)
    assert "nobody can be asked" in refused.stderr

    done = written.run("destroy", "--yes", "--reason", "moved")
    assert last(done) == "Apply complete: 0 created, 0 updated, 7 deleted. Generation 1 was the last."
    assert written.json("state", "list")["objects"] == []
    assert last(written.run("destroy", "--yes")) == "No changes. Nothing is live."
    assert any("--reason moved" in note for note in journal(written))
    written.run("wallet", "audit")


def test_what_is_not_there_is_named_before_anybody_is_asked(written):
    for words in ([], ["--yes"]):
        said = written.run("apply", "review/gone.json", *words, code=1).stderr
        assert "there is neither a manifest nor a plan" in said
        assert "gone.json" in said
    assert "gone.yaml error: there is no file" in written.run("plan", "gone.yaml", code=1).stderr


# Variables, keys, limits


def test_variables_come_from_the_line_and_from_files(written):
    (written.folder / "vars.yaml").write_text("WHO: From a file\n")

    def name(*words: str) -> str:
        return written.json("plan", *words)["body"]["producer"]["public"]["displayName"]

    assert name() == "Acme"
    assert name("--var-file", "vars.yaml") == "From a file"
    assert name("--var-file", "vars.yaml", "--var", "WHO=Given") == "Given"
    assert "none.yaml" in written.run("plan", "--var-file", "none.yaml", code=1).stderr
    for command in (["plan"], ["validate"], ["apply", "--yes"]):
        assert "found:    --var WHOM" in written.run(*command, "--var", "WHOM=Given", code=1).stderr


def test_what_was_given_is_never_repeated_in_an_error(written):
    for wrong in ("--var=bad name=CANARY", "--var=CANARY", "--var=1=CANARY"):
        for command in ("plan", "apply", "validate"):
            consent = ["--yes"] if command == "apply" else []
            said = written.run(command, wrong, *consent, "--debug", code=1)
            assert "bad-variable" in said.stderr or "not a variable" in said.stderr
            assert "CANARY" not in said.stdout + said.stderr


def test_the_key_may_be_in_a_variable_that_the_manifest_names(written, monkeypatch, request):
    write(written, identity="identity: {key: {env: ACME_KEY}}")
    absent = written.run("plan", code=1)
    assert "ACME_KEY" in absent.stderr

    secret = hashlib.sha256(request.node.name.encode()).hexdigest()
    monkeypatch.setenv("ACME_KEY", secret)
    assert last(written.run("apply", "--yes")) == COMPLETE
    identity = Keys(bytes.fromhex(secret)).identity
    assert written.json("identity", "show")["identityKey"] == identity
    assert written.json("wallet", "audit")["differences"] == []
    written.run("status")
    (written.home / "embedded" / "state.db").unlink()
    written.run("state", "rebuild")
    assert not (written.home / "identity.key").exists()
    assert UNCHANGED in written.run("plan").stdout
    monkeypatch.setenv("ACME_KEY", secret[:-1])
    wrong = written.run("plan", "--debug", code=1)
    assert "ACME_KEY does not hold a private key" in wrong.stderr
    assert secret[:-1] not in wrong.stderr


def test_the_environment_limits_how_a_payment_is_divided(written, monkeypatch):
    shares = "{to: producer, share: 0.5}, {to: partner, share: 0.5}"
    partner = "payees: {partner: {identityKey: 03c7e413bab1b53d48d2eae89536f430ec93d2c8e524c3da8e728554e8f40d9d25}}"
    write(written, MANIFEST.replace("{to: producer, share: 1}", shares), identity=partner)
    written.run("validate")
    monkeypatch.setenv("MAX_REVENUE_SPLITS", "1")
    assert "MAX_REVENUE_SPLITS sets the limit" in written.run("validate", code=1).stderr
    monkeypatch.setenv("MAX_REVENUE_SPLITS", "a few")
    assert "not a number of shares" in written.run("validate", code=1).stderr


# Looking


def test_validate_counts_what_there_is(written):
    assert last(written.run("validate")) == "Valid: acme, 1 advertisement, 1 dataset, 1 setting, network embedded."


def test_show_tells_what_is_live_and_what_is_wanted(written):
    written.run("apply", "--yes")
    write(written, MANIFEST.replace("price: 5", "price: 6"))

    assert written.json("show", "dataset/countries")["public"]["pricing"]["satoshis"] == 5
    assert written.json("show", "dataset/countries", "--resolved")["public"]["pricing"]["satoshis"] == 6
    assert written.json("show", "ship/tm_data_tables")["url"] == "https://acme.example"
    for how in ([], ["--resolved"]):
        assert "native" in written.json("show", "paymentrule/standard", *how)["value"]
    resolved = written.json("show", "producer/acme", "--resolved", "--var", "WHO=Me")
    assert resolved["public"]["displayName"] == "Me"
    assert resolved["source"].startswith("producer.yaml:")
    written.run("show", "dataset/none", "--resolved", code=1)
    written.run("show", "dataset/countries", "--var", "WHO=Me", code=1)


def test_the_doctor_finds_everybody_well(written):
    before = written.json("doctor")
    assert before["ok"] is True
    written.run("apply", "--yes")

    said = written.run("doctor").stdout.splitlines()
    assert said[-1] == "All is well."
    assert any("shows a root of this identity, on this chain" in line for line in said)
    assert {check["name"] for check in before["checks"]} >= {"python", "git", "home", "key", "chain", "clock", "arc"}


def test_the_doctor_tells_what_is_wrong_and_what_to_do(written):
    written.run("plan")
    (written.home / "identity.key").chmod(0o644)
    write(written, MANIFEST.replace("price: 5", "prize: 5"))

    said = written.run("doctor", code=1).stdout
    assert "✗ manifests" in said
    assert "hint: run `overlay validate`" in said
    assert "hint: chmod 600" in said
    assert said.splitlines()[-1] == "2 checks failed."


def test_the_doctor_needs_no_manifest(overlay):
    found = overlay.json("doctor")

    assert found["ok"] is True
    assert {"name": "manifests", "ok": True, "detail": "none here; network embedded", "hint": None} in found["checks"]
