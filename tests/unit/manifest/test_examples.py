"""The first command's input: it loads without a word, and its data is what its README says."""

from __future__ import annotations

import csv
from pathlib import Path

from reconciler.content.digests import Digests
from reconciler.manifest.compile import compile as compile_manifests
from reconciler.manifest.contents import local_contents
from reconciler.manifest.kinds import KINDS
from reconciler.manifest.load import load
from reconciler.model.desired import StorageHost
from reconciler.model.ids import Address, Network

EXAMPLES = Path(__file__).parents[3] / "examples"
HOSTS = {Network.EMBEDDED: (StorageHost(name="one", url="http://one.embedded", region="EU"),)}


async def test_the_example_compiles(tmp_path):
    manifests, diagnostics = load([EXAMPLES / "producer.yaml"])
    files, more = local_contents(manifests)
    facts = await Digests(tmp_path / "cache").facts(files)
    state, last = compile_manifests(manifests, facts, default_hosts=HOSTS)

    assert diagnostics + more + last == []
    assert [str(record.id) for record in state.records] == [
        "advertisement/crypto-price-feeds",
        "dataset/country-codes",
        "dataset/crypto-history/data/bitcoin-subsidy.csv",
        "dataset/crypto-history/data/bitcoin-supply.csv",
        "stream/btc_live",
    ]
    assert [record.is_sold for record in state.records] == [False, False, True, True, False]
    assert [f"{setting.kind}/{setting.name}" for setting in state.settings] == [
        "consumerpolicy/consumers",
        "paymentrule/standard",
        "replicationrule/worldwide",
    ]
    assert [str(Address.of_ad(ad.protocol, ad.name)) for ad in state.ads] == [
        "ship/tm_data_crypto_price_feeds",
        "slap/ls_data_crypto_price_feeds",
    ]
    assert state.records[2].public["description"] == (
        "34 rows, 3 columns (start_height, subsidy_satoshis, supply_satoshis_before); start_height from 0 to 6930000"
    )


def test_the_example_has_all_kinds():
    manifests, _ = load([EXAMPLES / "producer.yaml"])

    assert {document.manifest.kind for document in manifests.documents} == KINDS.keys()


def subsidy(height: int) -> int:
    """The consensus rule."""
    return 5_000_000_000 >> (height // 210_000)


def test_the_subsidy_is_that_of_the_consensus_rule():
    supply = 0
    with (EXAMPLES / "data" / "bitcoin-subsidy.csv").open(newline="") as stream:
        for epoch, row in enumerate(csv.DictReader(stream)):
            assert [int(value) for value in row.values()] == [epoch * 210_000, subsidy(epoch * 210_000), supply]
            supply += subsidy(epoch * 210_000) * 210_000
    assert supply == 2_099_999_997_690_000


def test_the_supply_is_the_sum_of_the_subsidies():
    supply, last = 0, -1
    with (EXAMPLES / "data" / "bitcoin-supply.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            height = int(row["height"])
            supply += subsidy(0) if height == 0 else _span(last, height)
            assert (int(row["subsidy_satoshis"]), int(row["supply_satoshis"])) == (subsidy(height), supply)
            last = height


def _span(last: int, height: int) -> int:
    """What the blocks after `last` up to `height` issue; only the last of them may begin an epoch."""
    return subsidy(last) * (height - last - 1) + subsidy(height)


def test_each_file_is_named_in_the_readme():
    readme = (EXAMPLES / "data" / "README.md").read_text(encoding="utf-8")

    for path in (EXAMPLES / "data").iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in readme
