"""Asking another host what it keeps: GASP (BRC-76) over HTTP (WIRE §4.1). What it answers is checked before it is believed.

That a transaction is valid is for the caller to check; that it is the one that was asked for is checked here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from reconciler.model.errors import UnreachableError, VerificationError
from reconciler.model.json import Json, JsonObject
from reconciler.wire.gasp import (
    LIST,
    NODE,
    TOPIC,
    ListAnswer,
    ListRequest,
    Node,
    NodeRequest,
    parse_list_answer,
    parse_node,
)
from reconciler.wire.http import Http, checked

_LIST_BYTES: Final = 4 * 1024 * 1024
_NODE_BYTES: Final = 16 * 1024 * 1024
_SECONDS: Final = 15.0


class GaspClient:
    """One host, at `url` (an origin). Raises RefusedError for its 4xx, UnreachableError where it fails or talks nonsense."""

    def __init__(self, http: Http, url: str) -> None:
        self._http = http
        self.url = url.rstrip("/")

    async def listed(self, topic: str, request: ListRequest) -> ListAnswer:
        """One page of a topic's unspent outputs; the last is shorter than the request's limit."""
        value = await self._ask(LIST, request.to_json(), {TOPIC: topic}, _LIST_BYTES)
        try:
            answer = parse_list_answer(value, most=request.limit)
        except VerificationError as error:
            raise self._nonsense(error) from error
        if any(0 < output.score < request.since for output in answer.outputs):  # 0: it came at no time
            raise self._nonsense(VerificationError("it lists what came before the score that was asked for"))
        return answer

    async def node(self, request: NodeRequest) -> Node:
        """The transaction of one output of a graph."""
        value = await self._ask(NODE, request.to_json(), {}, _NODE_BYTES)
        try:
            node = parse_node(value)
        except VerificationError as error:
            raise self._nonsense(error) from error
        if node.outpoint != request.outpoint:
            raise self._nonsense(VerificationError(f"it gives {node.outpoint} for {request.outpoint}"))
        return node

    async def _ask(self, path: str, body: JsonObject, headers: Mapping[str, str], limit: int) -> Json:
        content = json.dumps(body, separators=(",", ":")).encode()
        sent = {"content-type": "application/json", **headers}
        reply = await self._http.request(
            "POST", self.url + path, headers=sent, content=content, within=_SECONDS, limit=limit
        )
        return checked(reply).json()

    def _nonsense(self, error: VerificationError) -> UnreachableError:
        return UnreachableError(f"{self.url} answers nonsense: {error.message}", where=self.url)
