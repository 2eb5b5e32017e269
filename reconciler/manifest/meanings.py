"""What stands under each field of the language's models: read off their source when somebody asks, and by nobody who loads manifests."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


@cache
def meanings(model: type[BaseModel]) -> Mapping[str, str]:
    """The text under each field that has one, by the field's name. A class that writes a field anew says anew what it means."""
    found: dict[str, str | None] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            found |= dict.fromkeys(vars(each).get("__annotations__", ()))
            found |= _of_module(each.__module__)[each.__name__]
    return {name: text for name, text in found.items() if text is not None}


@cache
def _of_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """By class and field."""
    tree = ast.parse(inspect.getsource(sys.modules[name]))
    return {each.name: dict(_under_fields(each.body)) for each in tree.body if isinstance(each, ast.ClassDef)}


def _under_fields(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as said)):
                yield name, inspect.cleandoc(said)
