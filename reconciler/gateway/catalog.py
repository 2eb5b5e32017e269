"""GET /v1/catalog and /v1/catalog/{kind}/{name}: what is live, as JSON or JSON-LD."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.gateway.answers import catalog_json, record_json
from reconciler.gateway.croissant import record_croissant
from reconciler.gateway.dcat import catalog_dcat, record_dcat
from reconciler.gateway.live import Live, Shelf
from reconciler.gateway.negotiation import Form, form_of
from reconciler.gateway.query import find, parse_query
from reconciler.model.errors import RefusedError
from reconciler.model.ids import Kind, RecordId
from reconciler.model.json import JsonObject

_HEADERS: Final = {"cache-control": "no-cache", "vary": "accept"}


class CatalogRoutes:
    """Every request sees what is live at that moment."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def routes(self) -> list[Route]:
        """What stands under /v1."""
        return [Route("/catalog", self.catalog), Route("/catalog/{kind}/{name:path}", self.record)]

    async def catalog(self, request: Request) -> Response:
        """A page of it."""
        form = _form(request)
        asked = [(name, value) for name, value in request.query_params.multi_items() if name != "format"]
        live = await self._shelf.required()
        page = find(live, parse_query(asked))
        documents = await self._shelf.documents(page.entries)
        match form:
            case Form.JSON:
                return _shown(catalog_json(page, documents), form)
            case Form.DCAT:
                shown = _shown(catalog_dcat(live, page.entries, documents, _origin(live, request)), form)
                if page.next is not None:
                    kept = [each for each in asked if each[0] != "cursor"]
                    following = urlencode([*kept, ("cursor", page.next), ("format", form.value)])
                    shown.headers["link"] = f'</v1/catalog?{following}>; rel="next"'
                return shown
            case Form.CROISSANT:
                raise RefusedError("croissant describes one dataset; the catalog is shown as json or dcat", code="406")

    async def record(self, request: Request) -> Response:
        """One record."""
        form = _form(request)
        live = await self._shelf.required()
        record = _record_id(request.path_params["kind"], request.path_params["name"])
        entry = None if record is None else live.by_id.get(record)
        if entry is None:
            raise RefusedError("nothing of this kind and name is live here", code="404")
        document = (await self._shelf.documents([entry]))[entry.id]
        match form:
            case Form.JSON:
                return _shown(record_json(live, entry, document), form)
            case Form.DCAT:
                return _shown(record_dcat(live, entry, document, _origin(live, request)), form)
            case Form.CROISSANT:
                if document.content is None:
                    raise RefusedError("croissant describes what has content, and this has none", code="406")
                return _shown(record_croissant(live, entry, document.content, _origin(live, request)), form)


def _form(request: Request) -> Form:
    return form_of(request.query_params.getlist("format"), request.headers.get("accept", ""))


def _shown(value: JsonObject, form: Form) -> Response:
    return JSONResponse(value, headers=_HEADERS, media_type=form.media_type)


def _origin(live: Live, request: Request) -> str:
    """Where this gateway is, as its root says, else as it was asked."""
    return live.root.keys.gateway_url or f"{request.url.scheme}://{request.url.netloc}"


def _record_id(kind: str, name: str) -> RecordId | None:
    try:
        return RecordId(Kind(kind), name)
    except ValueError:  # no record can have this kind and name: there is nothing here, as under a free name
        return None
