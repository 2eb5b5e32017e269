"""Errors as problem documents (RFC 9457), for the routes that are ours alone; the host's keep the reference's shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reconciler.model.errors import OverlayError, RefusedError, TransientError, VerificationError
from reconciler.web.failures import UnauthorizedError, unauthorized

MEDIA_TYPE: Final = "application/problem+json"

_STATUSES: Final = frozenset({"403", "404", "406", "409", "410", "413", "429"})
"""Codes of a RefusedError that are the answer's status; any other is 400."""


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """A problem that needs no more than its HTTP status to be told from others: the type is about:blank."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


async def _refused(_: Request, error: Exception) -> Response:
    code = error.code if isinstance(error, RefusedError) else ""
    hint = error.hint if isinstance(error, OverlayError) else None
    return problem(int(code) if code in _STATUSES else 400, f"{error} ({hint})" if hint else str(error))


async def _unavailable(_: Request, error: Exception) -> Response:
    return problem(503, str(error), headers={"retry-after": "1"})


async def _unrouted(_: Request, error: Exception) -> Response:
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (404, None)
    detail = "the method is not allowed here" if status == 405 else "there is nothing here"
    return problem(status, detail, headers=headers)


async def _broken(_: Request, __: Exception) -> Response:
    return problem(500, "this server failed; its log says why")  # the server raises the error again, and logs it


HANDLERS: Final[Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]]] = {
    UnauthorizedError: unauthorized,
    RefusedError: _refused,
    VerificationError: _refused,
    TransientError: _unavailable,
    HTTPException: _unrouted,
    Exception: _broken,
}
"""Starlette's exception handlers: what a route may raise, and the problem that it becomes."""
