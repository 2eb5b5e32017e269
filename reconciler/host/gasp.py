"""What other hosts ask in order to catch up with this one: GASP's two routes (BRC-76, WIRE §4.1)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.model.errors import RefusedError
from reconciler.store.database import Database
from reconciler.store.host_transactions import HostTransactions
from reconciler.store.outputs import Outputs
from reconciler.store.transactions import Transactions
from reconciler.web.bodies import read_json
from reconciler.wire.gasp import (
    LIST,
    NODE,
    TOPIC,
    VERSION,
    GaspVersionError,
    ListAnswer,
    ListRequest,
    Node,
    NodeRequest,
    parse_list_request,
    parse_node_request,
)

_BODY: Final = 4096


class Gasp:
    """Tells what the topics of one host keep, and gives the transactions that they came in.

    Only what was submitted to the host is given: its database may hold the producer's own transactions as well.
    """

    def __init__(self, database: Database, topics: Collection[str]) -> None:
        self._database = database
        self._topics = topics

    def routes(self) -> list[Route]:
        """Both of them."""
        return [Route(LIST, self._list, methods=["POST"]), Route(NODE, self._node, methods=["POST"])]

    async def listed(self, topic: str, request: ListRequest) -> ListAnswer:
        """One page of a topic's unspent outputs. Raises RefusedError for a topic that is not kept here."""
        if topic not in self._topics:
            raise RefusedError(f"This server does not support this topic: {topic[:80]}")
        async with self._database.reading() as connection:
            return ListAnswer(await Outputs(connection).unspent(topic, request.since, request.limit), request.since)

    async def node(self, request: NodeRequest) -> Node:
        """A transaction, and its proof if there is one. Raises RefusedError where the host does not have it."""
        wanted = request.outpoint
        async with self._database.reading() as connection:
            tip = await Outputs(connection).is_admitted(request.graph)
            known = await HostTransactions(connection).get([wanted.txid])
            stored = await Transactions(connection).get(wanted.txid) if tip and known else None
        if stored is None or wanted.vout >= len(stored.transaction.outputs):
            raise RefusedError(f"no graph of this host has the output {wanted}")
        return Node(request.graph, stored.transaction, wanted.vout, stored.proof)

    async def _list(self, request: Request) -> Response:
        topic = request.headers.get(TOPIC)
        if not topic:
            raise RefusedError(f"the header {TOPIC} is missing")
        try:
            wanted = parse_list_request(await read_json(request, _BODY))
        except GaspVersionError as error:
            return _mismatch(error)
        return JSONResponse((await self.listed(topic, wanted)).to_json())

    async def _node(self, request: Request) -> Response:
        return JSONResponse((await self.node(parse_node_request(await read_json(request, _BODY)))).to_json())


def _mismatch(error: GaspVersionError) -> Response:
    body = {
        "status": "error",
        "code": "ERR_GASP_VERSION_MISMATCH",
        "message": str(error),
        "currentVersion": VERSION,
        "foreignVersion": error.foreign,
    }
    return JSONResponse(body, status_code=400)
