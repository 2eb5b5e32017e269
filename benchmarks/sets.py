"""Manifests of any number of datasets. They share one small file: what is wanted of them is their records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_IN_A_FILE: Final = 1_000
_PRODUCER: Final = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: library}
spec: SPEC
"""
_DATASET: Final = """\
---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: tables/{number:06d}}}
spec:
  title: Table {number}, edition {edition}
  description: All rows of table {number}, as comma-separated values
  tags: [tables, shelf-{shelf}]
  license: CC-BY-4.0
  source: {{path: rows.csv}}
"""


class Library:
    """A folder of manifests with `count` datasets in a local world that has said where it is."""

    def __init__(self, folder: Path, count: int, network: Mapping[str, Any], storage: object) -> None:
        self._folder = folder
        self.count = count
        folder.mkdir(parents=True)
        spec = {"displayName": "Library", "network": dict(network), "storageHosts": storage}
        (folder / "producer.yaml").write_text(_PRODUCER.replace("SPEC", json.dumps(spec)), encoding="ascii")
        (folder / "rows.csv").write_text("id,value\n1,one\n2,two\n", encoding="ascii")
        self.edit(0, edition=1)

    def edit(self, changed: int, *, edition: int) -> None:
        """Write all of them; the first `changed` in a new edition."""
        for first in range(0, self.count, _IN_A_FILE):
            last = min(first + _IN_A_FILE, self.count)
            texts = (
                _DATASET.format(number=number, shelf=number % 100, edition=edition if number < changed else 1)
                for number in range(first, last)
            )
            path, text = self._folder / f"tables-{first // _IN_A_FILE:04d}.yaml", "".join(texts)
            if not path.exists() or path.read_text(encoding="ascii") != text:
                path.write_text(text, encoding="ascii")
