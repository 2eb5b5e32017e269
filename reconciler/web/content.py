"""Bytes that anybody may fetch, whole or in part: validators, one range, HEAD (RFC 9110 §§13, 14), in constant memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

_RANGE: Final = re.compile(r"bytes=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.IGNORECASE)

HARMLESS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
    "cross-origin-resource-policy": "cross-origin",
}
"""Strangers' content is data: it runs no script, and is no page of this origin."""


class _BeyondEnd(Exception):  # noqa: N818 - an outcome, not a fault
    """The range starts where there is nothing."""


def content(
    request: Request,
    read: Callable[[int, int], AsyncIterator[bytes]],
    *,
    size: int,
    etag: str,
    media_type: str,
    headers: Mapping[str, str],
) -> Response:
    """The answer to a GET or HEAD of `size` bytes, of which `read` gives those from a start up to a stop.

    `etag` is strong, with its quotes. Several ranges at once are answered with everything, as RFC 9110 §14.2 allows.
    """
    shown = {**headers, "etag": etag, "accept-ranges": "bytes"}
    if _matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=shown)
    try:
        part = _part(request.headers.get("range"), request.headers.get("if-range"), size, etag)
    except _BeyondEnd:
        return Response(status_code=416, headers={**shown, "content-range": f"bytes */{size}"})
    wanted = range(size) if part is None else part
    if part is not None:
        shown["content-range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    status = 200 if part is None else 206
    shown |= {"content-length": str(len(wanted)), "content-type": media_type}
    if request.method == "HEAD":
        return Response(status_code=status, headers=shown)
    return StreamingResponse(read(wanted.start, wanted.stop), status_code=status, headers=shown)


def _matches(stated: str | None, etag: str) -> bool:
    """Whether a list of validators has this one; weak comparison (RFC 9110 §8.8.3.2)."""
    if stated is None:
        return False
    return any(each.strip().removeprefix("W/") in {etag, "*"} for each in stated.split(","))


def _part(stated: str | None, only_if: str | None, size: int, etag: str) -> range | None:
    """The one range that is asked for; None where that is everything, or cannot be understood, or is of another version."""
    asked = _RANGE.fullmatch(stated or "")
    if asked is None or only_if not in {None, etag}:
        return None
    match asked.groups():
        case ("", ""):
            return None
        case ("", last):
            part = range(max(0, size - int(last)), size)
        case (first, ""):
            part = range(int(first), size)
        case (first, last) if int(first) <= int(last):
            part = range(int(first), min(int(last) + 1, size))
        case _:
            return None
    if not part:
        raise _BeyondEnd
    return part
