"""The canonical form of a manifest: the order of the models, two spaces, one blank line at most, comments kept.

Scalars stay as they were written, and lists and mappings in the style that they have. What is rare (anchors, directives, block
scalars with marks of their own) is left alone. A result that does not say the same, comments included, is never given.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from reconciler.manifest import order
from reconciler.manifest.documents import is_ours
from reconciler.manifest.encoding import UnreadableError
from reconciler.manifest.layout import (
    Arranged,
    Collection,
    Entry,
    Layout,
    Scalar,
    UnarrangeableError,
    arrangements,
    comments_of,
)
from reconciler.manifest.syntax import parse
from reconciler.manifest.tree import Items, Node, Plain, Table
from reconciler.model.diagnostics import Diagnostic

WIDTH: Final = 120
_OTHER_BREAKS: Final = re.compile("[\r\x85\u2028\u2029]")
"""Line breaks that only YAML counts; nobody uses them, and they would put every place after them wrong."""
_STEP: Final = "  "


def formatted(data: bytes, file: str) -> tuple[bytes, list[Diagnostic]]:
    """The canonical form of a file, or the file as it is and what is wrong with its notation."""
    try:
        trees = list(parse(data, file))
    except UnreadableError as error:
        return data, list(error.diagnostics)
    faults = [fault for tree in trees for fault in tree.faults]
    if faults or not any(isinstance(tree.root, Table) and is_ours(tree.root) for tree in trees):
        return data, faults
    text = data.decode().replace("\r\n", "\n")
    if _OTHER_BREAKS.search(text):
        return data, []
    result = _formatted(text, file)
    return (result.encode() if _says_the_same(text, result, file) else data), []


def _formatted(text: str, file: str) -> str:
    lines = text.split("\n")
    try:
        documents = list(arrangements(text))
    except UnarrangeableError:
        return text
    result: list[str] = []
    for number, document in enumerate(documents):
        first, last = (document.first, document.last) if isinstance(document, Arranged) else document
        source = _without_marker(lines[first : last + 1])
        piece = _document(document) if isinstance(document, Arranged) else source
        if not _says_the_same("\n".join(source), "\n".join(piece), file):
            piece = source
        result += ["---"] if number else []
        result += _trimmed(piece)
    return "".join(f"{line}\n" for line in result)


def _document(document: Arranged) -> list[str]:
    root = document.root
    if not isinstance(root, Collection):
        raise TypeError("only mappings are arranged")
    kind = next((entry.value for entry in root.entries if entry.key and entry.key.text == "kind"), None)
    # What stands at the top of a document is about all of it, whatever its first field is.
    heading, root.entries[0].above = root.entries[0].above, []
    body = _block(root, order.of_kind(kind.text if isinstance(kind, Scalar) else ""), "")
    return _squeezed([*heading, *body, *document.below])


# Blocks


def _block(collection: Collection, kind: Any, indent: str) -> Iterator[str]:
    for number, (entry, inner) in enumerate(_ordered(collection, kind)):
        above = entry.above if number else _trimmed(entry.above)
        yield from (f"{indent}{text}" if text else "" for text in above)
        yield from _entry(entry, inner, indent)
    yield from (f"{indent}{text}" if text else "" for text in collection.below)


def _entry(entry: Entry, kind: Any, indent: str) -> Iterator[str]:
    head = f"{indent}{entry.key.text}:" if entry.key else f"{indent}-"
    beside = f"  {entry.beside[0]}" if entry.beside else ""
    yield from (f"{indent}{text}" for text in entry.beside[1:])
    value = entry.value
    if isinstance(value, Scalar):
        yield from _scalar(head, value, beside, indent)
        return
    flow = _flow(value, kind) if value.is_flow else None
    if value.verbatim is not None:
        first, *more = value.verbatim.split("\n")
        *more, last = [f"{indent}{_STEP}{line.strip()}".rstrip() for line in more]
        yield from (f"{head} {first.rstrip()}", *more, f"{last}{beside}")
    elif flow is not None and (len(head) + 1 + len(flow) <= WIDTH or not value.entries):
        yield f"{head} {flow}{beside}"
    elif entry.key:
        yield f"{head}{beside}"
        yield from _block(value, kind, indent + _STEP)
    else:
        yield from _item(value, kind, indent, beside)


def _item(value: Collection, kind: Any, indent: str, beside: str) -> Iterator[str]:
    """An item of a list that is a block itself: it begins behind the dash."""
    lines = list(_block(value, kind, indent + _STEP))
    comments = next(index for index, line in enumerate(lines) if not line.lstrip().startswith("#"))
    yield from (f"{indent}{line.lstrip()}" for line in [*lines[:comments], *([beside] if beside else [])])
    yield f"{indent}- {lines[comments].lstrip()}"
    yield from lines[comments + 1 :]


def _scalar(head: str, scalar: Scalar, beside: str, indent: str) -> Iterator[str]:
    first, *more = scalar.text.split("\n")
    if not scalar.text:
        yield f"{head}{beside}"
    elif not more:
        yield f"{head} {first}{beside}"
    elif first[0] in "|>":
        yield f"{head} {first}{beside}"
        depth = next((len(line) - len(line.lstrip(" ")) for line in more if line.strip()), 0)
        yield from (f"{indent}{_STEP}{line[depth:]}" if line[depth:] else "" for line in more)
    else:
        yield f"{head} {first.rstrip()}"
        *more, last = [f"{indent}{_STEP}{line.strip()}".rstrip() for line in more]
        yield from (*more, f"{last}{beside}")


# Flow


def _flow(layout: Layout, kind: Any) -> str | None:
    """A flow collection on one line; None where it has to be more than one."""
    if isinstance(layout, Scalar):
        return None if "\n" in layout.text else layout.text
    if layout.verbatim is not None:
        return None
    parts = [_flow_entry(entry, inner) for entry, inner in _ordered(layout, kind)]
    if None in parts:
        return None
    inside = ", ".join(part for part in parts if part is not None)
    return f"{{{inside}}}" if layout.is_mapping else f"[{inside}]"


def _flow_entry(entry: Entry, kind: Any) -> str | None:
    value = _flow(entry.value, kind)
    if value is None or entry.key is None:
        return value
    return f"{entry.key.text}: {value}" if value else f"{entry.key.text}:"


def _ordered(collection: Collection, kind: Any) -> list[tuple[Entry, Any]]:
    """Entries in the order of the models, each with its type; unknown ones last, as they stand."""
    fields = order.fields_of(kind) if collection.is_mapping else None
    if fields is None:
        inner = order.values_of(kind)
        return [(entry, inner) for entry in collection.entries]
    ranks = {name: rank for rank, name in enumerate(fields)}
    named = [(_name(entry), entry) for entry in collection.entries]
    named.sort(key=lambda each: ranks.get(each[0], len(ranks)))
    return [(entry, fields.get(name, order.UNKNOWN)) for name, entry in named]


def _name(entry: Entry) -> str:
    return entry.key.text.strip("'\"") if entry.key else ""


# Lines


def _without_marker(lines: Sequence[str]) -> list[str]:
    """The lines of a document without its `---`, whose comment, if it has one, goes below."""
    if not lines or not lines[0].startswith("---"):
        return list(lines)
    rest = lines[0][3:].strip()
    return [rest, *lines[1:]] if rest else list(lines[1:])


def _trimmed(lines: Sequence[str]) -> list[str]:
    filled = [index for index, line in enumerate(lines) if line.strip()]
    return list(lines[filled[0] : filled[-1] + 1]) if filled else []


def _squeezed(lines: Sequence[str]) -> list[str]:
    return [line for index, line in enumerate(lines) if line or (index and lines[index - 1])]


# Meaning


def _says_the_same(before: str, after: str, file: str) -> bool:
    if Counter(each.text for each in comments_of(before)) != Counter(each.text for each in comments_of(after)):
        return False
    try:
        old, new = (list(parse(text.encode(), file)) for text in (before, after))
    except UnreadableError:  # then nothing is written
        return False
    roots = [[tree.root for tree in trees if tree.root is not None] for trees in (old, new)]
    faults = [fault for tree in new for fault in tree.faults]
    return not faults and len(roots[0]) == len(roots[1]) and all(map(_same, *roots))


def _same(left: Node, right: Node) -> bool:
    match left, right:
        case Table(), Table():
            return left.keys() == right.keys() and all(_same(value, right[key]) for key, value in left.items())
        case Items(), Items():
            return len(left) == len(right) and all(map(_same, left, right))
        case str(), str():
            return left == right and isinstance(left, Plain) == isinstance(right, Plain)
    return False
