"""Dockerfile, examples/compose.yaml and examples/kubernetes/overlay.yaml, as tests read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[1]
DOCKERFILE: Final = ROOT / "Dockerfile"
ENTRY: Final = "overlay-reconciler"
"""The image that the Dockerfile makes, as the compose file calls it."""


def instructions(name: str) -> list[str]:
    """What the Dockerfile says under a name, in its order, each on one line."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [
        line.removeprefix(f"{name} ").strip()
        for line in text.replace("\\\n", " ").splitlines()
        if line.startswith(f"{name} ")
    ]


def compose() -> Any:
    """The compose file."""
    return yaml.safe_load((ROOT / "examples" / "compose.yaml").read_text(encoding="utf-8"))


def kubernetes() -> list[Any]:
    """The objects for Kubernetes."""
    return [*yaml.safe_load_all((ROOT / "examples" / "kubernetes" / "overlay.yaml").read_text(encoding="utf-8"))]


def pods() -> Iterator[tuple[str, Any]]:
    """What Deployments start: their names, and the pod, with its labels."""
    for each in kubernetes():
        if each["kind"] == "Deployment":
            template = each["spec"]["template"]
            yield each["metadata"]["name"], {**template["spec"], "labels": template["metadata"]["labels"]}


def interpolated(text: str, values: Mapping[str, str] | None = None) -> str:
    """A text of the compose file with variables put in; one that nobody names is what the file says, else `given`."""

    def put(match: re.Match[str]) -> str:
        return (values or {}).get(match[1], match[3] or "given")

    return re.sub(r"\$\{(\w+)(:-|:\?)?([^}]*)\}", put, text)


def environment_of(service: str, values: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a service."""
    found = compose()["services"][service]["environment"]
    return {name: interpolated(value, values) for name, value in found.items()}
