"""The catalog in other people's words: DCAT and Croissant, by `format` or Accept, and never a plain hash of what is sold."""

from __future__ import annotations

import pytest

from reconciler.gateway.negotiation import Form, form_of
from reconciler.model.errors import RefusedError
from tests.delivering import SHA256

BASE = "http://localhost:3000"
ROWS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "time": {"type": "string", "format": "date-time"},
            "close": {"type": "number", "description": "At the end"},
            "a/b c": {"type": "string"},
            "nested": {"type": "object"},
            "odd": True,
        },
    },
}


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.JSON),
        ("*/*", Form.JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Form.JSON),
        ("application/json", Form.JSON),
        ("application/ld+json", Form.DCAT),
        ("application/ld+json, application/json", Form.DCAT),
        ("application/json, application/ld+json;q=0.5", Form.JSON),
        ("application/json;q=0.4, Application/LD+JSON ;q=0.5", Form.DCAT),
        ("application/ld+json;q=0", Form.JSON),
        ("application/ld+json;q=0.000", Form.JSON),
        ("application/ld+json;q=nan", Form.JSON),
        ("application/ld+json;q=0x1", Form.JSON),
        ("application/ld+json;q=1e9", Form.JSON),
        ('application/ld+json;profile="http://mlcommons.org/croissant/1.0"', Form.CROISSANT),
        ('application/ld+json;q=0.9;profile="http://mlcommons.org/croissant/1.1", */*;q=0.1', Form.CROISSANT),
        ('application/ld+json;profile="http://www.w3.org/ns/dcat#"', Form.DCAT),
        ("," * 5000, Form.JSON),
    ],
)
def test_the_form_is_the_one_that_is_wanted_most(accept, form):
    assert form_of([], accept) is form


def test_a_parameter_goes_before_the_header():
    assert form_of(["json"], "application/ld+json") is Form.JSON
    assert form_of(["croissant"], "") is Form.CROISSANT
    for formats in (["rdf"], ["dcat", "dcat"], [""]):
        with pytest.raises(RefusedError):
            form_of(formats, "")


@pytest.fixture
async def published(publisher, make):
    await publisher.publish(
        [
            make("dataset/prices/btc.csv", price=2500, license="commercial", version="1.2.0", dataSchema=ROWS),
            make("dataset/free", dataSchema=ROWS, tags=["a", "b"], description="Free for all", mediaType="text/csv"),
            make("stream/ticks", price=15, has_content=False),
        ],
        contact={"email": "data@acme.example", "url": "https://acme.example"},
    )


async def test_a_dataset_is_a_dcat_dataset_with_its_offer_and_distribution(published, get):
    found = await get("/v1/catalog/dataset/prices/btc.csv", format="dcat")
    assert found["@context"]["dcat"] == "http://www.w3.org/ns/dcat#"
    assert (found["@type"], found["@id"]) == ("dcat:Dataset", f"{BASE}/v1/catalog/dataset/prices/btc.csv")
    assert found["dcterms:license"] == {"@type": "dcterms:LicenseDocument", "rdfs:label": "commercial"}
    assert found["dcat:version"] == "1.2.0"
    offer = found["schema:offers"]
    assert (offer["schema:price"], offer["schema:priceCurrency"]) == ("0.000025", "BSV")
    assert offer["schema:priceSpecification"]["schema:unitText"] == "per-request"
    distribution = found["dcat:distribution"]
    assert distribution["dcat:accessURL"] == {"@id": f"{BASE}/v1/datasets/prices/btc.csv/content"}
    assert distribution["dcat:byteSize"] == {"@value": "1234", "@type": "xsd:nonNegativeInteger"}
    assert distribution["dcat:mediaType"] == {"@id": "https://www.iana.org/assignments/media-types/text/csv"}
    assert "dcat:downloadURL" not in distribution
    assert found["dcterms:publisher"]["foaf:mbox"] == {"@id": "mailto:data@acme.example"}


async def test_free_content_has_its_checksum(published, get, publisher):
    found = await get("/v1/catalog/dataset/free", format="dcat")
    checksum = found["dcat:distribution"]["spdx:checksum"]
    assert checksum["spdx:checksumValue"] == {
        "@value": publisher.digest("content of dataset/free"),
        "@type": "xsd:hexBinary",
    }
    assert found["dcat:keyword"] == ["a", "b"]
    assert found["schema:offers"]["schema:price"] == "0"


async def test_the_catalog_is_a_dcat_catalog_page_after_page(published, gateway):
    url, seen = "/v1/catalog?format=dcat&limit=1", []
    while url:
        reply = await gateway.get(url)
        assert reply.headers["content-type"] == 'application/ld+json; profile="http://www.w3.org/ns/dcat#"'
        assert reply.headers["vary"] == "accept"
        page = reply.json()
        assert page["@type"] == "dcat:Catalog"
        seen += [node["@type"] for node in (*page["dcat:dataset"], *page["dcat:resource"])]
        url = str(reply.links["next"]["url"]) if "next" in reply.links else None
    assert sorted(seen) == ["dcat:Dataset", "dcat:Dataset", "dcat:Resource"]


async def test_croissant_describes_free_content_so_that_it_can_be_loaded(published, get, publisher):
    found = await get("/v1/catalog/dataset/free", format="croissant")
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert found["isAccessibleForFree"] is True
    (file,) = found["distribution"]
    assert file["contentUrl"] == f"{BASE}/v1/datasets/free/content"
    assert file["sha256"] == publisher.digest("content of dataset/free")
    assert (file["encodingFormat"], file["contentSize"]) == ("text/csv", "1234 B")
    (rows,) = found["recordSet"]
    assert [(each["@id"], each["dataType"], each["source"]["extract"]) for each in rows["field"]] == [
        ("rows/time", "sc:DateTime", {"column": "time"}),
        ("rows/close", "sc:Float", {"column": "close"}),
        ("rows/a%2Fb%20c", "sc:Text", {"column": "a/b c"}),
    ]


async def test_croissant_offers_what_is_sold_and_gives_no_file_of_it(published, get):
    found = await get("/v1/catalog/dataset/prices/btc.csv", format="croissant")
    assert found["isAccessibleForFree"] is False
    assert found["distribution"] == []
    assert "recordSet" not in found
    assert (found["offers"]["price"], found["license"], found["version"]) == ("0.000025", "commercial", "1.2.0")


@pytest.mark.parametrize(
    "schema", [None, {}, {"type": "array"}, {"properties": 7}, {"items": []}, {"properties": {"a": 1}}]
)
async def test_a_schema_that_names_no_columns_gives_none(publisher, make, get, schema):
    public = {} if schema is None else {"dataSchema": schema}
    await publisher.publish([make("dataset/free", **public)])
    assert "recordSet" not in await get("/v1/catalog/dataset/free", format="croissant")


async def test_json_rows_are_named_by_path(publisher, make, get):
    from reconciler.gateway.croissant import _fields

    (field,) = _fields({"properties": {"it's": {"type": "integer"}}}, "application/json")
    assert field["source"]["extract"] == {"jsonPath": r"$[*]['it\'s']"}
    assert [*_fields({"properties": {"a": {"type": "integer"}}}, "image/png")] == []


async def test_what_has_no_content_is_no_croissant(published, gateway):
    assert (await gateway.get("/v1/catalog/stream/ticks?format=croissant")).status_code == 406
    assert (await gateway.get("/v1/catalog/stream/ticks?format=dcat")).status_code == 200
    assert (await gateway.get("/v1/catalog?format=croissant")).status_code == 406


async def test_our_json_says_that_there_are_others(published, gateway):
    reply = await gateway.get("/v1/catalog")
    assert (reply.headers["content-type"], reply.headers["vary"]) == ("application/json", "accept")
    reply = await gateway.get("/v1/catalog/dataset/free", headers={"accept": "application/ld+json"})
    assert reply.json()["@type"] == "dcat:Dataset"


async def test_nothing_that_is_public_tells_the_plain_hash_of_what_is_sold(published, gateway, publisher, secret):
    """Whoever has a guess of what is in a small file could check it by the hash."""
    urls = ["/", "/v1/catalog", "/v1/catalog?format=dcat", "/v1/producer"]
    record = "/v1/catalog/dataset/prices/btc.csv"
    urls += [record, f"{record}?format=dcat", f"{record}?format=croissant", "/v1/datasets/prices/btc.csv/content"]
    urls.append(f"/v1/documents/{(await gateway.get(record)).json()['documentHash']}")
    for url in urls:
        for method in ("GET", "HEAD"):
            reply = await gateway.request(method, url)
            shown = reply.text + str(reply.headers)
            for hidden in (SHA256, publisher.digest(secret), secret):
                assert hidden not in shown, (method, url)
