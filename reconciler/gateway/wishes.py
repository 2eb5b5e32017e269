"""What a client asks to buy, as it comes over HTTP: bounded, and read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request

from reconciler.gateway.pricing import MOST
from reconciler.model.errors import RefusedError
from reconciler.model.goods import Sold, TierId, sold_id
from reconciler.model.ids import Kind, RecordId
from reconciler.model.json import Json
from reconciler.web.bodies import read_body
from reconciler.wire.canonical import parse_json

_LIMIT: Final = 8 * 1024
"""Bytes of a body that asks for something."""


async def read_wish(request: Request) -> tuple[Sold, int | None]:
    """What a body `{kind, name, quantity?}` asks for. Raises RefusedError, VerificationError for a body that is none."""
    fields = await _fields(request)
    kind, name = fields.pop("kind", None), fields.pop("name", None)
    if not isinstance(kind, str) or not isinstance(name, str):
        raise RefusedError("the body is not {kind, name, quantity?}")
    try:
        return sold_id(kind, name), _quantity(fields)
    except ValueError as error:
        raise RefusedError(str(error)) from error


async def read_quantity(request: Request) -> int | None:
    """What a body `{quantity?}` asks for; none is none. Raises as `read_wish`."""
    return _quantity(await _fields(request))


def dataset(request: Request) -> RecordId:
    """The dataset that the path names. Raises RefusedError (404) for what cannot be a name."""
    try:
        return RecordId(Kind.DATASET, request.path_params["name"])
    except ValueError as error:
        raise RefusedError(str(error), code="404") from error


def tier(request: Request) -> TierId:
    """The tier that the path names; as `dataset`."""
    try:
        return TierId(request.path_params["name"])
    except ValueError as error:
        raise RefusedError(str(error), code="404") from error


async def _fields(request: Request) -> dict[str, Json]:
    body = await read_body(request, _LIMIT)
    value = parse_json(body, "the body") if body else {}
    if not isinstance(value, Mapping):
        raise RefusedError("the body is not a JSON object")
    return dict(value)


def _quantity(fields: dict[str, Json]) -> int | None:
    """Of what is left of the fields, which is nothing else."""
    quantity = fields.pop("quantity", None)
    if fields:
        raise RefusedError(f"the body has a field that is not known here: {min(fields)[:40]!r}")
    if quantity is None:
        return None
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 1 <= quantity <= MOST:
        raise RefusedError(f"the quantity is not a whole number from 1 to {MOST}")
    return quantity
