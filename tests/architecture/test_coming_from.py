"""What the guide for those who used producer.js promises is there, what it calls later is not, and nothing was left out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from reconciler.cli.main import app
from reconciler.manifest.explain import Explained, explain
from reconciler.manifest.kinds import KINDS
from reconciler.model.errors import UsageError

GUIDE = (Path(__file__).parents[2] / "docs" / "coming-from-producer-js.md").read_text(encoding="utf-8")
MARKS = frozenset({"now", "written", "later", "gone"})

OLD = {
    "register": "name description capabilities regions generate-identity advertise-on-overlay backup-identity",
    "update-profile": "add-capability set-region update-pricing",
    "advertise": "service-type capability pricing-model rate availability geographic-scope max-consumers price",
    "advertise create": "service-type capability pricing-model rate max-consumers availability geographic-scope",
    "update-ads": "service-id new-rate add-region set-availability",
    "advertise update": "advertisement-id new-rate increase-capacity refresh",
    "advertise list": "show-metrics",
    "publish": "file title description tags price license distribute-nodes payment-method split-rules arc-provider "
    "distribute-globally replication",
    "publish dataset": "file title description tags price license distribute-nodes payment-method split-rules arc-provider",
    "publish-batch": "directory pattern base-price auto-generate-descriptions parallel-uploads tags distribute-globally",
    "publish batch": "directory pattern base-price auto-generate-descriptions parallel-uploads tags distribute-globally",
    "create-stream": "stream-id title format update-frequency price-per-minute max-consumers quality",
    "stream create": "stream-id title format update-frequency price-per-minute max-consumers quality type pricing-model",
    "start-stream": "stream-id source transform quality redundancy enable-historical-buffer",
    "stream start": "stream-id source enable-historical-buffer redundancy",
    "update-stream": "stream-id increase-frequency add-consumer-capacity enable-historical-buffer",
    "stream update": "stream-id increase-frequency add-consumer-capacity",
    "distribute": "content-hash target-nodes replication-factor geographic-distribution nodes replication",
    "distribute content": "content-hash target-nodes replication-factor geographic-distribution",
    "setup-distribution": "rule-name content-filter min-nodes geographic-spread auto-scale",
    "distribute setup-rules": "rule-name content-filter min-nodes geographic-spread auto-scale",
    "setup-payments": "enable-http-micropayments min-payment max-payment payment-window auto-settle enable-d21-native "
    "auto-convert-rates split-rules",
    "payments setup": "enable-http enable-d21 min-payment max-payment auto-settle payment-window split-rules "
    "route-small-payments route-large-payments threshold",
    "setup-native-payments": "enable-d21 arc-providers default-splits template-expiry",
    "payments setup-native": "enable-d21 arc-providers default-splits template-expiry",
    "configure-payment-routing": "route-small-payments route-large-payments threshold auto-convert-rates",
    "payments configure-routing": "route-small-payments route-large-payments threshold auto-convert-rates",
    "analytics": "period metrics export-format include-forecasts real-time-alerts optimize-pricing scale-distribution "
    "report-type time-range",
    "analytics view": "period metrics export-format include-forecasts",
    "track": "event resource-id consumer-id revenue metadata",
    "analytics track": "event resource-id consumer-id revenue metadata",
    "report": "type period breakdown-by export",
    "analytics report": "type period breakdown-by export",
    "identity setup": "generate-key register-with-overlay backup-key set-display-name display-name description "
    "register-overlay force",
    "identity rotate": "old-key generate-new transition-period notify-consumers",
    "identity verify": "check-reputation validate-advertisements test-payment-endpoints",
    "dashboard": "include-charts real-time-metrics export-html auto-refresh include-real-time-metrics "
    "include-revenue-forecasts",
    "manage-consumers": "list-active-subscriptions show-payment-status identify-high-value-customers export-csv",
    "manage consumers": "list-active show-payment-status identify-high-value-customers export-csv",
    "optimize": "analyze-performance recommend-pricing suggest-improvements auto-apply-safe-changes",
    "overlay-producer-cli init": "identity-key overlay-url help",
    "overlay-consumer-cli": "overlay-url service-type max-price tags producer provider cost quote-id content-id output "
    "stream-id auto-pay-interval time-range include-payments",
}
"""Every command that there was, in each of its spellings, with all options that its documents show."""


@dataclass(frozen=True)
class Row:
    """One row of a table: what there was, what there is, and its mark."""

    section: str
    old: str
    new: str
    mark: str

    @property
    def named(self) -> list[str]:
        """What stands in the second cell as code."""
        return re.findall(r"`([^`]+)`", self.new)

    @property
    def fields(self) -> list[str]:
        """The manifest fields among it."""
        return [code for code in self.named if code.partition(".")[0] in KINDS and "." in code]

    @property
    def commands(self) -> list[str]:
        """The command lines among it."""
        return [code for code in self.named if code.startswith("overlay ")]


def sections() -> dict[str, str]:
    """The text under each heading of the third level, by heading."""
    parts = re.split(r"^#{2,3} (.+)$", GUIDE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows() -> list[Row]:
    found = []
    for section, text in sections().items():
        for line in text.splitlines():
            if line.startswith("|") and not line.startswith("|---") and not line.endswith("| |"):
                old, new, mark = (cell.strip() for cell in line.strip("|").split("|"))
                found.append(Row(section, old, new, mark))
    return found


def word(row: Row) -> str:
    """The mark itself, without what is to bring it."""
    return re.fullmatch(r"\*\*(\w+)\*\*( \((selling|streams|analytics|rotation)\))?", row.mark)[1]


def marked(*marks: str) -> list[Row]:
    return [row for row in rows() if word(row) in marks]


def field(path: str) -> Explained | None:
    try:
        return explain(path)
    except UsageError:
        return None


def has_field(path: str) -> bool:
    """Whether a manifest may have it."""
    return field(path) is not None


def has_command(line: str) -> bool:
    """Whether the CLI knows the command and every option in a line."""
    command = typer.main.get_command(app)
    for each in line.split()[1:]:
        if each.startswith("-"):
            if not any(each in option.opts for option in command.params):
                return False
        elif each in getattr(command, "commands", {}):
            command = command.commands[each]
        else:
            return False
    return True


def test_every_row_has_a_mark_that_is_explained():
    assert {word(row) for row in rows()} == MARKS
    assert len(rows()) > 150
    explained = set(re.findall(r"^\| \*\*(\w+)\*\* \|", GUIDE.partition("\n## ")[0], re.MULTILINE))
    assert explained == MARKS


@pytest.mark.parametrize("mark", sorted(MARKS))
def test_every_field_that_is_named_exists(mark):
    assert not [(row.section, path) for row in marked(mark) for path in row.fields if field(path) is None]


def test_every_field_that_can_be_written_can_be_written():
    assert not [(row.section, path) for row in marked("now", "written") for path in row.fields if not has_field(path)]


def test_every_command_that_works_is_there():
    assert not [
        (row.section, line) for row in marked("now", "written") for line in row.commands if not has_command(line)
    ]


def test_what_comes_later_is_not_there_yet():
    arrived = [
        row
        for row in marked("later")
        if row.fields + row.commands and all(map(has_field, row.fields)) and all(map(has_command, row.commands))
    ]
    assert not arrived, "these have arrived: say so in the guide"


def test_what_comes_later_says_what_brings_it():
    assert not [row for row in marked("later") if row.mark == "**later**"]
    assert not [row for row in marked("now", "written", "gone") if "(" in row.mark]


@pytest.mark.parametrize("command", OLD)
def test_no_command_and_no_option_of_old_was_left_out(command):
    [text] = [text for heading, text in sections().items() if f"`{command}`" in heading]
    told = set(re.findall(r"--([a-z0-9-]+)", "".join(row.split("|")[1] for row in text.splitlines() if row[:1] == "|")))
    assert not set(OLD[command].split()) - told
