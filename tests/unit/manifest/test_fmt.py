from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.content.digests import ContentFacts
from reconciler.manifest.compile import compile as compile_manifests
from reconciler.manifest.fmt import formatted
from reconciler.manifest.layout import comments_of
from reconciler.manifest.load import load
from reconciler.model.networks import ENDPOINTS

EXAMPLES = Path(__file__).parents[3] / "examples"
SHA256 = "ab" * 32
HEAD = "apiVersion: overlay/v1\nkind: Dataset\n"


def fmt(text: str) -> str:
    data, diagnostics = formatted(text.encode(), "f.yaml")
    assert diagnostics == []
    return data.decode()


def meaning(folder: Path, data: bytes) -> str | list[str]:
    """The digest of the desired state, or what is wrong with a manifest beside the examples' data."""
    path = folder / "producer.yaml"
    path.write_bytes(data)
    manifests, diagnostics = load([path])
    facts = ContentFacts(sha256=SHA256, size=4, media_type="text/csv", description="generated")
    known = {source.paths: facts for source in manifests.sources if source.files}
    hosts = {network: endpoints.storage for network, endpoints in ENDPOINTS.items()}
    state, more = compile_manifests(manifests, known, default_hosts=hosts)
    return state.manifest_digest if state and not diagnostics else sorted(fault.code for fault in diagnostics + more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("fmt")
    shutil.copytree(EXAMPLES / "data", path / "data")
    return path


class PlainDumper(yaml.SafeDumper):
    """Writes texts without quotes wherever they can be: what they are is not its business."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # as PyYAML has it


def test_the_example_is_in_its_canonical_form():
    data = (EXAMPLES / "producer.yaml").read_bytes()

    assert formatted(data, "producer.yaml") == (data, [])


def test_fields_stand_in_the_order_of_the_models_and_comments_go_with_them():
    text = """\
# about this file

kind:   Dataset   # which kind
# the version
apiVersion: overlay/v1
spec:
    # where from
    source:
          path:   a   # here
    title: "One
      title"


    tags:
    - b   # second
    # the first
    - a
    # more tags to come
    # nothing else
metadata: {labels: {b: x,   a: y}, name: x}
# the end
"""

    assert (
        fmt(text)
        == """\
# about this file

# the version
apiVersion: overlay/v1
kind: Dataset  # which kind
metadata: {name: x, labels: {b: x, a: y}}
spec:
  # where from
  source:
    path: a  # here
  title: "One
    title"

  tags:
    - b  # second
    # the first
    - a
    # more tags to come
    # nothing else
# the end
"""
    )


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("a: {b: [1,2 , 3]}", "a: {b: [1, 2, 3]}"),
        ("a:\n- 1\n-   2", "a:\n    - 1\n    - 2"),
        ("a:\n - - 1\n   - 2\n - b: 1\n   c: 2", "a:\n    - - 1\n      - 2\n    - b: 1\n      c: 2"),
        ("a:\n -\n  # c\n  b: 1", "a:\n    # c\n    - b: 1"),
        ("a: |-\n   x\n    y\n\n   z", "a: |-\n    x\n     y\n\n    z"),
        ("a: [1, # one\n  2]", "a: [1, # one\n    2]"),
        ("a:", "a:"),
        ("a: {}\nb: []", "a: {}\n  b: []"),
        ("a: 'x # y'   # z", "a: 'x # y'  # z"),
        ("a:\n   # only this\n   b: 1", "a:\n    # only this\n    b: 1"),
        ("a: 1_000\nb: 007", "a: 1_000\n  b: 007"),
        (f"a: [{', '.join(['word'] * 30)}]", "a:\n    - " + "\n    - ".join(["word"] * 30)),
        (f"a: {{x: {'y' * 150}}}", f"a:\n    x: {'y' * 150}"),
    ],
)
def test_notation(written, canonical):
    indented = "".join(f" {line}\n" if line else "\n" for line in written.split("\n"))

    assert fmt(f"{HEAD}dataSchema:\n{indented}") == f"{HEAD}dataSchema:\n  {canonical}\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}metadata:   &m {{name:   x}}\nspec: *m\n",
        f"%YAML 1.2\n---\n{HEAD}spec:   1\n",
        f"{HEAD}spec:   |2\n   x\n",
        f"{HEAD}spec:   |+\n  x\n\n\n",
        f"{HEAD}? spec\n:   1\n",
        f"{HEAD}spec:   1\n...\n",
        f"{HEAD}spec:   'a\u2028b'\n",
        "a:   b\n",
        "services:   {web: x}\n---\n- b\n",
    ],
)
def test_what_is_rare_or_foreign_is_left_alone(text):
    assert fmt(text) == text


def test_documents_are_separated_by_one_line():
    assert fmt(f"---\n\n{HEAD}\n\n---   # next\n{HEAD}\n---\n---\n") == f"{HEAD}---\n# next\n{HEAD}---\n---\n"


def test_what_cannot_be_read_is_said_and_left_alone():
    data = b"apiVersion: overlay/v1\na: 1\na: 2\n"

    assert formatted(data, "f")[0] == data
    assert [fault.code for fault in formatted(data, "f")[1]] == ["duplicate-key"]
    assert [fault.code for fault in formatted(b"a: [", "f")[1]] == ["yaml-syntax"]


def test_windows_line_ends_become_ordinary_ones():
    assert fmt(f"{HEAD}spec:   1\n".replace("\n", "\r\n")) == f"{HEAD}spec: 1\n"


def scrambled(text: str, seed: int) -> str:
    """The same documents in another style, fields in another order, with comments here and there."""
    dice = random.Random(seed)
    documents = [_shuffled(document, dice) for document in yaml.load_all(text, yaml.BaseLoader)]
    lines = yaml.dump_all(
        documents,
        Dumper=PlainDumper,
        sort_keys=False,
        default_flow_style=dice.choice([True, False, None]),
        indent=dice.choice([2, 3, 4, 7]),
        width=dice.choice([20, 80, 1000]),
        allow_unicode=True,
        explicit_start=dice.random() < 0.5,
    ).split("\n")
    for _ in range(dice.randrange(8)):
        at = dice.randrange(len(lines))
        comment = f"# c{dice.randrange(99)} 'ü' {{"
        if dice.random() < 0.5:
            lines.insert(at, " " * dice.choice([0, 0, 2, 4, 6]) + comment)
        elif lines[at].strip() and not lines[at].rstrip().endswith(("|", ">")):
            lines[at] += f"   {comment}"
    return "\n".join(lines)


def test_scrambled_documents_mostly_mean_what_the_example_means(folder):
    """Or else the test below would show nothing."""
    text = (EXAMPLES / "producer.yaml").read_text(encoding="utf-8")
    meant = [meaning(folder, scrambled(text, seed).encode()) for seed in range(20)]

    assert meant.count(meaning(folder, text.encode())) >= 15


def _shuffled(node, dice):
    if isinstance(node, dict):
        keys = list(node)
        dice.shuffle(keys)
        return {key: _shuffled(node[key], dice) for key in keys}
    return [_shuffled(each, dice) for each in node] if isinstance(node, list) else node


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_formatting_twice_is_formatting_once_and_changes_no_meaning(folder, seed):
    text = scrambled((EXAMPLES / "producer.yaml").read_text(encoding="utf-8"), seed)

    once, faults = formatted(text.encode(), "f.yaml")

    assert formatted(once, "f.yaml") == (once, faults)
    assert meaning(folder, once) == meaning(folder, text.encode())
    if not faults:
        comments = [sorted(each.text for each in comments_of(version)) for version in (text, once.decode())]
        assert comments[0] == comments[1]


@settings(max_examples=200, deadline=None)
@given(st.text("ab:-[]{}'\"|># \n", max_size=60))
def test_no_notation_breaks_it(text):
    data = f"{HEAD}x:\n{text}".encode()

    once, _ = formatted(data, "f")

    assert formatted(once, "f")[0] == once
