"""Desired state as commands get it: what was compiled just now, or is kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.control.kept import KeptSets, Question
from reconciler.manifest.limits import MAX_REVENUE_SPLITS
from reconciler.model.desired import DesiredState, Rotation
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.ids import Network
from reconciler.model.json import JsonObject

if TYPE_CHECKING:
    from reconciler.manifest.inputs import Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Manifests without an error. `warnings` are still to be shown."""

    state: DesiredState
    folder: Path
    """The manifests'; paths in a plan are relative to it."""
    warnings: tuple[Diagnostic, ...]
    find_inputs: Callable[[], Inputs]
    """Finds out what they were read from: only who waits for changes wants to know."""

    @property
    def inputs(self) -> Inputs:
        """What they were read from."""
        return self.find_inputs()

    @property
    def network(self) -> Network:
        """The world that the producer is to be published in."""
        return self.state.network

    @property
    def producer_sealed(self) -> JsonObject:
        """The producer's sealed fields, in which a world of its own is described."""
        return self.state.producer.sealed

    @property
    def producer_name(self) -> str:
        """Whose manifests these are."""
        return self.state.producer.id.name

    @property
    def gateway_url(self) -> str | None:
        """Where the producer's gateway shall be."""
        return self.state.gateway_url

    @property
    def key_file(self) -> str:
        """Where the identity key is, relative to OVERLAY_HOME."""
        return self.state.key_file

    @property
    def rotation(self) -> Rotation | None:
        """The key that is to take over."""
        return self.state.rotation

    @property
    def key_env(self) -> str | None:
        """The variable of the environment that holds it instead."""
        return self.state.key_env


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is given beside the manifests: NAME=VALUE and files of variables, and a limit of the environment."""

    assignments: tuple[str, ...] = ()
    variable_files: tuple[Path, ...] = ()
    max_revenue_splits: int = MAX_REVENUE_SPLITS

    def question(self, paths: Sequence[Path], network: Network | None) -> Question:
        """What is asked for with it: the set of these manifests, for that network."""
        said = [*self.assignments, self.max_revenue_splits, network and network.value]
        return Question.of(paths, self.variable_files, said=said)


async def recall(kept: KeptSets, question: Question, *, find_inputs: Callable[[], Inputs]) -> Loaded | None:
    """What is kept of a set while no file has changed that it was made from. The language is not loaded for it."""
    found = await asyncio.to_thread(kept.find, question)
    if found is None:
        return None
    return Loaded(state=found.state, folder=found.folder, warnings=found.warnings, find_inputs=find_inputs)
