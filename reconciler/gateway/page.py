"""The catalog as people see it: one page without scripts and without anything from elsewhere.

Everything that comes from a manifest is escaped where it is put in; only `_Markup` goes in as it is.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from typing import Final
from urllib.parse import quote, urlencode

from reconciler.gateway.answers import price_of, text_of
from reconciler.gateway.live import Entry, Live
from reconciler.gateway.query import CatalogQuery, Page
from reconciler.model.ids import IdentityKey, Kind, RecordId
from reconciler.model.json import Json
from reconciler.wire.documents import RecordDocument

_STYLE: Final = (files("reconciler.gateway") / "page.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing is loaded or run but the page's own style."""

_KINDS: Final = {"": "Everything", Kind.DATASET: "Datasets", Kind.STREAM: "Streams", Kind.ADVERTISEMENT: "Services"}
_LINKABLE: Final = ("https://", "http://")
_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")


class _Markup(str):
    """HTML that is made of escaped parts."""

    __slots__ = ()


def catalog_page(live: Live, query: CatalogQuery, page: Page, documents: Mapping[RecordId, RecordDocument]) -> str:
    """The producer, a search form, one page of cards, and what proves it."""
    name = str(live.root.public.get("displayName") or live.root.name)
    cards = _join(_card(entry, documents[entry.id]) for entry in page.entries)
    listing = _html('<ul class="cards">{}</ul>', cards) if page.entries else _nothing(query)
    more = _html('<a class="more" rel="next" href="{}">More →</a>', _link(query, page.next)) if page.next else ""
    return _document(
        name, _header(live, name), _html("{}{}{}{}", _form(query), _count(live, query), listing, more), _proof(live)
    )


def empty_page(identity: IdentityKey) -> str:
    """The page of a producer that has published nothing yet."""
    header = _html('<h1>Nothing here yet</h1><p class="lead">This producer has not published anything.</p>')
    main = _html('<p class="none">Run <code>overlay apply</code>, then reload this page.</p>')
    return _document("Nothing here yet", header, main, _facts({"Identity key": identity}))


def _document(title: str, header: str, main: str, footer: str) -> str:
    return _html(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>{}</title><style>{}</style></head>\n"
        "<body><header>{}</header>\n<main>{}</main>\n<footer>{}</footer></body></html>\n",
        title,
        _Markup(_STYLE),
        header,
        main,
        footer,
    )


def _header(live: Live, name: str) -> _Markup:
    public = live.root.public
    contact = public.get("contact")
    regions = public.get("regions")
    facts = [
        *_contact(contact if isinstance(contact, Mapping) else {}),
        *([_html("{}", ", ".join(map(str, regions)))] if isinstance(regions, list) and regions else []),
        _html('generation <a href="/v1/producer">{}</a>', live.root.generation),
    ]
    lead = public.get("description")
    return _html(
        '<h1>{}</h1>{}<ul class="facts">{}</ul>',
        name,
        _html('<p class="lead">{}</p>', lead) if lead else "",
        _join(_html("<li>{}</li>", fact) for fact in facts),
    )


def _contact(contact: Mapping[str, Json]) -> list[_Markup]:
    email, url = contact.get("email"), contact.get("url")
    links = []
    if isinstance(email, str):
        links.append(_html('<a href="mailto:{}">{}</a>', quote(email, safe="@"), email))
    if isinstance(url, str) and url.startswith(_LINKABLE):
        links.append(_html('<a href="{}" rel="noopener noreferrer">{}</a>', url, url.split("://", 1)[1]))
    return links


def _form(query: CatalogQuery) -> _Markup:
    options = _join(
        _html(
            '<option value="{}"{}>{}</option>', value, _html(" selected") if value == (query.kind or "") else "", word
        )
        for value, word in _KINDS.items()
    )
    tag = _html('<input type="hidden" name="tag" value="{}">', query.tag) if query.tag else ""
    return _html(
        '<form role="search" action="/"><input type="search" name="q" value="{}" placeholder="Search the catalog" '
        'aria-label="Search the catalog"><select name="kind" aria-label="Kind">{}</select>{}<button>Search</button></form>',
        query.text or "",
        options,
        tag,
    )


def _count(live: Live, query: CatalogQuery) -> _Markup:
    total = len(live.entries)
    records = f"{total:,} record{'' if total == 1 else 's'}"
    if query == CatalogQuery(limit=query.limit):
        return _html('<p class="count">{}</p>', records)
    tagged = _html(" tagged <strong>{}</strong>", query.tag) if query.tag else ""
    return _html('<p class="count">From {}{} · <a href="/">show everything</a></p>', records, tagged)


def _nothing(query: CatalogQuery) -> _Markup:
    searched = _html(" for <strong>{}</strong>", query.text) if query.text else ""
    return _html('<p class="none">Nothing found{}.</p>', searched)


def _card(entry: Entry, document: RecordDocument) -> _Markup:
    description = text_of(entry, "description")
    tags = _join(_html('<li><a href="/?{}">{}</a></li>', urlencode({"tag": tag}), tag) for tag in entry.tags)
    return _html(
        '<li class="card"><h2><a href="/v1/catalog/{}">{}</a></h2><p class="name">{}</p>{}{}<p class="meta">{}</p></li>\n',
        quote(str(entry.id)),
        text_of(entry, "title") or entry.id.name,
        str(entry.id),
        _html('<p class="text">{}</p>', description) if description else "",
        _html('<ul class="tags">{}</ul>', tags),
        _join(_html("<span{}>{}</span>", *each) for each in _meta(entry, document)),
    )


def _meta(entry: Entry, document: RecordDocument) -> list[tuple[str, str]]:
    facts = [(_html(' class="price"'), _price(entry)), *(("", fact) for fact in _content(document))]
    licence = text_of(entry, "license")
    return [*facts, ("", licence)] if licence else facts


def _price(entry: Entry) -> str:
    price = price_of(entry)
    amount = price["satoshis"]
    return "free" if not amount else f"{amount:,} sat {str(price['model']).replace('-', ' ')}"


def _content(document: RecordDocument) -> tuple[str, ...]:
    content = document.content
    return () if content is None else (_size(content.size), content.media_type)


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == _UNITS[0] else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} {_UNITS[-1]}"


def _proof(live: Live) -> _Markup:
    return _facts(
        {
            "Identity key": live.root.producer,
            "Root": str(live.outpoint),
            "State root": f"{live.root.state_root} over {live.root.leaf_count:,} records",
            "For programs": "/v1/catalog",
        }
    )


def _facts(facts: Mapping[str, str]) -> _Markup:
    return _html("<dl>{}</dl>", _join(_html("<dt>{}</dt><dd>{}</dd>", name, _value(it)) for name, it in facts.items()))


def _value(text: str) -> str:
    return _html('<a href="{}">{}</a>', text, text) if text.startswith("/") else text


def _link(query: CatalogQuery, cursor: str | None) -> str:
    asked = {"q": query.text, "kind": query.kind, "tag": query.tag, "cursor": cursor}
    return "/?" + urlencode({name: value for name, value in asked.items() if value})


def _html(template: str, *parts: object) -> _Markup:
    """Fill `{}` in a literal of this module; whatever is not markup yet is escaped, quotes as well."""
    return _Markup(template.format(*(part if isinstance(part, _Markup) else escape(str(part)) for part in parts)))


def _join(parts: Iterable[_Markup]) -> _Markup:
    return _Markup("".join(parts))
