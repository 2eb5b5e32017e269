from __future__ import annotations

from reconciler.content.digests import ContentFacts
from reconciler.manifest.compile import compile as compile_manifests
from reconciler.manifest.load import load
from reconciler.model.networks import ENDPOINTS

PRODUCER = (
    "apiVersion: overlay/v1\nkind: Producer\nmetadata: {name: acme}\nspec: {gateway: {url: 'https://a.example'}}\n"
)
FACTS = ContentFacts(sha256="ab" * 32, size=1, media_type="text/csv")
HOSTS = {network: endpoints.storage for network, endpoints in ENDPOINTS.items()}


def document(kind: str, name: str, old: str, spec: str) -> str:
    return (
        f"---\napiVersion: overlay/v1\nkind: {kind}\nmetadata: {{name: {name}, renamedFrom: {old}}}\nspec: {{{spec}}}\n"
    )


def moves(folder, *documents: str) -> dict[str, str | None]:
    path = folder / "p.yaml"
    path.write_text(PRODUCER + "".join(documents))
    manifests, diagnostics = load([path])
    assert diagnostics == []
    facts = {source.paths: FACTS for source in manifests.sources if source.files}
    state, diagnostics = compile_manifests(manifests, facts, default_hosts=HOSTS)
    assert diagnostics == []
    return {str(record.id): record.renamed_from and str(record.renamed_from) for record in state.records}


def test_each_kind_of_record_can_be_moved(tmp_path):
    assert moves(
        tmp_path,
        document("Dataset", "new", "old", "source: {path: a}"),
        document("Stream", "new", "old", ""),
        document("Advertisement", "new", "old", "serviceType: x, capability: prices"),
    ) == {"advertisement/new": "advertisement/old", "dataset/new": "dataset/old", "stream/new": "stream/old"}


def test_each_file_of_a_pattern_continues_its_own_record(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x")

    assert moves(tmp_path, document("Dataset", "new", "old", "source: {glob: '*.csv'}")) == {
        "dataset/new/a.csv": "dataset/old/a.csv",
        "dataset/new/b.csv": "dataset/old/b.csv",
    }


def test_a_name_may_move_on_when_its_record_has_moved(tmp_path):
    """`a` becomes `b`, and what was `b` becomes `c`: two steps at once would be a guess."""
    path = tmp_path / "p.yaml"
    path.write_text(
        PRODUCER
        + document("Dataset", "b", "a", "source: {path: a}")
        + document("Dataset", "c", "b", "source: {path: a}")
    )

    assert [fault.code for fault in load([path])[1]] == ["still-there"]
