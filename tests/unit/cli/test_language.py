"""fmt, schema and explain: commands about the language, not about a producer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.cli.main import main

ROOT = Path(__file__).parents[3]
UNTIDY = "kind: Producer\napiVersion: overlay/v1   # ours\nmetadata: {name:   acme}\nspec: {}\n"
TIDY = "apiVersion: overlay/v1  # ours\nkind: Producer\nmetadata: {name: acme}\nspec: {}\n"


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "producer.yaml"
    path.write_text(UNTIDY)
    return path


def test_fmt_writes_the_canonical_form_and_names_what_it_changed(manifest, tmp_path, capsys):
    manifest.chmod(0o640)

    assert main(["-C", str(tmp_path), "fmt"]) == 0

    assert manifest.read_text() == TIDY
    assert manifest.stat().st_mode & 0o777 == 0o640
    assert capsys.readouterr().out == "producer.yaml\n"
    assert main(["fmt", str(manifest)]) == 0
    assert capsys.readouterr().out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["producer.yaml"]


def test_fmt_check_changes_nothing(manifest, capsys):
    assert main(["fmt", "--check", str(manifest)]) == 1

    assert manifest.read_text() == UNTIDY
    assert "producer.yaml" in capsys.readouterr().out


def test_fmt_passes_over_other_peoples_files_in_a_folder(manifest, tmp_path):
    compose = tmp_path / "docker-compose.yml"
    compose.write_text("services:   {web: {image:   nginx}}\n")
    (tmp_path / "helm.yaml").write_text("{{- if x }}\n")

    assert main(["fmt", str(tmp_path)]) == 0
    assert compose.read_text() == "services:   {web: {image:   nginx}}\n"
    assert manifest.read_text() == TIDY


def test_fmt_says_what_it_cannot_read_and_writes_nothing(manifest, tmp_path, capsys):
    broken = tmp_path / "b.yaml"
    broken.write_text("apiVersion: overlay/v1\nkind: [\n")

    assert main(["fmt", str(manifest), str(broken)]) == 1
    assert manifest.read_text() == UNTIDY
    assert "b.yaml:" in capsys.readouterr().err


def test_schema_prints_the_file(capsys):
    assert main(["schema"]) == 0

    assert capsys.readouterr().out == (ROOT / "schemas" / "overlay-v1.schema.json").read_text(encoding="utf-8")


def test_explain_tells_type_reader_default_and_example(capsys):
    assert main(["explain", "stream.delivery.when"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Stream.delivery.when",
        "  How far the anchor has to be.",
        "",
        "  type:     accepted | seen | mined",
        "  who:      public: stands in the record's document",
        "  default:  seen",
        "  example:  when: accepted",
    ]


def test_explain_speaks_json_and_knows_what_does_not_exist(capsys):
    assert main(["explain", "dataset.price", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["visibility"] == "public"

    assert main(["explain", "dataset.prize"]) == 1
    assert "did you mean 'price'?" in capsys.readouterr().err
