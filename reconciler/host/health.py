"""What a host says of itself to whoever watches it: /health and its two halves, in the reference's words (WIRE §4.1)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.host.engine import Engine
from reconciler.model.errors import StateError, UnreachableError
from reconciler.model.ids import Digest
from reconciler.store.database import Database
from reconciler.store.outputs import Outputs

_NOTHING: Final = Digest("00" * 32)


class Health:
    """A host lives as long as it answers, and is ready while its database does."""

    def __init__(self, database: Database, engine: Engine, *, name: str, network: str | None) -> None:
        self._database = database
        self._engine = engine
        self._name = name
        self._network = network

    def routes(self) -> list[Route]:
        """Under /health."""
        return [
            Route("/health/live", self.live),
            *(Route(path, self.ready) for path in ("/health", "/health/ready")),
        ]

    async def live(self, _: Request) -> Response:
        """The process answers; nothing else is asked."""
        return JSONResponse({"status": "ok", "live": True, "ready": True, "service": self._service()})

    async def ready(self, _: Request) -> Response:
        """503 where the database cannot be read."""
        ready = await self._reads()
        body = {"status": "ok" if ready else "error", "live": True, "ready": ready, "service": self._service()}
        return JSONResponse(body, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _reads(self) -> bool:
        try:
            async with self._database.reading() as connection:
                await Outputs(connection).needed(_NOTHING)  # any question does
        except (UnreachableError, StateError):
            return False
        return True

    def _service(self) -> dict[str, str | int]:
        network = {} if self._network is None else {"network": self._network}
        return {
            "name": self._name,
            **network,
            "topicManagerCount": len(self._engine.topics),
            "lookupServiceCount": len(self._engine.lookups),
        }
