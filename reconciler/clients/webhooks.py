"""Posting to webhooks after the Standard Webhooks specification: id, timestamp, and a signature where there is a secret."""

from __future__ import annotations

import binascii
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from reconciler.model.errors import RefusedError, StateError, UnreachableError
from reconciler.wire.http import Http

_WITHIN: Final = 5.0
_LIMIT: Final = 64 * 1024


async def post(http: Http, url: str, body: bytes, *, message: str, at: int, secret: str | None) -> None:
    """Post a JSON body under a message id, signed at `at` (unix seconds). `secret` is base64, with or without `whsec_`.

    Errors name the origin of the URL alone, for its path may be a secret: UnreachableError, RefusedError, and StateError for a
    secret that is none.
    """
    headers = {"content-type": "application/json", "webhook-id": message, "webhook-timestamp": str(at)}
    if secret is not None:
        headers["webhook-signature"] = _signature(secret, message, at, body)
    origin = origin_of(url)
    try:
        reply = await http.request("POST", url, headers=headers, content=body, within=_WITHIN, limit=_LIMIT)
    except UnreachableError:
        raise UnreachableError("a webhook did not answer", where=origin) from None  # the cause names the whole URL
    if not reply.ok:
        raise RefusedError(f"a webhook answered HTTP {reply.status}", code=str(reply.status), where=origin)


def origin_of(url: str) -> str:
    """Scheme and host of a URL, which may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _signature(secret: str, message: str, at: int, body: bytes) -> str:
    try:
        return Webhook(secret).sign(message, datetime.fromtimestamp(at, UTC), body.decode())
    except (binascii.Error, ValueError, EmptyWebhookSecretError):
        raise StateError(
            "the secret of a webhook is none", hint="base64, such as `openssl rand -base64 24` makes"
        ) from None
