"""octoDNS from PyPI, in a virtual environment of its own: a plan of one zone from YAML against YAML, nothing changed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from reconciler.model.errors import StateError

_SOURCE: Final = Path(__file__).with_name("peers") / "octodns"
_PATIENCE: Final = 300
_ZONE: Final = "benchmark.test."
_CONFIGURATION: Final = """\
providers:
  wanted: {{class: octodns.provider.yaml.YamlProvider, directory: {wanted}, default_ttl: 300}}
  live: {{class: octodns.provider.yaml.YamlProvider, directory: {live}, default_ttl: 300}}
zones:
  {zone}: {{sources: [wanted], targets: [live]}}
"""
_RECORDS: Final = (
    *["type: A\n  values: [10.{high}.{low}.1, 10.{high}.{low}.2]"] * 6,
    "type: AAAA\n  value: 2001:db8::{number:x}",
    "type: CNAME\n  value: host{number}.example.com.",
    "type: TXT\n  value: number {number}",
    "type: MX\n  value: {{exchange: mail{number}.example.com., preference: 10}}",
)
"""Of ten: most of a zone are addresses."""


def installed(cache: Path) -> Path:
    """The command, for exactly the version that the requirements name. Raises StateError where pip fails."""
    requirements = _SOURCE / "requirements.txt"
    folder = cache / f"octodns-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]}"
    command = folder / "bin" / "octodns-sync"
    if not command.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _call([sys.executable, "-m", "venv", str(folder)])
        _call([str(folder / "bin" / "pip"), "install", "--quiet", "-r", str(requirements)])
    return command


def plan_command(command: Path, folder: Path, records: int) -> list[str]:
    """The command that plans a zone of so many records, which is the same on both sides."""
    zone = "---\n" + "".join(map(_record, range(records)))
    for side in ("wanted", "live"):
        (folder / side).mkdir(parents=True)
        (folder / side / f"{_ZONE}yaml").write_text(zone, encoding="ascii")
    configuration = folder / "octodns.yaml"
    values = {"wanted": folder / "wanted", "live": folder / "live", "zone": _ZONE}
    configuration.write_text(_CONFIGURATION.format(**values), encoding="utf-8")
    return [str(command), "--config-file", str(configuration), "--quiet"]


def _record(number: int) -> str:
    text = _RECORDS[number % len(_RECORDS)].format(number=number, high=number // 256, low=number % 256)
    return f"record{number:07d}:\n  {text}\n"


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    if done.returncode:
        raise StateError(f"octoDNS could not be installed: {done.stderr.strip()[-600:]}")
