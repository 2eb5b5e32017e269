"""Bytes that anybody may fetch, whole or in part: validators, one range, HEAD (RFC 9110 §§13, 14), in constant memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
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

_NOTHING: Final = range(0)


class _BeyondEnd(Exception):  # noqa: N818 - an outcome, not a fault
    """The range starts where there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What the answer to a GET or HEAD is, but for the bytes."""

    status: int
    """200, 206, 304 or 416."""
    part: range
    """Which bytes follow; none but for a GET that is answered 200 or 206."""
    headers: Mapping[str, str]


def selected(request: Request, *, size: int, etag: str, media_type: str, headers: Mapping[str, str]) -> Selected:
    """What a request gets of `size` bytes.

    `etag` is strong, with its quotes. Several ranges at once are answered with everything, as RFC 9110 §14.2 allows.
    """
    shown = {**headers, "etag": etag, "accept-ranges": "bytes"}
    if _matches(request.headers.get("if-none-match"), etag):
        return Selected(status=304, part=_NOTHING, headers=shown)
    try:
        part = _part(request.headers.get("range"), request.headers.get("if-range"), size, etag)
    except _BeyondEnd:
        return Selected(status=416, part=_NOTHING, headers={**shown, "content-range": f"bytes */{size}"})
    wanted = range(size) if part is None else part
    if part is not None:
        shown["content-range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    shown |= {"content-length": str(len(wanted)), "content-type": media_type}
    follows = _NOTHING if request.method == "HEAD" else wanted
    return Selected(status=200 if part is None else 206, part=follows, headers=shown)


def content(
    request: Request,
    read: Callable[[int, int], AsyncIterator[bytes]],
    *,
    size: int,
    etag: str,
    media_type: str,
    headers: Mapping[str, str],
) -> Response:
    """The answer to a GET or HEAD of `size` bytes, of which `read` gives those from a start up to a stop; see `selected`."""
    found = selected(request, size=size, etag=etag, media_type=media_type, headers=headers)
    if not found.part:
        return Response(status_code=found.status, headers=found.headers)
    return StreamingResponse(
        read(found.part.start, found.part.stop), status_code=found.status, headers=dict(found.headers)
    )


def is_one_range(stated: str) -> bool:
    """Whether a Range header asks for one range of bytes, or is in another unit, which is nobody's business."""
    if not stated.lower().startswith("bytes"):
        return True
    asked = _RANGE.fullmatch(stated)
    if asked is None:
        return False
    first, last = asked.groups()
    return bool(first or last) and not (first and last and int(first) > int(last))


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
