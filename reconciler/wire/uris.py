"""Where services are: origins as we advertise them, URIs as others may (BRC-101, WIRE §4.2)."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

_Address: TypeAlias = IPv4Address | IPv6Address

_BYTES: Final = 1024
_ORIGIN = re.compile(r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}

_OVER_HTTPS: Final = frozenset(
    {"https", "https+bsvauth", "https+bsvauth+smf", "https+bsvauth+scrypt-offchain", "https+rtt"}
)
_OVER_RADIO: Final = "js8c+bsvauth+smf:"
_DEGREES = re.compile(r"[+-]?\d{1,3}(\.\d{1,20})?")
_QUANTITY = re.compile(r"\d{1,20}(\.\d{1,20})?")


def is_local(host: str) -> bool:
    """Whether a host's name is of this machine: loopback, or the embedded world, where http is allowed (PROTOCOL §8)."""
    if host == "localhost" or host.endswith(".embedded"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def is_public_address(address: str) -> bool:
    """Whether an IP address is of the public internet; an address of IPv4 written as one of IPv6 is what it stands for."""
    return _is_public(ip_address(address.partition("%")[0]))


def reach_fault(host: str, *, toy: bool) -> str | None:
    """Why nobody elsewhere could, or should, follow a URL to this host, or None if they may. On toy networks all do.

    Where a name leads is not known here: the door looks at that (clients.http).
    """
    if toy:
        return None
    if is_local(host):
        return "is of this machine only"
    address = _address(host.partition("%")[0])
    return None if address is None or _is_public(address) else "is of a private network"


def _address(host: str) -> _Address | None:
    """The IP address that a host is named by, if it is."""
    if ":" not in host and not host[-1:].isdigit():  # a name: to be told so by an exception takes many times as long
        return None
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_public(address: _Address) -> bool:
    inner = address.ipv4_mapped or address.sixtofour if isinstance(address, IPv6Address) else None
    return (inner or address).is_global and not (inner or address).is_multicast


def origin_fault(url: str, *, plain_http: bool) -> str | None:
    """Why we must not advertise `url`, or None if we may.

    It is an https origin in its one spelling, for its text tells two gateways apart (PROTOCOL §8): lower case, no user, path,
    query, trailing slash or default port. `plain_http` is for toy networks, where it may be of this machine, and http then.
    """
    found = _ORIGIN.fullmatch(url)
    if len(url) > _BYTES or not found:
        return "is not an origin: scheme, host and port in lower case, and nothing else"
    scheme, host, port = found.groups()
    if port is not None and (int(port) > 0xFFFF or port == _DEFAULT_PORTS[scheme]):
        return "names a port that is out of range or the default one"
    return _place_fault(scheme, host.strip("[]"), plain_http=plain_http)


def advertisable_fault(uri: str, *, plain_http: bool) -> str | None:
    """Why an advertisement must not name `uri`, or None if it may: what the reference admits, less what no client could use."""
    if len(uri) > _BYTES or not uri.isascii() or not uri.isprintable() or " " in uri:
        return f"is not at most {_BYTES} characters of plain ASCII"
    if uri.startswith(_OVER_RADIO):
        return _radio_fault(uri)
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"is malformed: {error}"
    if not host or "@" in parts.netloc:
        return "must name a host, and no user"
    scheme = uri.partition("://")[0]
    if scheme != "wss" and (parts.path.removeprefix("/") or "?" in uri or "#" in uri):
        return "has a path, a query or a fragment"
    return _place_fault(scheme, host, plain_http=plain_http)


def _place_fault(scheme: str, host: str, *, plain_http: bool) -> str | None:
    fault = reach_fault(host, toy=plain_http)
    if fault:
        return fault
    if scheme in _OVER_HTTPS or scheme == "wss" or (scheme == "http" and is_local(host)):
        return None
    return "must be https, or of another scheme that can be advertised"


def _radio_fault(uri: str) -> str | None:
    """JS8 Call: a place, a frequency and a radius."""
    query = parse_qs(uri.partition("?")[2])
    first = {name: values[0] for name, values in query.items()}
    for name, most in (("lat", 90), ("long", 180)):
        value = first.get(name, "")
        if not _DEGREES.fullmatch(value) or abs(float(value)) > most:
            return f"has no {name} from -{most} to {most}"
    for name in ("freq", "radius"):
        quantity = _QUANTITY.search(first.get(name, ""))
        if quantity is None or not float(quantity.group()):
            return f"has no {name}"
    return None
