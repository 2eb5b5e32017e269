"""Options in groups: a command takes a dataclass, and Typer sees each of its fields as an option of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The same command for Typer, with every parameter that is a dataclass replaced by the dataclass's fields.

    The fields are annotated as Typer wants parameters to be, and have defaults. An option that may be repeated, and was not
    given, is the field's default rather than an empty list.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint) and isinstance(hint, type)}
    parameters = list(_parameters(command, hints, groups))

    def spread_command(**given: Any) -> None:
        for name, group in groups.items():
            values = {field.name: given.pop(field.name) for field in fields(group)}
            given[name] = group(**{option: value for option, value in values.items() if value != []})
        command(**given)

    spread_command.__name__ = command.__name__
    spread_command.__doc__ = command.__doc__
    spread_command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    spread_command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # how inspect is told (PEP 362)
    return spread_command


def _parameters(
    command: Callable[..., None], hints: dict[str, Any], groups: dict[str, type[Any]]
) -> Iterator[Parameter]:
    for parameter in signature(command).parameters.values():
        group = groups.get(parameter.name)
        if group is None:
            yield parameter.replace(annotation=hints[parameter.name], kind=Parameter.KEYWORD_ONLY)
            continue
        options = get_type_hints(group, include_extras=True)
        for field in fields(group):
            yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=options[field.name])
