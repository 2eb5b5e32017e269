from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.chain.blocks import (
    GENESIS,
    BlockHeader,
    coinbase,
    difficulty,
    median_time,
    next_header,
    parse_header,
    target,
)
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest

# The first two headers of the real chain, which everybody can check.
BITCOIN_GENESIS = (
    "01000000"
    + "00" * 32
    + "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"
    + "29ab5f49ffff001d1dac2b7c"
)
GENESIS_HASH = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"


def test_a_header_of_the_real_chain_is_read_and_written() -> None:
    header = parse_header(bytes.fromhex(BITCOIN_GENESIS))
    assert header.hash == GENESIS_HASH
    assert header.merkle_root == "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
    assert header.to_bytes().hex() == BITCOIN_GENESIS
    assert difficulty(header.bits) == 1


def test_a_header_without_work_is_refused() -> None:
    header = parse_header(bytes.fromhex(BITCOIN_GENESIS))
    with pytest.raises(VerificationError, match="no proof of work"):
        parse_header(replace(header, nonce=0).to_bytes())


@pytest.mark.parametrize("cut", [slice(0, 79), slice(0, 0)])
def test_a_header_has_80_bytes(cut: slice) -> None:
    with pytest.raises(VerificationError):
        parse_header(GENESIS.to_bytes()[cut])


def test_a_longer_header_is_refused() -> None:
    with pytest.raises(VerificationError):
        parse_header(GENESIS.to_bytes() + b"\x00")


def test_the_genesis_of_embedded_worlds_never_changes() -> None:
    assert GENESIS.hash == "5bc9d34a3971161062257f027eedfa68d33b111fe28b07b40904afbd49a3f1e8"


def test_targets_are_compact_numbers() -> None:
    assert target(0x1D00FFFF) == 0xFFFF << 208
    assert target(0x207FFFFF) == 0x7FFFFF << 232
    assert target(0x02123400) == 0x1234


def test_the_next_header_follows_and_has_work() -> None:
    first = coinbase(1, 50, b"salt")
    header = next_header(GENESIS, (first.txid,), times=(GENESIS.time,), now=GENESIS.time + 600)
    assert header.previous == GENESIS.hash
    assert header.time == GENESIS.time + 600
    assert header.meets_target


def test_block_time_passes_the_median_even_if_the_clock_stands_still() -> None:
    times = tuple(range(100, 111))
    header = next_header(GENESIS, (coinbase(1, 50, b"").txid,), times=times, now=50)
    assert header.time == median_time(times) + 1 == 106


def test_coinbases_differ_by_height_and_salt() -> None:
    assert len({coinbase(1, 50, b"a").txid, coinbase(2, 50, b"a").txid, coinbase(1, 50, b"b").txid}) == 3


def test_hashes_are_in_display_order() -> None:
    header = BlockHeader(previous=Digest("00" * 31 + "01"), merkle_root=Digest("ff" * 32), time=1)
    assert header.to_bytes()[4:36] == b"\x01" + b"\x00" * 31
