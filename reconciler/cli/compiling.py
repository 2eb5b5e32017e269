"""What reads manifests: the language with its YAML and models. Loaded when a set is not kept as it was compiled (cli/ondemand.py)."""

from __future__ import annotations

from reconciler.content.digests import Digests
from reconciler.control.desired import inputs_of, load_desired

__all__ = ["Digests", "inputs_of", "load_desired"]
