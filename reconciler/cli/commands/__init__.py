"""What may be typed: arguments and options of each command, their help, and the operation that is called with them.

Nothing that an operation needs is imported here, so that help and completion cost little.
"""

from __future__ import annotations

from reconciler.cli.ondemand import submodules

__getattr__ = submodules(__name__)
