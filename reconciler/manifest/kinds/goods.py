"""What datasets and streams have in common: rules by name or inline."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Tag

from reconciler.manifest.kinds.payment import PaymentRuleSpec
from reconciler.manifest.kinds.replication import Replicating
from reconciler.manifest.kinds.scalars import Name
from reconciler.manifest.kinds.unions import MAPPING, WRITTEN, is_mapping

PaymentRuleChoice = Annotated[
    Annotated[Name, Tag(WRITTEN)] | Annotated[PaymentRuleSpec, Tag(MAPPING)], Discriminator(is_mapping)
]
ReplicationChoice = Annotated[
    Annotated[Name, Tag(WRITTEN)] | Annotated[Replicating, Tag(MAPPING)], Discriminator(is_mapping)
]
