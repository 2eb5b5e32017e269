"""How a model says what is wrong with a value; `problems` turns it into a diagnostic with a place."""

from __future__ import annotations

from pydantic_core import PydanticCustomError


def fault(
    code: str,
    summary: str,
    *,
    expected: str | None = None,
    hint: str | None = None,
    at: tuple[str | int, ...] = (),
) -> PydanticCustomError:
    """The error to raise in a validator; `at` leads from the value being validated to the part that is wrong.

    `{field}` in the summary stands for the path of the part in question, such as `spec.tags[2]`.
    """
    # The template is always the same, so that no text of ours or of the user's is taken for a placeholder.
    return PydanticCustomError(code, "{summary}", {"summary": summary, "expected": expected, "hint": hint, "at": at})
