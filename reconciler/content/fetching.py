"""Bytes that are pinned by their hash and lie elsewhere: `url` and `uhrp` sources (MANIFESTS §2), fetched into a cache."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from reconciler.content.racing import first_of
from reconciler.content.writing import appearing
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Digest
from reconciler.wire.http import Http, Reply, checked
from reconciler.wire.uhrp import digest_of, location_fault

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 5
_READ_SECONDS: Final = 30.0
"""Without a byte moving."""

Locate = Callable[[Digest], Awaitable[Sequence[str]]]
"""URLs at which bytes with this hash are said to lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Which bytes, and where they can be had: at `url` (https or s3), or wherever UHRP says (`uhrp`, their UHRP URL)."""

    sha256: Digest
    size: int
    url: str | None = None
    uhrp: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Fetches into `folder`, where files are named by their hash. `plain_http` allows this machine's http, on toy networks.

    A pin's own URL is the user's, and asked for by `http`; those that UHRP names are strangers', and asked for by `strangers`.
    """

    http: Http
    strangers: Http
    folder: Path
    locate: Locate
    plain_http: bool = False
    pause: Callable[[int], float] | None = None
    """Seconds, for so many bytes, after which the next place is asked beside one that is not done; None waits for each."""

    async def fetch(self, pin: Pin) -> Path:
        """Where the bytes lie now; they hash to what they should.

        Raises VerificationError, RefusedError or UnreachableError (the first place's) where no place gives them.
        """
        path = self.folder / pin.sha256
        if await asyncio.to_thread(_is_there, path, pin.sha256):
            return path
        places = await self._places(pin)
        if not places:
            raise UnreachableError(f"nobody says that they keep content with the hash {pin.sha256}", where=pin.uhrp)
        pause = None if self.pause is None else self.pause(pin.size)
        return await first_of([partial(self._fetch, url, pin, path) for url in places], pause=pause)

    async def _places(self, pin: Pin) -> tuple[str, ...]:
        named = () if pin.url is None else (https_url(pin.url),)
        if pin.uhrp is None:
            return named
        try:
            wanted = digest_of(pin.uhrp)
        except ValueError as error:
            raise VerificationError(str(error), where=pin.uhrp) from error
        if wanted != pin.sha256:
            raise VerificationError(f"{pin.uhrp} names other content than {pin.sha256}", where=pin.uhrp)
        return (*named, *await self.locate(pin.sha256))

    async def _fetch(self, url: str, pin: Pin, path: Path) -> Path:
        with appearing(path) as file:
            http = self.http if pin.url is not None and url == https_url(pin.url) else self.strangers
            chunks = download(http, url, sha256=pin.sha256, size=pin.size, plain_http=self.plain_http)
            async with aclosing(chunks):
                async for chunk in chunks:
                    await asyncio.to_thread(file.write, chunk)
        return path


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """Plaintext that is fetched when it is first needed, once. Satisfies content.sources.Plaintext."""

    pin: Pin
    fetcher: Fetcher
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, compare=False, repr=False)
    _paths: list[Path] = field(default_factory=list, compare=False, repr=False)

    async def files(self) -> Sequence[Path]:
        """See Plaintext. Raises as Fetcher.fetch does."""
        async with self._lock:
            if not self._paths:
                self._paths.append(await self.fetcher.fetch(self.pin))
            return tuple(self._paths)


async def download(
    http: Http, url: str, *, sha256: Digest, size: int, plain_http: bool = False
) -> AsyncGenerator[bytes, None]:
    """The bytes at a URL, chunk by chunk; only when it ends without an error are they the right ones.

    Follows redirects, but never out of https. Raises VerificationError for other bytes, RefusedError and UnreachableError.
    """
    digest = hashlib.sha256()
    async with aclosing(piece(http, url, size=size, start=0, plain_http=plain_http)) as chunks:
        async for chunk in chunks:
            digest.update(chunk)
            yield chunk
    if digest.hexdigest() != sha256:
        raise VerificationError(f"{url} gives other content than {sha256}", where=url)


async def piece(
    http: Http, url: str, *, size: int, start: int, plain_http: bool = False
) -> AsyncGenerator[bytes, None]:
    """The bytes from `start` on of what has so many at a URL: as many as it takes, of which nothing else is verified.

    Raises as `download` does, and UnreachableError where a host does not begin in the middle.
    """
    at, count = url, start
    headers = {"range": f"bytes={start}-"} if start else None
    for _ in range(_MOST_REDIRECTS + 1):
        _check_location(at, plain_http=plain_http)
        async with http.stream(at, headers=headers, within=_READ_SECONDS) as streamed:
            location = streamed.headers.get("location")
            if streamed.status in _REDIRECTS and location:
                at = urljoin(at, location)
                continue
            if streamed.status != (206 if start else 200):
                checked(Reply(at, streamed.status, streamed.headers, b""))
                raise UnreachableError(f"{at} answers HTTP {streamed.status} to a download", where=at)
            async for chunk in streamed.chunks():
                count += len(chunk)
                if count > size:
                    raise VerificationError(f"{at} gives more than {size} bytes", where=url)
                yield chunk
        if count != size:
            raise VerificationError(f"{at} gives other content than the {size} bytes that it should", where=url)
        return
    raise UnreachableError(f"{url} redirects more than {_MOST_REDIRECTS} times", where=url)


def https_url(url: str) -> str:
    """Where a `url` source is downloaded: of `s3://bucket/key` the bucket's public HTTPS address, of any other itself."""
    if not url.startswith("s3://"):
        return url
    parts = urlsplit(url)
    key = quote(parts.path.lstrip("/"))
    if "." in parts.netloc:  # no certificate covers a bucket's name with dots
        return f"https://s3.amazonaws.com/{parts.netloc}/{key}"
    return f"https://{parts.netloc}.s3.amazonaws.com/{key}"


def _check_location(url: str, *, plain_http: bool) -> None:
    fault = location_fault(url, plain_http=plain_http)
    if fault:
        raise RefusedError(f"content is not fetched from {url!r}, which {fault}", where=url)


def _is_there(path: Path, sha256: Digest) -> bool:
    """Whether the cache has it, whole: the cache is only a folder, and anybody may have written there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False
