from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.manifest.contents import local_contents
from reconciler.manifest.files import Boundary
from reconciler.manifest.load import find_producer, load
from reconciler.manifest.patterns import matches, split_pattern
from reconciler.manifest.sources import record_name

PRODUCER = "apiVersion: overlay/v1\nkind: Producer\nmetadata: {name: acme}\nspec: {}\n"


def dataset(name: str, source: str, more: str = "") -> str:
    return f"---\napiVersion: overlay/v1\nkind: Dataset\nmetadata: {{name: {name}}}\nspec: {{source: {source}{more}}}\n"


def write(folder: Path, **files: str | bytes) -> None:
    for name, content in files.items():
        put(folder, name, content)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def codes(diagnostics) -> list[str]:
    return [diagnostic.code for diagnostic in diagnostics]


def test_a_folder_is_read_recursively_by_name_without_dot_folders_and_strangers(tmp_path):
    put(tmp_path, "b.yaml", PRODUCER)
    put(tmp_path, "a/c.yml", dataset("one", "{path: one.csv}"))
    put(tmp_path, ".git/d.yaml", "apiVersion: overlay/v1\nbroken: [")
    put(tmp_path, "docker-compose.yml", "services: {web: {image: nginx, ports: ['80:80']}}\n")
    put(tmp_path, "k8s.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x, annotations: {a: !!str b}}\n")
    put(tmp_path, "helm.yaml", "{{- if .Values.x }}\n\tbroken\n")
    put(tmp_path, "list.yaml", "- a\n- b\n")
    put(tmp_path, "latin.yaml", b"name: caf\xe9\n")

    manifests, diagnostics = load([tmp_path])

    assert diagnostics == []
    assert [(document.file, document.name) for document in manifests.documents] == [
        ("b.yaml", "acme"),
        ("a/c.yml", "one"),
    ]
    assert manifests.folder == tmp_path
    assert str(manifests.producer.span) == "b.yaml:3:18"


@pytest.mark.parametrize("kind", ["Producer", '"Prod\\u0075cer"'])
def test_who_publishes_is_found_however_it_is_spelt_and_whatever_is_wrong_elsewhere(tmp_path, kind):
    (tmp_path / "a.yaml").write_text("apiVersion: overlay/v1\nkind: Dataset\nmetadata: {name: '}'}\n")
    (tmp_path / "b.yaml").write_text("apiVersion: overlay/v1\nkind: Dataset\nmetadata: {\n")
    assert find_producer([tmp_path]) is None
    (tmp_path / "c.yaml").write_text(
        f"apiVersion: overlay/v1\nkind: {kind}\nmetadata: {{name: acme}}\n"
        "spec: {displayName: Acme, network: {preset: test}}\n"
    )
    found = find_producer([tmp_path])
    assert found == load([tmp_path])[0].producer.manifest
    assert found.spec.network.preset == "test"


def test_a_file_that_is_named_and_in_a_named_folder_is_read_once(tmp_path):
    path = put(tmp_path, "producer.yaml", PRODUCER)

    manifests, diagnostics = load([path, tmp_path, path])

    assert diagnostics == []
    assert len(manifests.documents) == 1


def test_paths_are_relative_to_the_file_that_writes_them_and_recorded_relative_to_the_folder(tmp_path):
    put(tmp_path, "producer.yaml", PRODUCER)
    put(tmp_path, "sub/d.yaml", dataset("one", "{path: ./x/../one.csv}") + dataset("two", "{path: ../top.csv}"))

    manifests, diagnostics = load([tmp_path])

    assert diagnostics == []
    assert [(str(source.id), source.first, source.paths) for source in manifests.sources] == [
        ("dataset/one", "sub/one.csv", (tmp_path / "sub/one.csv",)),
        ("dataset/two", "top.csv", (tmp_path / "top.csv",)),
    ]


def test_what_is_not_there_or_no_file_is_a_diagnostic_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")

    _, diagnostics = load([tmp_path / "gone.yaml", tmp_path / "pipe.yaml"])

    assert codes(diagnostics) == ["no-such-file", "not-a-file"]
    assert codes(load([])[1]) == ["no-producer"]


def test_a_huge_file_is_not_even_read(tmp_path):
    path = tmp_path / "huge.yaml"
    with path.open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)

    assert codes(load([path])[1]) == ["too-large"]


def test_links_are_followed_as_long_as_they_stay(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    put(inside, "producer.yaml", PRODUCER)
    put(inside, "..data/d.yaml", dataset("one", "{glob: '*.csv'}"))
    (inside / "d.yaml").symlink_to(inside / "..data/d.yaml")
    (inside / "loop").symlink_to(inside)
    put(outside, "secret.csv", "1")
    put(inside, "kept.csv", "1")
    put(inside, ".dot.csv", "1")
    (inside / "link.csv").symlink_to(outside / "secret.csv")
    (inside / "alias.csv").symlink_to(inside / "kept.csv")
    (inside / "dangling.csv").symlink_to(inside / "nothing.csv")

    manifests, diagnostics = load([inside])

    assert codes(diagnostics) == ["linked-folder"]
    assert [source.id.name for source in manifests.sources] == ["one/alias.csv", "one/kept.csv"]

    (inside / "away.yaml").symlink_to(put(outside, "x.yaml", dataset("two", "{path: ../secret}")))
    put(inside, "e.yaml", dataset("three", "{path: link.csv}"))
    assert sorted(codes(load([inside])[1])) == ["linked-folder", "outside", "outside"]


def test_a_glob_makes_one_record_a_file_with_a_name_made_of_its_path(tmp_path):
    put(tmp_path, "p.yaml", PRODUCER + dataset("h", "{glob: './Data/**/*.csv'}"))
    for name in ("Data/B c.csv", "Data/deep/er/Ünder_1.csv", "Data/x.txt", "Data/.hidden/y.csv", "other/z.csv"):
        put(tmp_path, name, "1")

    manifests, diagnostics = load([tmp_path / "p.yaml"])

    assert diagnostics == []
    assert [(source.id.name, source.first) for source in manifests.sources] == [
        ("h/data/b-c.csv", "Data/B c.csv"),
        ("h/data/deep/er/-nder_1.csv", "Data/deep/er/Ünder_1.csv"),
    ]


def test_file_names_that_make_no_name_are_diagnostics(tmp_path):
    put(tmp_path, "p.yaml", PRODUCER + dataset("h", "{glob: 'd/*'}"))
    for name in ("d/a..b", "d/end_", "d/line\nbreak", os.fsdecode(b"d/\xff.csv")):
        put(tmp_path, name, "1")

    manifests, diagnostics = load([tmp_path / "p.yaml"])

    assert codes(diagnostics) == ["bad-name"] * 4
    assert manifests.sources == ()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("data/*.csv", ("data", ("*.csv",))),
        ("./a//b/[ab]/**/**/x", ("a/b", ("[ab]", "**", "x"))),
        ("plain.csv", ("", ("plain.csv",))),
        ("a/plain.csv", ("a", ("plain.csv",))),
        ("**", ("", ("**",))),
    ],
)
def test_a_pattern_begins_where_it_varies(pattern, expected):
    assert split_pattern(pattern) == expected


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (("*",), ["a.csv"]),
        (("**",), ["a.csv", "s/a.csv", "s/t/B.csv"]),
        (("**", "?.csv"), ["a.csv", "s/a.csv", "s/t/B.csv"]),
        (("**", "[a].csv"), ["a.csv", "s/a.csv"]),
        (("s", "*"), ["s/a.csv"]),
        (("*", "t", "b.csv"), []),
    ],
)
def test_patterns_match_like_a_shell_and_mind_the_case(tmp_path, segments, expected):
    for name in ("a.csv", "s/a.csv", "s/t/B.csv"):
        put(tmp_path, name, "1")

    assert sorted(matches(tmp_path, segments, Boundary(tmp_path))) == expected


def test_a_name_leaves_out_the_way_up():
    assert record_name("h", "../../d/X.csv") == "h/d/x.csv"


def test_each_content_is_listed_once_and_asks_for_a_description_if_one_record_does(tmp_path):
    put(tmp_path, "a.csv", "x\n1\n")
    put(
        tmp_path,
        "p.yaml",
        PRODUCER
        + dataset("one", "{path: a.csv}")
        + dataset("two", "{path: a.csv}", ", description: {generate: true}")
        + dataset("gone", f"{{path: b.csv, size: 5, sha256: {'0' * 64}}}"),
    )

    manifests, _ = load([tmp_path / "p.yaml"])
    contents, diagnostics = local_contents(manifests)

    assert diagnostics == []
    assert [(each.paths, str(each.address), each.media_type, each.describe) for each in contents] == [
        ((tmp_path / "a.csv",), "record/dataset/one", "text/csv", True)
    ]


@pytest.mark.parametrize(
    ("sizes", "expected"), [((0, 0), "0 bytes"), ((8, 8), "16 bytes"), ((0, 16), "16 bytes"), ((16, 0, 1), None)]
)
def test_the_size_that_counts_is_that_of_all_parts_together(tmp_path, sizes, expected):
    names = [f"{index}.csv" for index in range(len(sizes))]
    for name, size in zip(names, sizes, strict=True):
        put(tmp_path, name, "x" * size)
    put(tmp_path, "p.yaml", PRODUCER + dataset("one", f"{{parts: [{', '.join(names)}]}}"))

    contents, diagnostics = local_contents(load([tmp_path / "p.yaml"])[0])

    assert codes(diagnostics) == ([] if expected is None else ["unstorable-size"])
    assert [len(each.paths) for each in contents] == ([] if expected else [len(sizes)])
    assert all(expected in fault.summary for fault in diagnostics)


def test_a_part_that_leads_out_of_the_folder_by_a_link_is_refused(tmp_path):
    inside = tmp_path / "in"
    put(inside, "p.yaml", PRODUCER + dataset("one", "{parts: [a.csv, link.csv]}"))
    put(inside, "a.csv", "1")
    (inside / "link.csv").symlink_to(put(tmp_path, "secret.csv", "1"))

    _, diagnostics = load([inside])

    assert codes(diagnostics) == ["outside"]
    assert str(diagnostics[0].span).startswith("p.yaml:")
    assert diagnostics[0].found == "link.csv"


def test_errors_in_several_documents_are_reported_together(tmp_path):
    path = put(
        tmp_path, "p.yaml", PRODUCER + dataset("A", "{path: a}") + dataset("b", "{}", ", titel: x") + "---\nkind: [\n"
    )

    assert sorted(codes(load([path])[1])) == ["bad-name", "missing-field", "unknown-field", "yaml-syntax"]


def test_a_huge_file_in_a_folder_counts_only_if_it_is_ours(tmp_path):
    put(tmp_path, "producer.yaml", PRODUCER)
    with put(tmp_path, "dump.yaml", "a: b\n").open("ab") as stream:
        stream.truncate(40 * 1024 * 1024)

    assert load([tmp_path])[1] == []

    put(tmp_path, "dump.yaml", "apiVersion: overlay/v1\n")
    with (tmp_path / "dump.yaml").open("ab") as stream:
        stream.truncate(40 * 1024 * 1024)
    assert codes(load([tmp_path])[1]) == ["too-large"]


def test_binary_and_latin_1_are_diagnostics_where_they_are_named(tmp_path):
    binary = put(tmp_path, "a.yaml", bytes(range(256)))
    latin = put(tmp_path, "b.yaml", "apiVersion: overlay/v1\nname: café\n".encode("latin-1"))

    assert sorted(codes(load([binary, latin])[1])) == ["not-utf-8", "not-utf-8"]
    # In a folder the binary one is somebody else's; the other says that it is ours.
    assert codes(load([tmp_path])[1]) == ["not-utf-8"]
