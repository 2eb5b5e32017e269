"""Every parser that a stranger's bytes reach: announced errors only, whatever the bytes, in bounded time and memory."""

from __future__ import annotations

import ast
import re
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reconciler
from tests.fuzz.targets import EXEMPT, GROUPS, seeds

PACKAGES = ("chain", "clients", "content", "gateway", "host", "payments", "storage", "web", "wire")
"""Where strangers' bytes come in."""
PARSER = re.compile(r"(parsed?|read|open|unpack|decoded?|decrypt)(_.*)?|from_bytes|(?!_).*_fault")
CPU = 5.0
"""Seconds for one small input; hundreds of times what any needs."""
MEMORY = 16 * 1024 * 1024
"""Bytes for a small input, and for each of its bytes:"""
MEMORY_FOR_A_BYTE = 200

SEEDS = seeds()
TARGETS = {f"{group}: {name}": target for group, targets in GROUPS.items() for name, target in targets.items()}


def name_of(function: object) -> str:
    return f"{function.__module__}.{function.__qualname__}"  # type: ignore[attr-defined]


def parsers() -> set[str]:
    """Public functions and methods that are named as parsers are."""
    root = Path(reconciler.__file__).parent
    found = set()
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            module = ".".join(("reconciler", *path.relative_to(root).with_suffix("").parts))
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                is_port = isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases)
                inside = node.body if isinstance(node, ast.ClassDef) and not is_port else [node]
                prefix = f"{module}.{node.name}" if isinstance(node, ast.ClassDef) else module
                found |= {
                    f"{prefix}.{each.name}"
                    for each in inside
                    if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and PARSER.fullmatch(each.name)
                    if not prefix.rpartition(".")[2].startswith("_")
                }
    return found


def test_every_parser_has_a_target():
    covered = {name_of(function) for target in TARGETS.values() for function in target.covers}
    assert parsers() - covered - EXEMPT.keys() == set()
    assert EXEMPT.keys() - parsers() == set()
    assert covered & EXEMPT.keys() == set()


inputs = st.one_of(
    st.sampled_from(SEEDS),
    st.binary(max_size=200),
    st.builds(
        lambda seed, at, junk, cut: seed[: at % (len(seed) + 1)] + junk + seed[at % (len(seed) + 1) + cut :],
        st.sampled_from(SEEDS),
        st.integers(0, 4096),
        st.binary(max_size=9),
        st.integers(0, 12),
    ),
    st.builds(lambda left, right: left + right, st.sampled_from(SEEDS), st.sampled_from(SEEDS)),
)
"""Seeds, as they are, cut, spliced and spoiled; and noise."""


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(data=inputs)
def test_only_announced_errors_come_out(name, data):
    begun = time.process_time()
    tracemalloc.start()
    try:
        TARGETS[name](data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert time.process_time() - begun < CPU
    assert most < MEMORY + len(data) * MEMORY_FOR_A_BYTE


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_survived(name):
    for seed in SEEDS:
        TARGETS[name](seed)


LONG = 500_000
HEAVY = {
    "zeros": bytes(LONG),
    "ones": b"\xff" * LONG,
    "opening brackets": b"[" * LONG,
    "empty arrays": b"[" + b"[]," * (LONG // 3) + b"[]]",
    "numbers": b"[" + b"1," * (LONG // 2) + b"1]",
    "digits": b"9" * LONG,
    "one long text": b'"' + b"a" * LONG + b'"',
    "names": b"{" + b",".join(b'"%d":1' % number for number in range(LONG // 12)) + b"}",
    "CBOR arrays": b"\x81" * LONG,
    "a CBOR array of arrays": b"\x9a\x00\x03\xd0\x90" + b"\x80" * 250_000,
    "pushes": b"\x01a" * (LONG // 2),
    "opcodes": b"\x00\x01" + b"\x76" * LONG,
    "lines": b"a: b\n" * (LONG // 5),
    "pairs": b"a=b&" * (LONG // 4),
    "escapes": b'"' + b"\\u0000" * (LONG // 6) + b'"',
    "slashes": b"/." * (LONG // 2),
}


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_much_of_one_kind_costs_no_more_than_its_length_warrants(name):
    for what, data in HEAVY.items():
        begun = time.process_time()
        TARGETS[name](data)
        assert time.process_time() - begun < CPU, what
