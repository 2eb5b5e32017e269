"""What a model found wrong with a document, as diagnostics with places."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.manifest.kinds.unions import UNION_TAGS
from reconciler.manifest.tree import Path, Table, find, place_of, shown, span
from reconciler.model.diagnostics import Diagnostic

_SHAPES: Final = {
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}
"""What pydantic's errors about containers mean; scalars have errors of our own."""
_KEY: Final = "[key]"
"""Pydantic's last step to a key of a mapping."""
_NO_FIELDS: Final = frozenset({"annotations", "namespace"})
"""Fields that the models know only to say why they do not exist."""


def problems(error: ValidationError, root: Table, file: str, model: type[BaseModel]) -> list[Diagnostic]:
    """All that is wrong with one document."""
    return [_problem(detail, root, file, model) for detail in error.errors(include_url=False)]


def did_you_mean(word: str, words: list[str]) -> str | None:
    """A hint that names the nearest of `words`, if one is near."""
    near = get_close_matches(word, words, n=1, cutoff=0.6) or [each for each in words if each.lower() == word.lower()]
    return f"did you mean '{near[0]}'?" if near else None


def written(path: Path) -> str:
    """A path as people write it: `spec.tags[2]`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path if step not in UNION_TAGS)
    return "".join(steps).removeprefix(".") or "the document"


def _problem(detail: ErrorDetails, root: Table, file: str, model: type[BaseModel]) -> Diagnostic:
    context: Mapping[str, Any] = detail.get("ctx", {})
    path: Path = (*detail["loc"], *context.get("at", ()))
    if path and path[-1] == _KEY:
        return _wrong_key(path[:-1], root, file, context)
    match detail["type"]:
        case "extra_forbidden":
            return _unknown_field(path, root, file, model)
        case "missing":
            return _missing_field(path, root, file)
        case shape if shape in _SHAPES:
            return _at(
                path, root, file, "wrong-type", f"{written(path)} is not {_SHAPES[shape]}", expected=_SHAPES[shape]
            )
        case code if "summary" in context:
            summary: str = context["summary"].replace("{field}", written(path))
            return _at(path, root, file, code, summary, expected=context["expected"], hint=context["hint"])
        case _:
            return _at(path, root, file, "wrong-value", detail["msg"][:1].lower() + detail["msg"][1:])


def _unknown_field(path: Path, root: Table, file: str, model: type[BaseModel]) -> Diagnostic:
    name, known = str(path[-1]), _fields_at(model, path[:-1])
    return Diagnostic(
        code="unknown-field",
        summary=f"the field '{name}' does not exist here",
        span=span(file, place_of(root, path, key=True)),
        found=name,
        expected=", ".join(known),
        hint=did_you_mean(name, known),
    )


def _wrong_key(path: Path, root: Table, file: str, context: Mapping[str, Any]) -> Diagnostic:
    """A key of a mapping whose keys are the producer's own."""
    return Diagnostic(
        code="bad-name",
        summary=context.get("summary", "this cannot be a key").replace("{field}", "the key"),
        span=span(file, place_of(root, path, key=True)),
        found=str(path[-1]),
        expected=context.get("expected"),
        hint=context.get("hint"),
    )


def _missing_field(path: Path, root: Table, file: str) -> Diagnostic:
    where = span(file, place_of(root, path[:-1], key=True))
    return Diagnostic(
        code="missing-field", summary=f"the field '{path[-1]}' is missing", span=where, expected=f"{path[-1]}: ..."
    )


def _at(
    path: Path, root: Table, file: str, code: str, summary: str, *, expected: str | None = None, hint: str | None = None
) -> Diagnostic:
    where = span(file, place_of(root, path))
    # What stands where only the name of a secret may stand is perhaps the secret.
    found = "a text" if code == "secret" else shown(find(root, path))
    return Diagnostic(code=code, summary=summary, span=where, found=found, expected=expected, hint=hint)


def _fields_at(model: type[BaseModel], path: Path) -> list[str]:
    """The fields of the mapping at `path`, in the order of the model."""
    for step in path:
        for field in model.model_fields.values():
            if field.alias == step:
                model = _model_in(field.annotation) or model
    return [name for field in model.model_fields.values() if (name := field.alias or "") not in _NO_FIELDS]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each))), None)
