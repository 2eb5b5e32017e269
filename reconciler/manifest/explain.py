"""What each field means, read off the models: for `overlay explain` and the reference in `docs/manifest.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reconciler.manifest.kinds import KINDS
from reconciler.manifest.kinds.scalars import Shape
from reconciler.manifest.kinds.visibility import Visibility
from reconciler.manifest.meanings import meanings
from reconciler.manifest.problems import did_you_mean
from reconciler.model.errors import UsageError
from reconciler.model.json import Json

_ENVELOPE: Final = frozenset({"apiVersion", "kind"})
_NOT_HERE: Final = frozenset({"annotations", "namespace"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A kind, or a field of one."""

    path: str
    """As one writes it: `Dataset.source.path`."""
    type: str
    visibility: Visibility | None
    """None for what surrounds a spec."""
    is_required: bool
    default: str | None
    """As YAML; None where absence is no value."""
    meaning: str
    example: str
    """As YAML."""
    fields: tuple[Explained, ...] = ()
    """What is in it, where it is a mapping of known fields."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(".")[2]

    def to_json(self) -> dict[str, Json]:
        """The same for programs; the fields by their own names, without theirs."""
        return {
            "path": self.path,
            "type": self.type,
            "visibility": self.visibility.value if self.visibility else None,
            "required": self.is_required,
            "default": self.default,
            "meaning": self.meaning,
            "example": self.example,
            "fields": [field.name for field in self.fields],
        }


def explain(path: str) -> Explained:
    """The kind or field at `path`, such as `dataset`, `dataset.price` or `Dataset.spec.source.path`. Raises UsageError."""
    word, _, rest = path.partition(".")
    found = explain_kind(_kind(word))
    for step in [step for step in rest.split(".") if step and step != "spec"]:
        by_name = {field.name: field for field in found.fields}
        if step not in by_name:
            hint = did_you_mean(step, sorted(by_name)) or f"one of {', '.join(by_name)}" if by_name else None
            raise UsageError(f"{found.path} has no field {step!r}", hint=hint)
        found = by_name[step]
    return found


def explain_kind(kind: str) -> Explained:
    """A kind with all of its fields: metadata, then those of its spec."""
    model = KINDS[kind]
    metadata = _field(kind, "metadata", model.model_fields["metadata"], None, meanings(model).get("metadata"))
    spec = model.model_fields["spec"].annotation
    fields = tuple(_fields(kind, spec, None)) if isinstance(spec, type) and issubclass(spec, BaseModel) else ()
    required = ", ".join(f"{field.name}: {field.example}" for field in fields if field.is_required)
    return Explained(
        path=kind,
        type="document",
        visibility=None,
        is_required=False,
        default=None,
        meaning=_sentence(model.__doc__),
        example=f"{{apiVersion: overlay/v1, kind: {kind}, metadata: {{name: example}}, spec: {{{required}}}}}",
        fields=(metadata, *fields),
    )


def _kind(word: str) -> str:
    by_word = {kind.lower(): kind for kind in KINDS}
    kind = by_word.get(word.lower())
    if kind is None:
        hint = did_you_mean(word.lower(), sorted(by_word)) or f"one of {', '.join(KINDS)}"
        raise UsageError(f"there is no kind {word!r}", hint=hint)
    return kind


def _fields(path: str, model: type[BaseModel], visibility: Visibility | None) -> Iterator[Explained]:
    meant = meanings(model)
    for field, info in model.model_fields.items():
        name, meaning = info.alias or "", meant.get(field)
        if name not in _ENVELOPE | _NOT_HERE and not _is_refused(name, meaning):
            yield _field(path, name, info, visibility, meaning)


def _is_refused(name: str, meaning: str | None) -> bool:
    """Whether the field is there only to say that it does not exist here (`renamedFrom` of what is no record)."""
    return name == "renamedFrom" and not meaning


def _field(
    path: str, name: str, info: FieldInfo, inherited: Visibility | None, meaning: str | None = None
) -> Explained:
    mark = next((each for each in info.metadata if isinstance(each, Visibility)), inherited)
    shape = next((each for each in info.metadata if isinstance(each, Shape)), None)
    kind, example = (shape.name, shape.example) if shape else _shape(info.annotation)
    model = _model(info.annotation)
    return Explained(
        path=f"{path}.{name}",
        type=kind,
        visibility=mark,
        is_required=info.is_required(),
        default=_default(info),
        meaning=_sentence(meaning or (model.__doc__ if model else "")),
        example=example,
        fields=tuple(_fields(f"{path}.{name}", model, mark)) if model else (),
    )


def _shape(annotation: Any) -> tuple[str, str]:
    """What a type is called, and an example of it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None:
        return _simple(annotation)
    if origin is Annotated:
        shape = next((each for each in arguments[1:] if isinstance(each, Shape)), None)
        return (shape.name, shape.example) if shape else _shape(arguments[0])
    if origin in {Union, UnionType}:
        shapes = [_shape(each) for each in arguments if each is not type(None)]
        return " or ".join(dict.fromkeys(kind for kind, _ in shapes)), shapes[0][1] if shapes else ""
    if origin is tuple:
        kind, example = _shape(arguments[0])
        return f"list of {kind}", f"[{example}]"
    if origin is dict:
        kind, example = _shape(arguments[1])
        return f"mapping of names to {kind}", f"{{example: {example}}}"
    return " | ".join(str(each) for each in arguments), str(arguments[0])


def _simple(annotation: Any) -> tuple[str, str]:
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        words = [member.value for member in annotation]
        return " | ".join(words), words[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping", _mapping(annotation)
    return ("text", "Some words") if annotation is str else ("nothing", "")


def _mapping(model: type[BaseModel]) -> str:
    """The fields that are required, else the first one."""
    fields = list(model.model_fields.values())
    shown = [info for info in fields if info.is_required()] or fields[:1]
    examples = [(info.alias, _field("", "", info, None).example) for info in shown]
    return f"{{{', '.join(f'{name}: {example}' for name, example in examples)}}}"


def _model(annotation: Any) -> type[BaseModel] | None:
    """The mapping of known fields that a type is, or is a list or mapping of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model(each))), None)


def _default(info: FieldInfo) -> str | None:
    value = None if info.is_required() else info.get_default(call_default_factory=True, validated_data={})
    return None if value is None or value == {} else _yaml(_plain(value))


def _plain(value: object) -> object:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True) if isinstance(value, BaseModel) else value


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_yaml(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_yaml(each) for each in value)}]"
    return str(value)


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())
