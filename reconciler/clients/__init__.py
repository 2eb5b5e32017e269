"""Thin shells that put the wire's formats onto HTTP; business decisions are made elsewhere."""

import sys
from typing import Final

_COMMAND: Final = "httpx._main"
"""httpx's own command line, which its package imports if it can, and with it rich, click and pygments."""

sys.modules.setdefault(_COMMAND, None)  # type: ignore[arg-type]  # None: it cannot, as where they are not installed
