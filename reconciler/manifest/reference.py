"""`docs/manifest.md`, made from the models: `python -m reconciler.manifest.reference [FILE]` writes it anew."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reconciler.manifest.explain import Explained, explain_kind
from reconciler.manifest.kinds import KINDS
from reconciler.manifest.kinds.visibility import Visibility

FILE: Final = Path("docs/manifest.md")

_INTRODUCTION: Final = """\
# Manifests: all kinds and fields

Made from the models by `python -m reconciler.manifest.reference`; `overlay explain KIND.FIELD` says the same at the prompt, and
`schemas/overlay-v1.schema.json` says it to editors.

A document has `apiVersion: overlay/v1`, `kind`, `metadata` and `spec`. Who may read a field: **public** fields stand in the
record's document, which everybody can read; **sealed** ones are encrypted for the producer and its gateway; **local** ones never
leave the machine. Durations are written `500ms`, `10s`, `24h`, `7d`; sizes `100MB`, `64MiB`; amounts are whole satoshis,
`5000` or `5_000`. A secret is never written down, only its place: `{env: NAME}` or `{file: PATH}`, relative to OVERLAY_HOME.

`${NAME}` and `${NAME:-default}` stand for variables that `spec.vars` of the Producer declares, or `--var` and `--var-file` give;
`$$` is a dollar. `--var` for a name that is neither declared nor in any value is an error; a file of variables may have more.
"""
_WORDS: Final = {
    Visibility.PUBLIC: "public",
    Visibility.SEALED: "sealed",
    Visibility.LOCAL: "local",
    None: "local",
}


def text() -> str:
    """The reference as the file has it."""
    kinds = f"**Kinds**: {' · '.join(f'[{kind}](#{kind.lower()})' for kind in KINDS)} · [examples](../examples/README.md) of them all\n"
    return "\n".join([_INTRODUCTION, kinds, *(line for kind in KINDS for line in _kind(explain_kind(kind)))])


def _kind(kind: Explained) -> Iterator[str]:
    yield f"## {kind.name}\n"
    yield f"{kind.meaning}\n"
    yield from _table(kind.fields, kind.name)
    for field in kind.fields:
        yield from _part(field, field.name)


def _part(field: Explained, path: str) -> Iterator[str]:
    if not field.fields:
        return
    yield f"### {field.path.partition('.')[0]} `{path}`\n"
    yield f"{field.meaning} For example: `{field.example}`\n"
    yield from _table(field.fields, f"{field.path.partition('.')[0]} {path}.")
    for each in field.fields:
        yield from _part(each, f"{path}.{each.name}")


def _table(fields: tuple[Explained, ...], of: str) -> Iterator[str]:
    """A table of fields; one that has fields itself leads to theirs."""
    yield "| field | type | who | default | meaning |"
    yield "|---|---|---|---|---|"
    for field in fields:
        default = "**required**" if field.is_required else f"`{field.default}`" if field.default is not None else ""
        cells = (_name(field, of), field.type, _WORDS[field.visibility], default, field.meaning)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _name(field: Explained, of: str) -> str:
    """The name, as a link to its own heading where it has one: anchors are made of headings without their dots."""
    anchor = f"{of}{field.name}" if of.endswith(".") else f"{of} {field.name}"
    return (
        f"[`{field.name}`](#{anchor.lower().replace('.', '').replace(' ', '-')})" if field.fields else f"`{field.name}`"
    )


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text(), encoding="utf-8")
