"""Whether a gateway answers, and is who the producer's root says that it is (BRC-103)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.consumer.discovery import GatewayState, Standing
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import IdentityKey
from reconciler.wire.conversation import Signer
from reconciler.wire.http import Http

_PATIENCE: Final = 5.0


class Greeter:
    """Satisfies consumer.discovery.Greet. `keys` may be made for the occasion: nobody needs to know who looks around."""

    def __init__(self, http: Http, keys: Signer, *, clock: Callable[[], float]) -> None:
        self._http = http
        self._keys = keys
        self._clock = clock

    async def __call__(self, url: str, gateway: IdentityKey) -> GatewayState:
        """Shake hands, and ask one thing."""
        door = AuthenticatedHttp(self._http, self._keys, servers={url: gateway})
        begun = self._clock()
        try:
            reply = await door.request("GET", f"{url}/v1/whoami", within=_PATIENCE)
        except UnreachableError as error:
            return GatewayState(Standing.CLOSED, error.message)
        except RefusedError as error:
            return GatewayState(Standing.CLOSED, error.message)
        except VerificationError as error:
            return GatewayState(Standing.IMPOSTOR, error.message)
        seconds = self._clock() - begun
        if not reply.ok:
            return GatewayState(Standing.CLOSED, f"it answers {reply.status}", seconds)
        return GatewayState(Standing.OPEN, seconds=seconds)
