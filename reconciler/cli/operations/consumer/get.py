"""`overlay consumer get`: bought where that is needed, downloaded, opened, verified."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reconciler.cli import errors
from reconciler.cli.commands.consumer.ordering import Named, Paying
from reconciler.cli.invocation import Invocation
from reconciler.cli.operations.consumer.ordering import Chosen, chosen, paid, wanted
from reconciler.cli.shopping import Buyer, open_buyer
from reconciler.cli.views.purchases import Download, got_json, got_text
from reconciler.cli.wiring import clock
from reconciler.consumer.download import Got
from reconciler.model.errors import OverlayError, UsageError
from reconciler.model.order import Order


async def get(
    invocation: Invocation,
    words: list[str],
    output: Path | None,
    named: Named,
    paying: Paying,
    *,
    as_json: bool,
) -> int:
    """Buy what has to be bought, and download each good; one that cannot be had keeps no other one back."""
    console = invocation.console
    async with open_buyer(invocation, named.overlay_url) as buyer:
        await buyer.finish()
        wants = await wanted(buyer, words, named)
        places = _places(invocation.directory, output, [want.good.record.name for want in wants])
        found = await chosen(buyer, wants, paying, now=int(clock()))
        failures: list[OverlayError] = []
        for want, each, place in zip(wants, found, places, strict=True):
            progress = Download(console, str(want.good), as_json=as_json)
            try:
                order = await paid(buyer, each, paying)
                got = await _downloaded(buyer, order, place, progress)
            except OverlayError as error:
                failures.append(error)
                console.complain(errors.as_text(error))
                continue
            if as_json:
                console.document(got_json(got))
            else:
                console.result(
                    got_text(
                        got,
                        _shown(place, invocation.directory),
                        is_bought=isinstance(each, Chosen) and each.order is not None,
                    )
                )
    if not failures:
        return errors.DONE
    if len(failures) == len(found):
        return errors.exit_code(failures[0])
    return errors.PARTIAL


async def _downloaded(buyer: Buyer, order: Order, place: Path, progress: Download) -> Got:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        return await buyer.consumer.get(order, place, tell=progress)
    finally:
        progress.end()


def _shown(place: Path, directory: Path) -> str:
    """As short as it can be written here."""
    return str(place.relative_to(directory) if place.is_relative_to(directory) else place)


def _places(directory: Path, output: Path | None, names: Sequence[str]) -> list[Path]:
    """Where each good goes: by its whole name below a folder where there are several. Names lead nowhere else (PROTOCOL §2)."""
    target = directory if output is None else directory / output
    is_folder = output is None or target.is_dir() or str(output).endswith("/")
    if len(names) == 1:
        return [target / names[0].rpartition("/")[2]] if is_folder else [target]
    if not is_folder and target.exists():
        raise UsageError(f"{output} is a file, and {len(names)} goods are to go there", hint="name a folder")
    places = [target / name for name in names]
    for place in places:
        if places.count(place) > 1 or any(place in other.parents for other in places):
            raise UsageError(f"{place.name} is not the only one that is to go to {place}", hint="get it by itself")
    return places
