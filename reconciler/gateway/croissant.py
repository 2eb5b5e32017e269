"""A dataset as JSON-LD in the words of Croissant 1.0 (MLCommons), by which tools of machine learning load data.

The columns are those that the record's `dataSchema` names, where that is a JSON Schema of rows. Whatever such a tool loads has a
checksum, and what is sold has none that may be shown (gateway/dcat.py): so that is described and offered, but is no file of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

from reconciler.gateway.answers import price_of, text_of
from reconciler.gateway.dcat import CURRENCY, coins, content_url, record_url
from reconciler.gateway.live import Entry, Live
from reconciler.gateway.negotiation import CROISSANT_PROFILE
from reconciler.model.json import Json, JsonObject
from reconciler.wire.documents import PublishedContent

_CONTEXT: Final[JsonObject] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The standard's own, to the letter: its tools compare."""

_FILE: Final = "content"
_ROWS: Final = "rows"
_TYPES: Final = {
    "string": "sc:Text",
    "integer": "sc:Integer",
    "number": "sc:Float",
    "boolean": "sc:Boolean",
}
_FORMATS: Final = {"date": "sc:Date", "date-time": "sc:DateTime", "uri": "sc:URL"}
_TABLES: Final = frozenset({"text/csv", "text/tab-separated-values"})
_COLUMNS: Final = 1000


def record_croissant(live: Live, entry: Entry, content: PublishedContent, base: str) -> JsonObject:
    """A dataset that has content; `base` is the gateway's origin."""
    display = live.root.public.get("displayName")
    title = text_of(entry, "title") or entry.id.name
    price = price_of(entry)
    node: dict[str, Json] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "@id": record_url(entry.id, base),
        "conformsTo": CROISSANT_PROFILE,
        "name": title,
        "description": text_of(entry, "description") or title,
        "identifier": str(entry.id),
        "url": record_url(entry.id, base),
        "keywords": list(entry.tags),
        "creator": {"@type": "sc:Organization", "name": display if isinstance(display, str) else live.root.name},
        "encodingFormat": content.media_type.partition(";")[0],
        "size": f"{content.size} B",
        "isAccessibleForFree": content.key_commitment is None,
        "offers": {
            "@type": "sc:Offer",
            "price": coins(price["satoshis"]),
            "priceCurrency": CURRENCY,
            "url": record_url(entry.id, base),
        },
        "distribution": [],
    }
    node |= {name: text for name in ("license", "version") if (text := text_of(entry, name))}
    return node if content.key_commitment else node | _loadable(entry, content, base)


def _loadable(entry: Entry, content: PublishedContent, base: str) -> dict[str, Json]:
    fields = [*_fields(entry.public.get("dataSchema"), content.media_type.partition(";")[0])]
    rows: JsonObject = {"@type": "cr:RecordSet", "@id": _ROWS, "name": _ROWS, "field": fields}
    return {"distribution": [_file(entry, content, base)], **({"recordSet": [rows]} if fields else {})}


def _file(entry: Entry, content: PublishedContent, base: str) -> JsonObject:
    return {
        "@type": "cr:FileObject",
        "@id": _FILE,
        "name": entry.id.name.rpartition("/")[2],
        "contentUrl": content_url(entry.id, base),
        "contentSize": f"{content.size} B",
        "encodingFormat": content.media_type.partition(";")[0],
        "sha256": content.digest,
    }


def _fields(schema: Json, media_type: str) -> Iterator[JsonObject]:
    """The columns of a JSON Schema of rows, or of an array of them, as far as they are plain values."""
    if not isinstance(schema, Mapping):
        return
    rows = schema.get("items", schema) if schema.get("type") == "array" else schema
    properties = rows.get("properties") if isinstance(rows, Mapping) else None
    if not isinstance(properties, Mapping) or not (media_type in _TABLES or media_type == "application/json"):
        return
    for name, described in list(properties.items())[:_COLUMNS]:
        kind = _type(described)
        if kind is None or not isinstance(described, Mapping):
            continue
        column = f"{_ROWS}/{quote(name, safe='')}"
        about = described.get("description")
        yield {
            "@type": "cr:Field",
            "@id": column,
            "name": column,
            **({"description": about} if isinstance(about, str) else {}),
            "dataType": kind,
            "source": {"fileObject": {"@id": _FILE}, "extract": _extract(name, media_type)},
        }


def _extract(name: str, media_type: str) -> JsonObject:
    return {"column": name} if media_type in _TABLES else {"jsonPath": f"$[*][{_quoted(name)}]"}


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _type(described: Json) -> str | None:
    if not isinstance(described, Mapping):
        return None
    stated, form = described.get("type"), described.get("format")
    if stated == "string" and isinstance(form, str) and form in _FORMATS:
        return _FORMATS[form]
    return _TYPES.get(stated) if isinstance(stated, str) else None
