"""Variables: `${NAME}` and `${NAME:-default}` in values, for names that are declared or given (MANIFESTS §1).

They stand in scalars only, so no value can change a document's structure; a plain scalar is typed after its variables are
filled in. `$$` is a dollar; a dollar before anything else is itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from reconciler.manifest.encoding import UnreadableError
from reconciler.manifest.files import ManifestFile, read
from reconciler.manifest.kinds.secrets import VARIABLE
from reconciler.manifest.problems import did_you_mean
from reconciler.manifest.syntax import MAX_SCALAR, parse
from reconciler.manifest.tree import Items, Node, Place, Plain, Table, span
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.source import SourceSpan

MAX_EXPANDED: Final = 16 * 1024 * 1024
"""Characters that variables may put into one set of manifests."""

_USE = re.compile(r"\$\$|\$\{([^{}]*)\}|\$\{")
_INSIDE = re.compile(rf"({VARIABLE.pattern})(?::-(.*))?", re.DOTALL)


@dataclass(slots=True)
class Variables:
    """The names that may be used, with their values; None is declared, but without one."""

    values: Mapping[str, str | None]
    met: set[str] = field(default_factory=set, repr=False)
    """Those that the Producer declares, and those that a value has asked for."""
    _budget: int = field(default=MAX_EXPANDED, repr=False)

    @classmethod
    def of(cls, producer: Table | None, given: Mapping[str, str]) -> Variables:
        """Those that the Producer's document declares; those that are given go before them."""
        declared = {name: _value(node) for name, node in _declared(producer).items() if isinstance(node, str)}
        return cls(declared | dict(given), met=set(declared))

    def fill(self, root: Table, file: str) -> list[Diagnostic]:
        """Put values into a document, in place; says what cannot be filled in."""
        filling = _Filling(self, file, _declared(root))
        filling.fill(root)
        return filling.faults

    def spend(self, characters: int) -> bool:
        """Count characters that were put in; False when there have been too many."""
        self._budget -= characters
        return self._budget >= 0


def given_variables(assignments: Sequence[str], files: Sequence[Path] = ()) -> tuple[dict[str, str], list[Diagnostic]]:
    """The variables of `--var NAME=VALUE` and `--var-file FILE`, a YAML mapping; --var goes before, the last of each."""
    variables: dict[str, str] = {}
    diagnostics: list[Diagnostic] = []
    for path in files:
        values, faults = _read_file(path)
        variables |= values
        diagnostics += faults
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not VARIABLE.fullmatch(name):
            summary = "this is not a variable with its value"
            found = name if equals else None  # never the value, which may be anything
            fault = Diagnostic(code="bad-variable", summary=summary, found=found, expected="NAME=VALUE")
            diagnostics.append(fault)
        variables[name] = value
    return variables, diagnostics


def check_assignments(assignments: Sequence[str], known: Collection[str]) -> list[Diagnostic]:
    """What `--var` gives that no manifest declares or asks for. A file of variables may serve several sets, and is not checked."""
    names = sorted({assignment.partition("=")[0] for assignment in assignments if "=" in assignment} - set(known))
    return [_unasked(name, known) for name in names if VARIABLE.fullmatch(name)]


def _unasked(name: str, known: Collection[str]) -> Diagnostic:
    return Diagnostic(
        code="unknown-variable",
        summary=f"no manifest declares the variable '{name}', or has it in a value",
        found=f"--var {name}",
        expected=", ".join(sorted(known)) or None,
        hint=did_you_mean(name, sorted(known)) or "declare it under spec.vars of the Producer, or leave it out",
    )


def _read_file(path: Path) -> tuple[dict[str, str], list[Diagnostic]]:
    name = path.name
    data = read(ManifestFile(path, name, is_named=True))
    if not isinstance(data, bytes):
        return {}, [data] if data else []
    try:
        trees = list(parse(data, name))
    except UnreadableError as error:
        return {}, list(error.diagnostics)
    faults = [fault for tree in trees for fault in tree.faults]
    roots = [tree.root for tree in trees if tree.root is not None]
    if not roots:
        return {}, faults
    root = roots[0]
    if len(roots) > 1 or not isinstance(root, Table):
        summary = "a file of variables is one mapping"
        where = SourceSpan(name, 1, 1)
        return {}, [*faults, Diagnostic(code="wrong-type", summary=summary, span=where, expected="NAME: value")]
    values: dict[str, str] = {}
    for key, node in root.items():
        if not VARIABLE.fullmatch(key) or not isinstance(node, str):
            where = span(name, root.key_place(key))
            summary = "this is not a variable with its value"
            faults.append(
                Diagnostic(code="bad-variable", summary=summary, span=where, found=key, expected="NAME: value")
            )
            continue
        values[key] = _value(node) or ""
    return values, faults


def _declared(root: Table | None) -> Table:
    """`spec.vars` of a Producer; an empty table of anything else."""
    spec = root.get("spec") if root is not None and root.get("kind") == "Producer" else None
    declared = spec.get("vars") if isinstance(spec, Table) else None
    return declared if isinstance(declared, Table) else Table(Place(0))


def _value(node: str) -> str | None:
    return None if isinstance(node, Plain) and node.is_null else node.replace("$$", "$")


class _Filling:
    """One document being filled in."""

    def __init__(self, variables: Variables, file: str, declarations: Table) -> None:
        self.faults: list[Diagnostic] = []
        self._variables = variables
        self._file = file
        self._declarations = declarations
        self._done: set[int] = set()

    def fill(self, node: Table | Items) -> None:
        """All scalars in a collection. An anchored one stands in several places, and is filled in once."""
        if id(node) in self._done:
            return
        self._done.add(id(node))
        values = {} if node is self._declarations else self._variables.values
        if isinstance(node, Table):
            for (key, child), place in zip(node.items(), node.places[1::2], strict=True):
                node[key] = self._filled(child, values, place)
        else:
            for index, child in enumerate(node):
                node[index] = self._filled(child, values, node.places[index])

    def _filled(self, node: Node, values: Mapping[str, str | None], place: Place) -> Node:
        if isinstance(node, Table | Items):
            self.fill(node)
            return node
        if "$" not in node:
            return node
        text = self._expanded(node, values, span(self._file, place))
        return Plain(text) if isinstance(node, Plain) else text

    def _expanded(self, text: str, values: Mapping[str, str | None], where: SourceSpan) -> str:
        pieces: list[str] = []
        length, end = 0, 0
        for use in _USE.finditer(text):
            value = self._value(use, values, where)
            pieces += text[end : use.start()], value
            length += len(value)
            end = use.end()
            if length > MAX_SCALAR or not self._variables.spend(len(value)):
                summary = "variables make this value too long"
                self._fault(where, "value-too-long", summary, found=use[0][:60])
                return ""
        return "".join([*pieces, text[end:]])

    def _value(self, use: re.Match[str], values: Mapping[str, str | None], where: SourceSpan) -> str:
        if use[0] == "$$":
            return "$"
        inside = _INSIDE.fullmatch(use[1] or "")
        if inside is None:
            expected, hint = "${NAME} or ${NAME:-default}", "write $${ where the text shall contain ${"
            self._fault(where, "bad-variable", "this is not a variable", use[0][:60], expected=expected, hint=hint)
            return ""
        name, default = inside[1], inside[2]
        self._variables.met.add(name)
        if name not in values:
            known = sorted(values)
            hint = did_you_mean(name, known) or "declare it under spec.vars of the Producer, or give it with --var"
            self._fault(where, "unknown-variable", f"there is no variable '{name}' here", use[0][:60], hint=hint)
            return ""
        value = values[name]
        if default is not None:
            return value or default
        if value is None:
            hint = f"give one with --var {name}=..., or write ${{{name}:-default}}"
            self._fault(where, "unknown-variable", f"the variable '{name}' has no value", use[0][:60], hint=hint)
        return value or ""

    def _fault(
        self,
        where: SourceSpan,
        code: str,
        summary: str,
        found: str,
        *,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.faults.append(
            Diagnostic(code=code, summary=summary, span=where, found=found, expected=expected, hint=hint)
        )
