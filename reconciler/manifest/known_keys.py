"""Identity keys whose secret everybody knows: 1, 2, 3 and so on times the generator of secp256k1.

Examples and tests are full of them. Money that is sent to one is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from reconciler.manifest.documents import Document
from reconciler.manifest.kinds import ConsumerPolicy, Producer
from reconciler.manifest.tree import Path
from reconciler.model.diagnostics import Diagnostic

_COUNT: Final = 1000
_P: Final = 2**256 - 2**32 - 977
_G: Final = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


@cache
def known_points() -> frozenset[str]:
    """The x coordinates, in hex, of the first multiples of the generator; a point and its negative have the same."""
    doubled = _sum(_G, _G, 3 * _G[0] * _G[0] * pow(2 * _G[1], -1, _P))
    points = [_G, doubled]
    while len(points) < _COUNT:
        last = points[-1]
        points.append(_sum(last, _G, (last[1] - _G[1]) * pow(last[0] - _G[0], -1, _P)))
    return frozenset(f"{x:064x}" for x, _ in points)


def check_keys(document: Document) -> Iterator[Diagnostic]:
    """Keys of a document that must not be trusted with anything."""
    for path, key in _keys(document):
        if key[2:] in known_points():
            summary = "everybody knows the secret of this key"
            yield document.fault(path, "known-key", summary, found=key, expected="a key that only its owner knows")


def _keys(document: Document) -> Iterator[tuple[Path, str]]:
    match document.manifest:
        case Producer(spec=spec):
            if spec.gateway and spec.gateway.identity_key:
                yield ("spec", "gateway", "identityKey"), spec.gateway.identity_key
            for name, payee in (spec.payees or {}).items():
                yield ("spec", "payees", name, "identityKey"), payee.identity_key
        case ConsumerPolicy(spec=spec):
            for index, consumer in enumerate(spec.consumers or ()):
                yield ("spec", "consumers", index, "key"), consumer.key
            for name, tier in (spec.tiers or {}).items():
                yield from ((("spec", "tiers", name, "members"), key) for key in tier.members or ())


def _sum(left: tuple[int, int], right: tuple[int, int], slope: int) -> tuple[int, int]:
    x = (slope * slope - left[0] - right[0]) % _P
    return x, (slope * (left[0] - x) - left[1]) % _P
