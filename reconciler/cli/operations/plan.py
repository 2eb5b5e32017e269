"""`overlay plan`: what would change, and what it costs."""

from __future__ import annotations

from pathlib import Path

from reconciler.apply.events import tell_nobody
from reconciler.cli import errors, options
from reconciler.cli.commands.plan import Form
from reconciler.cli.console import Console
from reconciler.cli.databases import Otherwise
from reconciler.cli.gateways import gateway_of
from reconciler.cli.invocation import Invocation
from reconciler.cli.manifests import load_manifests
from reconciler.cli.planfile import keep
from reconciler.cli.planning import plan_options
from reconciler.cli.views import diagnostics
from reconciler.cli.views.markdown import render_markdown
from reconciler.cli.views.plan import render
from reconciler.cli.views.world import render_planned
from reconciler.cli.wiring import clock, keys_at_hand, keys_for, open_reconciler, open_site
from reconciler.control.loaded import Loaded
from reconciler.control.preview import preview
from reconciler.control.source import provenance
from reconciler.model.errors import UsageError
from reconciler.model.ids import IdentityKey
from reconciler.model.networks import endpoints_of
from reconciler.plan.document import to_json
from reconciler.plan.options import PlanOptions
from reconciler.plan.plan import Plan
from reconciler.wallet.keys import Keys


async def plan(
    invocation: Invocation,
    paths: tuple[Path, ...],
    given: options.Given,
    scope: options.Scope,
    overrides: options.Overrides,
    *,
    form: Form,
    whose: IdentityKey | None,
) -> int:
    """From manifests to a plan, by the secret key or the public one."""
    console = invocation.console
    chosen = plan_options(console, overrides, scope)
    loaded = await load_manifests(invocation, paths, given, parallel=form.parallelism)
    for line in diagnostics.lines(loaded.warnings):
        console.note(line)
    whose = whose or _served(invocation, loaded)
    keys = keys_for(invocation, loaded, create=True) if whose is None else _keys_of(whose, invocation, loaded)
    if isinstance(keys, Keys):
        found = await _planned(invocation, loaded, chosen, keys, refresh=scope.refresh)
    else:
        found = await _previewed(invocation, loaded, chosen, keys)
    if form.out is not None:
        found = keep(found, invocation.directory / form.out, loaded.folder)
    _show(found, form, console)
    return _exit_code(found) if form.detailed_exitcode else errors.DONE


def _served(invocation: Invocation, loaded: Loaded) -> IdentityKey | None:
    """Whose gateway this machine is, where it keeps that key and no identity key."""
    gateway = gateway_of(invocation, loaded.network) if keys_at_hand(invocation, loaded) is None else None
    return None if gateway is None else gateway.producer


def _keys_of(whose: IdentityKey, invocation: Invocation, loaded: Loaded) -> Keys | IdentityKey:
    """The key of `whose` if it is here, else its public half. Raises UsageError where another one's is."""
    keys = keys_at_hand(invocation, loaded)
    if keys is None:
        return whose
    if keys.identity != whose:
        raise UsageError(f"the key at hand is {keys.identity}'s", hint="leave out --identity, or the key")
    return keys


async def _planned(invocation: Invocation, loaded: Loaded, chosen: PlanOptions, keys: Keys, *, refresh: bool) -> Plan:
    otherwise = Otherwise.MAKE if chosen.replace_identity else Otherwise.PRETEND
    async with open_reconciler(invocation, loaded, keys, tell_nobody, otherwise=otherwise) as (_, reconciler):
        planned = await reconciler.plan(loaded.state, chosen, refresh=refresh)
    for line in render_planned(planned):
        invocation.console.note(line)
    return planned.plan


async def _previewed(invocation: Invocation, loaded: Loaded, chosen: PlanOptions, whose: IdentityKey) -> Plan:
    endpoints = endpoints_of(loaded.network, loaded.producer_sealed)
    async with open_site(
        invocation, loaded.network, identity=whose, otherwise=Otherwise.READ, endpoints=endpoints
    ) as site:
        return await preview(
            loaded.state,
            chosen,
            identity=whose,
            world=site.world(),
            provenance=await provenance(loaded.folder),
            clock=clock,
        )


def _show(plan: Plan, form: Form, console: Console) -> None:
    document = to_json(plan)
    if form.json:
        console.document(document)
    elif form.markdown:
        console.result(render_markdown(document))
    else:
        console.styled(render(document, width=console.width, colour=console.colour, whole=form.all))


def _exit_code(plan: Plan) -> int:
    if plan.is_empty:
        return errors.DONE
    return errors.GUARD if plan.refused else errors.CHANGES
