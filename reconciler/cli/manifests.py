"""Manifests as a command reads them: files, what is given beside them, and the digests that are known already."""

from __future__ import annotations

from pathlib import Path

from reconciler import cli
from reconciler.cli.invocation import Invocation
from reconciler.cli.options import Given
from reconciler.control.kept import KeptSets
from reconciler.control.loaded import Beside, Loaded, recall
from reconciler.manifest.limits import MAX_REVENUE_SPLITS
from reconciler.model.errors import UsageError
from reconciler.model.parallel import PARALLEL


async def load_manifests(
    invocation: Invocation, paths: tuple[Path, ...], given: Given | None = None, *, parallel: int = PARALLEL
) -> Loaded:
    """Read manifests, with the caches of OVERLAY_HOME."""
    invocation.home.create()
    cache, network, beside = invocation.home.cache, invocation.named_network(), beside_of(invocation, given or Given())
    kept = KeptSets(cache / "manifests")
    found = await recall(
        kept, beside.question(paths, network), find_inputs=lambda: cli.compiling.inputs_of(paths, beside)
    )
    if found is not None:
        return found
    digests = cli.compiling.Digests(cache / "digests.db", parallel=parallel)
    return await cli.compiling.load_desired(paths, digests=digests, network=network, beside=beside, kept=kept)


def beside_of(invocation: Invocation, given: Given) -> Beside:
    """What is given beside the manifests. Raises UsageError."""
    return Beside(
        assignments=tuple(given.var or ()),
        variable_files=tuple(invocation.directory / path for path in given.var_file or ()),
        max_revenue_splits=_max_revenue_splits(invocation),
    )


def _max_revenue_splits(invocation: Invocation) -> int:
    text = invocation.environment.get("MAX_REVENUE_SPLITS")
    if not text:
        return MAX_REVENUE_SPLITS
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 6 and int(text)):
        raise UsageError("MAX_REVENUE_SPLITS is not a number of shares", hint="such as 10")
    return int(text)
