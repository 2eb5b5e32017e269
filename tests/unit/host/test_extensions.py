"""Topics and services of other packages, as installed: the example of docs/extending.md, and what may be wrong with one."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

from reconciler.clients.host import HostClient
from reconciler.devnet.hosts import own_host
from reconciler.host.extensions import LOOKUPS, TOPICS, Extensions, installed
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, StateError
from reconciler.model.ids import Network
from reconciler.model.networks import ENDPOINTS
from reconciler.wire.transaction import TxOutput

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec: {displayName: Acme, network: embedded}
"""
GUIDE = Path(__file__).parents[3] / "docs" / "extending.md"
OWN = "http://own.embedded"
FINE = "class Fine:\n    name = 'tm_fine'\n    about = None\n    def admit(self): ...\n    def needs(self): ...\n"


@pytest.fixture
def install(folder, monkeypatch):
    """Puts a package where Python finds it, as an installer would: its modules, and what it says of itself."""
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def install(name, points, **modules):
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(text)
        told = folder / f"{name.replace('-', '_')}-1.0.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        groups = [
            f"[{group}]\n" + "\n".join(f"{key} = {value}" for key, value in each.items())
            for group, each in points.items()
        ]
        (told / "entry_points.txt").write_text("\n".join(groups))

    return install


@pytest.fixture
def folder(tmp_path):
    """Where packages are installed."""
    return tmp_path / "site-packages"


@pytest.fixture
def weather(install):
    """The guide's example."""
    blocks = dict(re.findall(r"^```(toml|python)\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE))
    project = tomllib.loads(blocks["toml"])["project"]
    install(project["name"], project["entry-points"], acme_weather=blocks["python"])


def test_without_other_packages_there_are_no_extensions():
    assert installed() == Extensions()


async def test_the_guides_example_is_installed_admits_and_finds(world, weather):
    network, endpoints = Network.EMBEDDED, ENDPOINTS[Network.EMBEDDED]
    app = own_host(
        world.database, endpoints, network=network, http=world.http, clock=world.clock, extensions=installed()
    )
    world.http.mount(OWN, app)
    host = HostClient(world.http, OWN)
    keys = world.keys()
    published = []
    for station in (b"north", b"south", b"north"):
        script = bytes.fromhex("006a07") + b"weather" + bytes([len(station)]) + station
        money = await world.coin(keys)
        published.append(world.signed(keys, [money.coin], [TxOutput(Satoshis(0), script)], [money.beef]))

    for each in published:
        steak = await host.submit(each.submission("tm_acme_weather"))
        assert steak["tm_acme_weather"].outputs == (0,)

    assert {"tm_data_catalog", "tm_acme_weather"} == await host.topics()
    assert {"ls_data_catalog", "ls_acme_weather"} == await host.services()
    first, second, third = [each.transaction.outpoint(0) for each in published]
    for query, found in (({}, [third, second, first]), ({"station": "north"}, [third, first]), ({"station": "x"}, [])):
        assert [each.outpoint for each in await host.lookup("ls_acme_weather", query)] == found
    with pytest.raises(RefusedError, match="unknown field"):
        await host.lookup("ls_acme_weather", {"where": "1"})


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("tm_fine", "import nothing_of_the_kind", "No module named 'nothing_of_the_kind'"),
        ("tm_fine", "def broken(", "cannot be loaded"),
        ("tm_fine", "", "has no attribute 'Fine'"),
        ("tm_fine", "class Fine:\n    def __init__(self, more): ...", "missing 1 required positional argument"),
        ("tm_fine", "class Fine: ...", "it is no Topic of that name"),
        ("tm_other", FINE, "it is no Topic of that name"),
        ("ls_fine", FINE, "the name must be tm_"),
        ("tm_fine2", FINE, "the name must be tm_"),
        ("tm_" + "x" * 50, FINE, "the name must be tm_"),
        ("tm_ship", FINE, "the name is taken by this program"),
        ("tm_data_fine", FINE, "the name is taken by this program"),
    ],
)
def test_what_is_wrong_with_a_package_is_said_with_its_name(install, monkeypatch, name, text, says):
    module = f"of_{abs(hash((name, text)))}"
    install("acme-fine", {TOPICS: {name: f"{module}:Fine"}}, **{module: text})

    with pytest.raises(StateError) as raised:
        installed()

    assert f"{name} of acme-fine 1.0" in raised.value.message
    assert says in raised.value.message
    assert raised.value.hint == "mend or uninstall that package"


def test_two_packages_with_one_name_are_both_named(install):
    install("acme-fine", {TOPICS: {"tm_fine": "fine_one:Fine"}}, fine_one=FINE)
    install("bcme-fine", {TOPICS: {"tm_fine": "fine_two:Fine"}}, fine_two=FINE)

    with pytest.raises(StateError, match=r"both acme-fine 1\.0 and bcme-fine 1\.0 offer tm_fine"):
        installed()


def test_a_topic_is_not_taken_for_a_service(install):
    install("acme-fine", {LOOKUPS: {"ls_fine": "fine_three:Fine"}}, fine_three=FINE.replace("tm_", "ls_"))

    with pytest.raises(StateError, match="it is no Lookup"):
        installed()


def test_a_broken_package_ends_the_command_with_one_sentence(install, overlay, monkeypatch):
    install("acme-fine", {TOPICS: {"tm_fine": "absent_module:Fine"}})
    overlay.folder.joinpath("producer.yaml").write_text(
        "apiVersion: overlay/v1\nkind: Producer\nmetadata: {name: a}\nspec: {}\n"
    )

    said = overlay.run("plan", code=1)

    assert "tm_fine of acme-fine 1.0 is not usable" in said.stderr
    assert "Traceback" not in said.stderr
    assert json.dumps(said.stdout) == '""'


@pytest.mark.long
def test_serve_keeps_the_guides_topic_and_answers_its_service(weather, folder, overlay, base_port, monkeypatch):
    (overlay.folder / "producer.yaml").write_text(MANIFEST)
    overlay.run("apply", "--yes")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))

    with overlay.started("serve", "--port", str(base_port)) as server:
        topics = httpx.get(f"{server.ready['url']}/listTopicManagers").json()
        answer = httpx.post(f"{server.ready['url']}/lookup", json={"service": "ls_acme_weather", "query": {}}).json()

    assert topics["tm_acme_weather"] == {"name": "Weather", "shortDescription": "Readings of stations.", "version": "1"}
    assert answer == {"type": "output-list", "outputs": []}
