"""The kinds of the language: pydantic models, the one truth about fields, from which the JSON Schema is generated.

A kind is a module here and a line in `KINDS`. Each field of a spec says who may read it (`visibility`).
"""

from __future__ import annotations

from typing import Final, TypeAlias

from reconciler.manifest.kinds.advertisement import Advertisement
from reconciler.manifest.kinds.consumers import ConsumerPolicy
from reconciler.manifest.kinds.dataset import Dataset
from reconciler.manifest.kinds.payment import PaymentRule
from reconciler.manifest.kinds.producer import Producer
from reconciler.manifest.kinds.replication import ReplicationRule
from reconciler.manifest.kinds.stream import Stream

Record: TypeAlias = Producer | Advertisement | Dataset | Stream
"""Kinds that become records."""
Setting: TypeAlias = PaymentRule | ReplicationRule | ConsumerPolicy
"""Kinds that are sealed in the root."""
Manifest: TypeAlias = Record | Setting

KINDS: Final[dict[str, type[Manifest]]] = {
    "Producer": Producer,
    "Advertisement": Advertisement,
    "Dataset": Dataset,
    "Stream": Stream,
    "PaymentRule": PaymentRule,
    "ReplicationRule": ReplicationRule,
    "ConsumerPolicy": ConsumerPolicy,
}

__all__ = [
    "KINDS",
    "Advertisement",
    "ConsumerPolicy",
    "Dataset",
    "Manifest",
    "PaymentRule",
    "Producer",
    "Record",
    "ReplicationRule",
    "Setting",
    "Stream",
]
