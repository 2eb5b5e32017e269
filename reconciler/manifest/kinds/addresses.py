"""URLs, mail addresses and public keys, in the one form in which each may be written."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, WithJsonSchema

from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.scalars import Shape, line
from reconciler.model.ids import identity_key

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_PORTS: Final = {"http": 80, "https": 443}


def origin(value: object) -> str:
    """Scheme, host and port, and nothing else: the text itself tells two gateways apart (PROTOCOL §8)."""
    content = line(value)
    parts = _split(content)
    canonical = f"{parts.scheme}://{_authority(parts)}"
    if content != canonical:
        raise fault(
            "wrong-value",
            "{field} is more than an origin",
            expected="scheme, host and port in lower case, without path, user, query or default port",
            hint=f"write {canonical}",
        )
    return content


def url(value: object) -> str:
    """A http or https URL without user or fragment."""
    content = line(value)
    parts = _split(content)
    if parts.username is not None or parts.fragment:
        raise fault("wrong-value", "{field} has a user or a fragment", expected="a plain http or https URL")
    return content


def url_of(*schemes: str, example: str) -> Callable[[object], str]:
    """A reader of URLs of other schemes, without user or fragment."""

    def read(value: object) -> str:
        content = line(value)
        scheme, _, rest = content.partition("://")
        if scheme not in schemes:
            raise fault("wrong-value", "{field} is not such a URL", expected=f"a URL such as {example}")
        parts = _split(f"https://{rest}")
        if parts.username is not None or parts.fragment:
            raise fault("wrong-value", "{field} has a user or a fragment", expected=f"a URL such as {example}")
        return content

    return read


def is_local(address: str) -> bool:
    """Whether a URL's host is this machine or of the embedded world, where http is allowed (PROTOCOL §8)."""
    host = urlsplit(address).hostname or ""
    if host == "localhost" or host.endswith(".embedded"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _split(content: str) -> SplitResult:
    problem = fault(
        "wrong-value", "{field} is not a URL", expected="a http or https URL, such as https://data.example.com"
    )
    try:
        parts = urlsplit(content)
        port = parts.port
    except ValueError:
        raise problem from None
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    if parts.scheme not in _PORTS or not host or not _HOST.fullmatch(host) or port == 0 or re.search(r"\s", content):
        raise problem
    return parts


def _authority(parts: SplitResult) -> str:
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return shown if parts.port in {None, _PORTS[parts.scheme]} else f"{shown}:{parts.port}"


def _email(value: object) -> str:
    content = line(value)
    if not _EMAIL.fullmatch(content):
        raise fault("wrong-value", "{field} is not a mail address", expected="an address such as data@example.com")
    return content


def _key(value: object) -> str:
    content = line(value)
    try:
        return identity_key(content)
    except ValueError:
        expected = "a compressed public key: 66 lower-case hex digits that begin with 02 or 03"
        raise fault("wrong-value", "{field} is not an identity key", expected=expected) from None


_URL_SCHEMA = {"type": "string", "format": "uri", "pattern": "^https?://"}
_KEY_EXAMPLE: Final = "02a1633cafcc01ebfb6d78e39f687a1f0995c62fc95f51ead10a02ee0be551b5dc"

Origin = Annotated[
    str, BeforeValidator(origin), WithJsonSchema(_URL_SCHEMA), Shape("origin", "https://data.example.com")
]
Url = Annotated[
    str, BeforeValidator(url), WithJsonSchema(_URL_SCHEMA), Shape("http or https URL", "https://example.com/hook")
]
Email = Annotated[
    str,
    BeforeValidator(_email),
    WithJsonSchema({"type": "string", "format": "email"}),
    Shape("mail address", "data@example.com"),
]
Key = Annotated[
    str,
    BeforeValidator(_key),
    WithJsonSchema({"type": "string", "pattern": "^0[23][0-9a-f]{64}$"}),
    Shape("identity key", _KEY_EXAMPLE),
]
