"""What the authentication layer answers where it refuses, in the shape of the reference's (WIRE §4.4)."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reconciler.model.errors import RefusedError, TransientError
from reconciler.web.bodies import SLOW


class UnauthorizedError(RefusedError):
    """Whoever asks has not said who they are, or not proven it. `code` is the reference's."""


async def unauthorized(_: Request, error: Exception) -> Response:
    """The 401 that an UnauthorizedError becomes; a handler of Starlette's."""
    code = error.code if isinstance(error, RefusedError) else "UNAUTHORIZED"
    return failure(401, code, str(error))


def refusal(error: RefusedError | TransientError) -> Response:
    """What an error of this layer becomes."""
    match error:
        case UnauthorizedError():
            return failure(401, error.code, str(error))
        case RefusedError() if error.code == SLOW:
            return failure(408, SLOW, str(error))
        case RefusedError():
            return failure(413, "ERR_BODY_TOO_LONG", str(error))
        case _:
            return failure(503, "ERR_UNAVAILABLE", str(error), headers={"retry-after": "1"})


def failure(status: int, code: str, text: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """An error that has nobody's signature; one of the reference's clients reads `message`, others `description`."""
    body = {"status": "error", "code": code, "description": text, "message": text}
    return JSONResponse(body, status_code=status, headers=headers)
