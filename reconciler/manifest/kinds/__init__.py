"""The kinds of the language: pydantic models, the one truth about fields, from which the JSON Schema is generated.

A kind is a module here and a line in `KINDS`. Each field of a spec says who may read it (`visibility`).
"""

from __future__ import annotations

from typing import Final, TypeAlias

from reconciler.manifest.kinds.dataset import Dataset
from reconciler.manifest.kinds.producer import Producer

Manifest: TypeAlias = Producer | Dataset

KINDS: Final[dict[str, type[Producer | Dataset]]] = {"Producer": Producer, "Dataset": Dataset}

PLANNED_KINDS: Final = frozenset({"Advertisement", "Stream", "PaymentRule", "ReplicationRule", "ConsumerPolicy"})
"""Part of the language; this version cannot apply them yet."""

__all__ = ["KINDS", "PLANNED_KINDS", "Dataset", "Manifest", "Producer"]
