"""Options that several commands share, in groups that commands take whole (cli/spread.py)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Final

import typer

from reconciler.cli.arguments import seconds
from reconciler.model.parallel import PARALLEL

Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", help="Manifest files or folders; ./producer.yaml or ./overlay/ by default."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]
Port = Annotated[
    int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port to listen on; 0 leaves it to the system.")
]

Parallelism = Annotated[
    int,
    typer.Option("--parallelism", metavar="N", min=1, max=64, help="Files read, and copies made, at the same time."),
]

_PATTERN: Final = "Address, or pattern such as 'dataset/btc*'; repeatable."


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is given beside the manifests."""

    var: Annotated[
        list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="Value of a variable; repeatable.")
    ] = None
    var_file: Annotated[
        list[Path] | None, typer.Option("--var-file", metavar="FILE", help="YAML file of variables; repeatable.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a plan looks at."""

    target: Annotated[
        list[str] | None, typer.Option("--target", metavar="ADDR", help=f"Only these, and what they need. {_PATTERN}")
    ] = None
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="ADDR", help=f"Everything but these. {_PATTERN}")
    ] = None
    replace: Annotated[
        list[str] | None, typer.Option("--replace", metavar="ADDR", help=f"Make these anew, changed or not. {_PATTERN}")
    ] = None
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Read everything that is published, to find what drifted.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """The guards' overrides, one by one, and why they are given."""

    max_delete: Annotated[
        str | None, typer.Option("--max-delete", metavar="N|N%", help="Let so many records of one kind be deleted.")
    ] = None
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Let everything be deleted.")] = False
    max_cost: Annotated[int | None, typer.Option("--max-cost", metavar="SAT", help="Let the plan cost so much.")] = None
    allow_price_change: Annotated[
        bool, typer.Option("--allow-price-change", help="Let prices change by more than maxPriceFactor.")
    ] = False
    replace_identity: Annotated[
        bool, typer.Option("--replace-identity", help="Publish as another identity than before, from its own database.")
    ] = False
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Let another source of truth apply to this producer.")
    ] = False
    unreachable_gateway: Annotated[
        bool, typer.Option("--unreachable-gateway", help="Advertise a gateway that does not answer.")
    ] = False
    genesis: Annotated[
        bool, typer.Option("--genesis", help="Publish for the first time where no host could say 'none'.")
    ] = False
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; stands in the plan and in the journal.")
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The overrides that may stand for as long as a watch runs; the others are decided once, by whoever applies by hand."""

    max_delete: Annotated[
        str | None, typer.Option("--max-delete", metavar="N|N%", help="Let a plan delete so many records of one kind.")
    ] = None
    max_cost: Annotated[int | None, typer.Option("--max-cost", metavar="SAT", help="Let a plan cost so much.")] = None
    allow_price_change: Annotated[
        bool, typer.Option("--allow-price-change", help="Let prices change by more than maxPriceFactor.")
    ] = False
    unreachable_gateway: Annotated[
        bool, typer.Option("--unreachable-gateway", help="Advertise a gateway that does not answer.")
    ] = False
    genesis: Annotated[
        bool, typer.Option("--genesis", help="Publish for the first time where no host could say 'none'.")
    ] = False
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; stands in the plan and in the journal.")
    ] = ""

    @property
    def overrides(self) -> Overrides:
        """Among all there are."""
        return Overrides(**{each.name: getattr(self, each.name) for each in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """How an apply goes about it."""

    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
    wait: Annotated[bool, typer.Option("--wait", help="End only when a block has the transactions.")] = False
    lock_timeout: Annotated[
        str, typer.Option("--lock-timeout", metavar="D", help="Wait so long for another apply to end.")
    ] = "30s"
    parallelism: Parallelism = PARALLEL
    json: Json = False

    @property
    def patience(self) -> float:
        """--lock-timeout in seconds. Raises UsageError."""
        return seconds(self.lock_timeout)
