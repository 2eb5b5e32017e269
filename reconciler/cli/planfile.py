"""A plan in a file: `plan --out` writes it, `apply` recognises, reads and executes it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from reconciler.model.errors import StalePlanError, StateError, UsageError
from reconciler.model.ids import Network
from reconciler.model.json import Json, JsonObject
from reconciler.plan.document import from_json, to_bytes
from reconciler.plan.plan import HandOver, Plan

_MEMBERS: Final = frozenset({"body", "meta", "id"})
_START: Final = 64
"""Bytes that tell JSON from a manifest: an object begins in them."""


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan that was read from a file. Satisfies cli.wiring.Subject."""

    plan: Plan
    folder: Path
    """The manifests', on this machine."""

    @property
    def network(self) -> Network:
        """The one that it was made for."""
        return self.plan.network

    @property
    def producer_sealed(self) -> JsonObject:
        """The producer's sealed fields, in which a world of its own is described."""
        return self.plan.producer_sealed

    @property
    def producer_name(self) -> str:
        """Whose plan it is."""
        return self.plan.producer_name

    @property
    def gateway_url(self) -> str | None:
        """Where the producer's gateway is."""
        return self.plan.gateway_url

    @property
    def key_file(self) -> str:
        """Where the identity key is, relative to OVERLAY_HOME."""
        return self.plan.key_file

    @property
    def key_env(self) -> str | None:
        """The variable of the environment that holds it instead."""
        return self.plan.key_env

    @property
    def rotation(self) -> HandOver | None:
        """The key that is to take over."""
        return self.plan.rotation

    def check_network(self, named: Network | None) -> None:
        """Raises StalePlanError where another network was asked for than the plan's."""
        if named not in {None, self.network}:
            raise StalePlanError(
                f"the plan was made for the network {self.network}, and {named} was asked for",
                hint=f"leave out --network and OVERLAY_NETWORK, or plan again for {named}",
            )


def keep(plan: Plan, path: Path, folder: Path) -> Plan:
    """Write a plan into a file for its owner's eyes, for it has what is sealed; returns it as it was written.

    `folder` is the manifests'; the plan says where it lies from the file.
    """
    relative = Path(os.path.relpath(folder.resolve(), path.parent.resolve())).as_posix()
    kept = replace(plan, meta=replace(plan.meta, folder=relative))
    path.touch(mode=0o600)
    path.write_bytes(to_bytes(kept))
    return kept


def kept_plan(paths: Sequence[Path]) -> KeptPlan | None:
    """The plan in a file, where the only path is one: a JSON object with body, meta and id; None for manifests.

    Raises as `from_json` does; UsageError for a plan that does not say where its manifests are.
    """
    document = _document(paths[0]) if len(paths) == 1 else None
    if not isinstance(document, dict) or not document.keys() >= _MEMBERS:
        return None
    plan = from_json(document)
    if plan.meta.folder is None:
        raise UsageError(
            "the plan does not say where its manifests are", where=str(paths[0]), hint="write it with `plan --out FILE`"
        )
    return KeptPlan(plan, (paths[0].parent / plan.meta.folder).resolve())


def _document(path: Path) -> Json:
    """The JSON in a file; None where it holds none."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            if not file.read(_START).lstrip().startswith(b"{"):
                return None
            file.seek(0)
            document: Json = json.load(file)
    except (ValueError, RecursionError):
        return None
    except OSError as error:
        raise StateError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    return document
