"""The JSON Schema of the language, for editors: `python -m reconciler.manifest.schema FILE` writes it anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from reconciler.manifest.kinds import Manifest
from reconciler.manifest.meanings import meanings
from reconciler.model.json import JsonObject

FILE: Final = Path("schemas/overlay-v1.schema.json")


class _Generator(GenerateJsonSchema):
    """What an absent field is inside the program is of no concern to an editor: it may not be null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """With what each field means."""
        made = super().model_schema(schema)
        model: Any = schema["cls"]
        for name, meaning in meanings(model).items():
            made["properties"][model.model_fields[name].alias].setdefault("description", meaning)
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's signature
        return False


def schema() -> JsonObject:
    """JSON Schema 2020-12 of one document."""
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[Manifest, Field(discriminator="kind")])
    generated = adapter.json_schema(by_alias=True, mode="validation", schema_generator=_Generator)
    generated.pop("discriminator", None)  # OpenAPI's word, not JSON Schema's
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "overlay/v1",
        "description": "A document of a data producer on the overlay.",
        **_without_titles(generated),
    }


def text() -> str:
    """The schema as the file has it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _without_titles(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: _without_titles(child)
            for key, child in node.items()
            if not (key == "title" and isinstance(child, str))
        }
    return [_without_titles(child) for child in node] if isinstance(node, list) else node


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else FILE).write_text(text(), encoding="utf-8")
