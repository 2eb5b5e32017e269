"""In which form a record is shown: our JSON, or JSON-LD as DCAT or Croissant; by `format=`, else by Accept (RFC 9110 §12)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from reconciler.model.errors import RefusedError

LINKED: Final = "application/ld+json"
DCAT_PROFILE: Final = "http://www.w3.org/ns/dcat#"
CROISSANT_PROFILE: Final = "http://mlcommons.org/croissant/1.0"

_LENGTH: Final = 1000
"""Characters of an Accept header that are read."""


class Form(StrEnum):
    """How a record, or the catalog, is written."""

    JSON = "json"
    DCAT = "dcat"
    CROISSANT = "croissant"

    @property
    def media_type(self) -> str:
        """As the answer states it."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES: Final = {
    Form.JSON: "application/json",
    Form.DCAT: f'{LINKED}; profile="{DCAT_PROFILE}"',
    Form.CROISSANT: f'{LINKED}; profile="{CROISSANT_PROFILE}"',
}


def form_of(formats: Sequence[str], accept: str) -> Form:
    """The form that is asked for by `format` parameters and an Accept header. Raises RefusedError for one that there is not."""
    if len(formats) > 1:
        raise RefusedError("the parameter format stands there twice")
    if formats:
        try:
            return Form(formats[0])
        except ValueError:
            raise RefusedError(f"the parameter format is none of {', '.join(Form)}: {formats[0][:40]!r}") from None
    wanted = [*_ranges(accept[:_LENGTH])]
    linked = max((each for each in wanted if each[1] == LINKED), default=(0.0, "", ""))
    plain = max((quality for quality, kind, _ in wanted if kind in _PLAIN), default=0.0)
    if not linked[0] or linked[0] < plain:
        return Form.JSON
    return Form.CROISSANT if "mlcommons.org/croissant" in linked[2] else Form.DCAT


_PLAIN: Final = frozenset({"application/json", "application/*", "*/*"})


def _ranges(accept: str) -> Iterator[tuple[float, str, str]]:
    """Quality, media type and parameters of each range of an Accept header; what cannot be read is not wanted."""
    for each in accept.split(","):
        kind, _, parameters = each.partition(";")
        quality = 1.0
        for parameter in parameters.split(";"):
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "q":
                quality = _quality(value.strip())
        yield quality, kind.strip().lower(), parameters


def _quality(text: str) -> float:
    whole, _, fraction = text.partition(".")
    if whole not in {"0", "1"} or len(fraction) > 3 or (fraction and not (fraction.isascii() and fraction.isdigit())):
        return 0.0
    return min(1.0, float(f"{whole}.{fraction or 0}"))
