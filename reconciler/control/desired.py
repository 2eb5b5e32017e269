"""From paths on the command line to desired state: read, hash what must be hashed, compile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from reconciler.content.digests import Digests
from reconciler.control.kept import Compiled, KeptSets
from reconciler.control.loaded import Beside, Loaded
from reconciler.manifest.compile import compile as compile_manifests
from reconciler.manifest.contents import local_contents
from reconciler.manifest.inputs import Inputs
from reconciler.manifest.kinds.producer import Identity
from reconciler.manifest.load import Manifests, find_producer, load
from reconciler.manifest.variables import check_assignments, given_variables
from reconciler.model.diagnostics import Diagnostic, has_errors
from reconciler.model.errors import ManifestError
from reconciler.model.ids import Network
from reconciler.model.networks import ENDPOINTS, Endpoints, endpoints_of


async def load_desired(
    paths: Sequence[Path],
    *,
    digests: Digests,
    network: Network | None,
    beside: Beside | None = None,
    kept: KeptSets | None = None,
) -> Loaded:
    """Read manifests and the content they name, and let `kept` have them.

    Raises ManifestError with all that is wrong, warnings included.
    """
    beside = beside or Beside()
    if kept is None:
        loaded, _ = await _read(paths, digests, network, beside)
        return loaded
    question, begun = beside.question(paths, network), kept.now_ns()  # both of before anything is read
    loaded, manifests = await _read(paths, digests, network, beside)
    compiled = Compiled(state=loaded.state, warnings=loaded.warnings, manifests=manifests, inputs=loaded.inputs)
    await asyncio.to_thread(kept.keep, question, compiled, begun=begun)
    return loaded


async def _read(
    paths: Sequence[Path], digests: Digests, network: Network | None, beside: Beside
) -> tuple[Loaded, Manifests]:
    variables, found = given_variables(beside.assignments, beside.variable_files)
    manifests, faults = load(paths, variables, max_revenue_splits=beside.max_revenue_splits)
    found += faults
    if manifests.variables is not None:
        found += check_assignments(beside.assignments, manifests.variables)
    contents, faults = local_contents(manifests)
    found += faults
    _stop(found)
    facts = await digests.facts(contents)
    state, more = compile_manifests(
        manifests,
        facts,
        network=network,
        default_hosts={known: endpoints.storage for known, endpoints in ENDPOINTS.items()},
    )
    found += more
    _stop(found)
    if state is None:
        raise ManifestError(found)
    loaded = Loaded(
        state=state,
        folder=manifests.folder,
        warnings=tuple(found),
        find_inputs=lambda: Inputs.of(manifests, paths, beside.variable_files),
    )
    return loaded, manifests


def inputs_of(paths: Sequence[Path], beside: Beside) -> Inputs:
    """What manifests are made of, whatever is wrong with them: a change of one of these files may mend it."""
    variables, _ = given_variables(beside.assignments, beside.variable_files)
    manifests, _ = load(paths, variables, max_revenue_splits=beside.max_revenue_splits)
    return Inputs.of(manifests, paths, beside.variable_files)


def _stop(found: Sequence[Diagnostic]) -> None:
    if has_errors(list(found)):
        raise ManifestError(found)


def manifest_network(paths: Sequence[Path]) -> Network:
    """The network that manifests name, whatever else is wrong with them; embedded where they name none."""
    producer = find_producer(paths)
    settings = producer.spec.network if producer else None
    return settings.preset if settings else Network.EMBEDDED


def manifest_endpoints(paths: Sequence[Path], network: Network) -> Endpoints:
    """Where a network is reached by what manifests say of it, whatever else is wrong with them."""
    producer = find_producer(paths)
    settings = producer.spec.network if producer else None
    if settings is None or settings.preset != network:
        return ENDPOINTS[network]
    return endpoints_of(network, {"network": settings.model_dump(by_alias=True, exclude_none=True)})


def manifest_identity(paths: Sequence[Path]) -> Identity:
    """Where manifests say that the identity key is, and the one that takes over, whatever else is wrong with them."""
    producer = find_producer(paths)
    return producer.spec.identity if producer else Identity()
