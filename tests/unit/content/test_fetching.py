from __future__ import annotations

import asyncio
import hashlib

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from reconciler.clients.http import HttpClient
from reconciler.content.fetching import Fetcher, Pin, PinnedFile, download, https_url
from reconciler.model.errors import RefusedError, StateError, UnreachableError, VerificationError
from reconciler.model.ids import Digest
from reconciler.wire.uhrp import url_of

DATA = b"pinned bytes " * 10_000
SHA256 = Digest(hashlib.sha256(DATA).hexdigest())
ORIGIN = "https://data.example"
PIN = Pin(sha256=SHA256, size=len(DATA), url=f"{ORIGIN}/file")


class Site:
    """Answers as it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Response] = {"/file": Response(DATA)}
        self.asked: list[str] = []
        self.app = Starlette(routes=[Route("/{path:path}", self.answer)])

    async def answer(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        return self.answers.get(request.url.path, Response(status_code=404))


@pytest.fixture
def site():
    return Site()


@pytest.fixture
async def http(site):
    origins = (ORIGIN, "https://other.example", "http://toy.embedded", "https://bucket.s3.amazonaws.com")
    async with HttpClient(apps=dict.fromkeys(origins, site.app)) as http:
        yield http


@pytest.fixture
def places():
    """Where UHRP says that the bytes lie."""
    return []


@pytest.fixture
def fetcher(http, places, tmp_path):
    async def locate(content):
        assert content == SHA256
        return places

    return Fetcher(http=http, strangers=http, folder=tmp_path / "content", locate=locate)


def on_disk(fetcher) -> list[str]:
    return [path.name for path in fetcher.folder.iterdir()] if fetcher.folder.exists() else []


async def test_bytes_at_a_url_are_fetched_once(fetcher, site):
    path = await fetcher.fetch(PIN)
    assert path.read_bytes() == DATA
    assert await fetcher.fetch(PIN) == path
    assert site.asked == ["/file"]
    assert on_disk(fetcher) == [SHA256]


async def test_a_cache_that_somebody_wrote_to_is_not_believed(fetcher, site):
    path = await fetcher.fetch(PIN)
    path.write_bytes(DATA[::-1])
    assert (await fetcher.fetch(PIN)).read_bytes() == DATA
    assert len(site.asked) == 2


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (DATA[:-1], "other content"),
        (DATA[::-1], "other content"),
        (DATA + b"x", "more than"),
        (b"", "other content"),
    ],
)
async def test_other_bytes_are_not_kept(fetcher, site, answer, says):
    site.answers["/file"] = Response(answer)
    with pytest.raises(VerificationError, match=says):
        await fetcher.fetch(PIN)
    assert on_disk(fetcher) == []


async def test_an_error_of_the_site_is_told(fetcher, site):
    site.answers["/file"] = Response(status_code=403)
    with pytest.raises(RefusedError):
        await fetcher.fetch(PIN)
    site.answers["/file"] = Response(status_code=503)
    with pytest.raises(UnreachableError):
        await fetcher.fetch(PIN)
    site.answers["/file"] = Response(status_code=204)
    with pytest.raises(UnreachableError, match="HTTP 204"):
        await fetcher.fetch(PIN)


@pytest.mark.parametrize("to", ["/new", "https://other.example/new"])
async def test_redirects_within_https_are_followed(fetcher, site, to):
    site.answers |= {"/file": RedirectResponse(to), "/new": Response(DATA)}
    assert (await fetcher.fetch(PIN)).read_bytes() == DATA


@pytest.mark.parametrize(
    "to", ["http://data.example/new", "http://toy.embedded/new", "file://localhost/etc/passwd", "ftp://x/y"]
)
async def test_redirects_out_of_https_are_not(fetcher, site, to):
    site.answers |= {"/file": RedirectResponse(to), "/new": Response(DATA)}
    with pytest.raises(RefusedError, match="must be https"):
        await fetcher.fetch(PIN)
    assert site.asked == ["/file"]


async def test_redirects_end_somewhere(fetcher, site):
    site.answers["/file"] = RedirectResponse("/file")
    with pytest.raises(UnreachableError, match="redirects more than 5 times"):
        await fetcher.fetch(PIN)
    assert len(site.asked) == 6


async def test_plain_http_is_for_toy_networks(http):
    async def read(**more):
        chunks = download(http, "http://toy.embedded/file", sha256=SHA256, size=len(DATA), **more)
        return b"".join([chunk async for chunk in chunks])

    assert await read(plain_http=True) == DATA
    with pytest.raises(RefusedError, match="must be https"):
        await read()


async def test_content_named_by_uhrp_comes_from_the_first_place_that_has_it(fetcher, site, places):
    places += [f"{ORIGIN}/gone", f"{ORIGIN}/wrong", f"{ORIGIN}/file"]
    site.answers["/wrong"] = Response(b"wrong")
    path = await fetcher.fetch(Pin(sha256=SHA256, size=len(DATA), uhrp=f"uhrp://{url_of(SHA256)}"))
    assert path.read_bytes() == DATA
    assert site.asked == ["/gone", "/wrong", "/file"]


async def test_content_that_nobody_keeps_is_told(fetcher):
    with pytest.raises(UnreachableError, match="nobody says"):
        await fetcher.fetch(Pin(sha256=SHA256, size=len(DATA), uhrp=url_of(SHA256)))


@pytest.mark.parametrize("uhrp", ["nonsense", url_of(Digest("11" * 32))])
async def test_a_uhrp_url_of_something_else_is_told(fetcher, uhrp):
    with pytest.raises(VerificationError):
        await fetcher.fetch(Pin(sha256=SHA256, size=len(DATA), uhrp=uhrp))


async def test_a_pinned_file_is_fetched_when_it_is_needed_and_once(fetcher, site):
    pinned = PinnedFile(PIN, fetcher)
    assert site.asked == []
    paths = await asyncio.gather(*(pinned.files() for _ in range(3)))
    assert set(paths) == {(fetcher.folder / SHA256,)}
    assert site.asked == ["/file"]


async def test_a_folder_that_cannot_be_written_is_told(fetcher):
    fetcher.folder.parent.mkdir(exist_ok=True)
    fetcher.folder.write_text("in the way")
    with pytest.raises(StateError, match="cannot be written"):
        await fetcher.fetch(PIN)


@pytest.mark.parametrize(
    ("url", "at"),
    [
        ("https://data.example/a b", "https://data.example/a b"),
        ("s3://bucket/prices/a b.csv", "https://bucket.s3.amazonaws.com/prices/a%20b.csv"),
        ("s3://my.bucket/a.csv", "https://s3.amazonaws.com/my.bucket/a.csv"),
    ],
)
def test_an_s3_url_is_the_buckets_public_address(url, at):
    assert https_url(url) == at


async def test_a_public_bucket_is_read(fetcher):
    pin = Pin(sha256=SHA256, size=len(DATA), url="s3://bucket/file")
    assert (await fetcher.fetch(pin)).read_bytes() == DATA
