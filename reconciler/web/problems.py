"""Errors as problem documents (RFC 9457), for the routes that are ours alone; the host's keep the reference's shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reconciler.model.errors import OverlayError, RefusedError, TransientError, VerificationError
from reconciler.model.json import JsonObject
from reconciler.web.bodies import SLOW
from reconciler.web.failures import UnauthorizedError, unauthorized

MEDIA_TYPE: Final = "application/problem+json"

_STATUSES: Final = frozenset({"403", "404", "406", "409", "410", "413", "429"})
"""Codes of a RefusedError that are the answer's status; any other is 400."""


class ProblemError(RefusedError):
    """A refusal that programs are to tell from others of the same HTTP status, by its `code`; `more` goes into the problem."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        hint: str | None = None,
        retry_after: int | None = None,
        more: JsonObject | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status
        self.retry_after = retry_after
        self.more = more or {}


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, more: JsonObject | None = None
) -> Response:
    """A problem that needs no more than its HTTP status, or the `code` in `more`, to be told from others: about:blank."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse({**body, **(more or {})}, status_code=status, headers=headers, media_type=MEDIA_TYPE)


async def _refused(_: Request, error: Exception) -> Response:
    code = error.code if isinstance(error, RefusedError) else ""
    status = 408 if code == SLOW else int(code) if code in _STATUSES else 400
    return problem(status, _detail(error))


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    headers = None if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return problem(error.status, _detail(error), headers=headers, more={"code": error.code, **error.more})


def _detail(error: Exception) -> str:
    hint = error.hint if isinstance(error, OverlayError) else None
    return f"{error} ({hint})" if hint else str(error)


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
    ProblemError: _problem,
    RefusedError: _refused,
    VerificationError: _refused,
    TransientError: _unavailable,
    HTTPException: _unrouted,
    Exception: _broken,
}
"""Starlette's exception handlers: what a route may raise, and the problem that it becomes."""
