"""The catalog as JSON-LD in the words of DCAT 3 (W3C), with schema.org's for offers and SPDX's for checksums.

What is sold has no checksum here: a plain hash would let anyone guess small content (PROTOCOL §6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final
from urllib.parse import quote

from reconciler.gateway.answers import price_of, text_of
from reconciler.gateway.live import Entry, Live
from reconciler.model.ids import Kind, RecordId
from reconciler.model.json import Json, JsonObject
from reconciler.wire.documents import PublishedContent, RecordDocument

CURRENCY: Final = "BSV"
"""schema.org takes the ticker of what is no national currency."""
_COIN: Final = 100_000_000

CONTEXT: Final[JsonObject] = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcterms": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "https://schema.org/",
    "spdx": "http://spdx.org/rdf/terms#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_MEDIA_TYPES: Final = "https://www.iana.org/assignments/media-types/"


def catalog_dcat(
    live: Live, entries: Iterable[Entry], documents: Mapping[RecordId, RecordDocument], base: str
) -> JsonObject:
    """One page of the catalog; `base` is the gateway's origin."""
    nodes = [(entry, _resource(entry, documents[entry.id], base)) for entry in entries]
    return {
        "@context": CONTEXT,
        "@id": f"{base}/v1/catalog",
        "@type": "dcat:Catalog",
        "dcterms:title": _title_of(live.root.public, live.root.name),
        **_described(live.root.public.get("description")),
        "dcterms:publisher": _publisher(live, base),
        "dcat:dataset": [node for entry, node in nodes if entry.id.kind is Kind.DATASET],
        "dcat:resource": [node for entry, node in nodes if entry.id.kind is not Kind.DATASET],
    }


def record_dcat(live: Live, entry: Entry, document: RecordDocument, base: str) -> JsonObject:
    """One record: a dcat:Dataset, or, where it has no bytes, a dcat:Resource."""
    return {
        "@context": CONTEXT,
        **_resource(entry, document, base),
        "dcterms:publisher": _publisher(live, base),
        "dcterms:isPartOf": {"@id": f"{base}/v1/catalog", "@type": "dcat:Catalog"},
    }


def record_url(record: RecordId, base: str) -> str:
    """Where a record is described."""
    return f"{base}/v1/catalog/{record.kind}/{quote(record.name)}"


def content_url(record: RecordId, base: str) -> str:
    """Where a dataset's plaintext is to be had."""
    return f"{base}/v1/datasets/{quote(record.name)}/content"


def coins(satoshis: Json) -> str:
    """An amount as a decimal number of coins, exactly."""
    return format((Decimal(satoshis) if isinstance(satoshis, int) else Decimal()) / _COIN, "f")


def _resource(entry: Entry, document: RecordDocument, base: str) -> dict[str, Json]:
    node: dict[str, Json] = {
        "@id": record_url(entry.id, base),
        "@type": "dcat:Dataset" if entry.id.kind is Kind.DATASET else "dcat:Resource",
        "dcterms:identifier": str(entry.id),
        "dcterms:title": text_of(entry, "title") or text_of(entry, "displayName") or entry.id.name,
        **_described(text_of(entry, "description")),
        "dcat:keyword": list(entry.tags),
        "schema:offers": _offer(entry, base),
    }
    if licence := text_of(entry, "license"):
        node["dcterms:license"] = {"@type": "dcterms:LicenseDocument", "rdfs:label": licence}
    if version := text_of(entry, "version"):
        node["dcat:version"] = version
    if document.content is not None:
        node["dcat:distribution"] = _distribution(entry, document.content, base)
    return node


def _distribution(entry: Entry, content: PublishedContent, base: str) -> JsonObject:
    url = content_url(entry.id, base)
    node: dict[str, Json] = {
        "@id": f"{record_url(entry.id, base)}#content",
        "@type": "dcat:Distribution",
        "dcat:accessURL": {"@id": url},
        "dcat:byteSize": {"@value": str(content.size), "@type": "xsd:nonNegativeInteger"},
        "dcat:mediaType": {"@id": _MEDIA_TYPES + quote(content.media_type.partition(";")[0].strip())},
    }
    if content.key_commitment is None:
        node["dcat:downloadURL"] = {"@id": url}
        node["spdx:checksum"] = {
            "@type": "spdx:Checksum",
            "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256"},
            "spdx:checksumValue": {"@value": content.digest, "@type": "xsd:hexBinary"},
        }
    return node


def _offer(entry: Entry, base: str) -> JsonObject:
    """The price of one unit of what is counted; tiers and discounts are a quote's to say."""
    price = price_of(entry)
    amount = {"schema:price": coins(price["satoshis"]), "schema:priceCurrency": CURRENCY}
    return {
        "@type": "schema:Offer",
        **amount,
        "schema:url": {"@id": record_url(entry.id, base)},
        "schema:priceSpecification": {
            "@type": "schema:UnitPriceSpecification",
            **amount,
            "schema:unitText": price["model"],
        },
    }


def _publisher(live: Live, base: str) -> JsonObject:
    public, contact = live.root.public, live.root.public.get("contact")
    node: dict[str, Json] = {
        "@id": f"{base}/v1/producer",
        "@type": "foaf:Agent",
        "dcterms:identifier": live.root.producer,
        "foaf:name": _title_of(public, live.root.name),
    }
    if isinstance(contact, Mapping):
        email, url = contact.get("email"), contact.get("url")
        node |= {"foaf:mbox": {"@id": f"mailto:{quote(email, safe='@')}"}} if isinstance(email, str) else {}
        node |= {"foaf:homepage": {"@id": url}} if isinstance(url, str) else {}
    return node


def _title_of(public: JsonObject, name: str) -> str:
    title = public.get("displayName")
    return title if isinstance(title, str) else name


def _described(text: Json) -> dict[str, Json]:
    return {"dcterms:description": text} if isinstance(text, str) else {}
