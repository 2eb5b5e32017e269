"""What commands do, once it is known what was typed. Each is imported when it is first called (cli/ondemand.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli.ondemand import submodules

if TYPE_CHECKING:
    from reconciler.cli.operations import (
        apply,
        consumer,
        db,
        destroy,
        devnet,
        doctor,
        explain,
        fmt,
        identity,
        plan,
        running,
        schema,
        serve,
        state,
        status,
        unlock,
        validate,
        verify,
        wallet,
        watch,
    )

__all__ = [
    "apply",
    "consumer",
    "db",
    "destroy",
    "devnet",
    "doctor",
    "explain",
    "fmt",
    "identity",
    "plan",
    "running",
    "schema",
    "serve",
    "state",
    "status",
    "unlock",
    "validate",
    "verify",
    "wallet",
    "watch",
]
__getattr__ = submodules(__name__)
