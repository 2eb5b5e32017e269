"""Which sealed settings change: whole documents, compared in plaintext. Any change costs one root and no token (MANIFESTS §2)."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.desired import DesiredSetting, DesiredState
from reconciler.model.ids import Address, ObjectType
from reconciler.model.json import JsonObject
from reconciler.model.observed import Snapshot
from reconciler.plan.action import RISKS, Action
from reconciler.plan.change import Change
from reconciler.plan.fields import field_diff, plain, same
from reconciler.plan.occasion import Occasions
from reconciler.plan.records import GONE, line


def setting_changes(desired: DesiredState, snapshot: Snapshot, occasions: Occasions) -> Iterator[Change]:
    """The changes of all settings, in no particular order."""
    live = live_settings(snapshot)
    for wanted in desired.settings:
        address = Address.of_setting(wanted.kind, wanted.name)
        found = live.pop(address, None)
        drifted = occasions.drifted.get(address)
        if found is None:
            yield _change(Action.CREATE, address, wanted, None, why=drifted or line(wanted.span))
        elif not same(found, wanted.value):
            yield _change(Action.UPDATE, address, wanted, found, why=line(wanted.span))
        elif drifted:
            yield _change(Action.ADOPT, address, wanted, None, why=drifted)
    for address, found in live.items():
        yield delete_setting(address, found, GONE)


def live_settings(snapshot: Snapshot) -> dict[Address, JsonObject]:
    """All of them."""
    return {Address(ObjectType.SETTING, path): value for path, value in snapshot.settings.items()}


def delete_setting(address: Address, found: JsonObject, why: str) -> Change:
    """The change that takes a setting away."""
    action = Action.DELETE
    return Change(object=address, action=action, why=why, risk=RISKS[action], before={"value": plain(found)})


def _change(action: Action, address: Address, wanted: DesiredSetting, found: JsonObject | None, *, why: str) -> Change:
    return Change(
        object=address,
        action=action,
        why=why,
        source=str(wanted.span),
        risk=RISKS[action],
        before=None if found is None else {"value": plain(found)},
        after={"value": plain(wanted.value)},
        diff=() if found is None else tuple(field_diff(found, wanted.value, "value")),
    )
