"""The catalog as people see it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

ATTACK = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class Reader(HTMLParser):
    """Every tag with its attributes, and that what is opened is closed."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


async def test_the_page_shows_producer_and_records(gateway, publisher, make):
    await publisher.publish(
        [make("dataset/a/b", description="Numbers", tags=["x y"], license="CC0-1.0"), make("dataset/sold", price=2500)],
        description="Tables",
        contact={"email": "data@acme.example", "url": "https://acme.example/"},
        regions=["EU", "US"],
    )
    reply = await gateway.get("/")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    text = reply.text
    for shown in ("Acme &amp; Sons", "Tables", "EU, US", "About dataset/a/b", "Numbers", "CC0-1.0", "free"):
        assert shown in text
    assert "2,500 sat per request" in text
    assert "1.23 kB" in text
    links = [attributes["href"] for tag, attributes in Reader(text).tags if tag == "a"]
    for link in ("/v1/catalog/dataset/a/b", "/?tag=x+y", "mailto:data@acme.example", "https://acme.example/"):
        assert link in links


async def test_nothing_runs_and_nothing_is_loaded_from_anywhere(gateway, publisher, make):
    await publisher.publish([make("dataset/a")])
    reply = await gateway.get("/")
    policy = dict(part.strip().split(" ", 1) for part in reply.headers["content-security-policy"].split(";"))
    [style] = re.findall(r"<style>(.*?)</style>", reply.text, re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == f"'sha256-{allowed}'"
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in Reader(reply.text).tags}
    assert "url(" not in style
    assert "@import" not in style


async def test_what_a_manifest_says_stays_text(gateway, publisher, make):
    hostile = make("dataset/a", title=ATTACK, description=ATTACK, tags=[ATTACK], license=ATTACK)
    contact = {"email": f"a@b.example{ATTACK}", "url": "javascript:alert(1)"}
    await publisher.publish([hostile], displayName=ATTACK, description=ATTACK, regions=[ATTACK], contact=contact)
    for query in ("", "?q=%22%3E%3Cscript%3E", "?tag=%22%3E%3Cscript%3E"):
        text = (await gateway.get(f"/{query}")).text
        tags = Reader(text).tags
        assert not {"script", "img"} & {tag for tag, _ in tags}
        assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
        assert not any((attributes.get("href") or "").startswith("javascript:") for _, attributes in tags)


async def test_searching_works_without_scripts_and_keeps_what_was_asked(gateway, publisher, make):
    await publisher.publish([make("dataset/a", tags=["t"]), make("stream/b", tags=["t"], has_content=False)])
    text = (await gateway.get("/", params={"q": "about", "kind": "stream", "tag": "t"})).text
    tags = Reader(text).tags
    fields = {attributes["name"]: attributes["value"] for tag, attributes in tags if tag == "input"}
    assert fields == {"q": "about", "tag": "t"}
    assert [attributes["value"] for tag, attributes in tags if tag == "option" and "selected" in attributes] == [
        "stream"
    ]
    assert "About stream/b" in text
    assert "About dataset/a" not in text
    assert "Nothing found for <strong>nonsense</strong>" in (await gateway.get("/?q=nonsense")).text


async def test_the_next_page_is_a_link(gateway, publisher, make):
    await publisher.publish([make(f"dataset/t{number:02}") for number in range(60)])
    text = (await gateway.get("/", params={"q": "about"})).text
    [more] = [attributes["href"] for tag, attributes in Reader(text).tags if attributes.get("rel") == "next"]
    assert "About dataset/t50" not in text
    rest = (await gateway.get(more)).text
    assert "About dataset/t50" in rest
    assert 'rel="next"' not in rest


@pytest.mark.parametrize("records", [0, 1])
async def test_an_empty_catalog_is_a_page_too(gateway, publisher, make, records):
    if records == 0:
        assert "Nothing here yet" in (await gateway.get("/")).text
    await publisher.publish([])
    text = (await gateway.get("/")).text
    assert "0 records" in text
    Reader(text)
