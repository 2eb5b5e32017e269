"""A kind or field of the language as people read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.manifest.explain import Explained
from reconciler.manifest.kinds.visibility import Visibility

_WHO: Final = {
    Visibility.PUBLIC: "public: stands in the record's document",
    Visibility.SEALED: "sealed: for the producer and its gateway only",
    Visibility.LOCAL: "local: never leaves this machine",
}


def render(found: Explained) -> str:
    """The text form."""
    return "\n".join(_lines(found))


def _lines(found: Explained) -> Iterator[str]:
    yield found.path
    yield f"  {found.meaning}"
    yield ""
    yield f"  type:     {found.type}"
    if found.visibility is not None:
        yield f"  who:      {_WHO[found.visibility]}"
    if found.type != "document":
        yield f"  default:  {'none, it is required' if found.is_required else found.default or 'none'}"
    yield f"  example:  {found.example if found.type == 'document' else f'{found.name}: {found.example}'}"
    if found.fields:
        yield ""
        width = max(len(field.name) for field in found.fields)
        for field in found.fields:
            mark = field.visibility.value[0].upper() if field.visibility else "L"
            yield f"  {field.name:<{width}}  {mark}  {field.meaning}"
