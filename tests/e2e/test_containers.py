"""The commands of examples/compose.yaml, with its variables and keys, as processes on one PostgreSQL: no container runs them here."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace

import httpx
import pytest

from tests.containers import compose, environment_of, instructions, interpolated, pods

pytestmark = [pytest.mark.long, pytest.mark.only("postgresql")]

GIVEN = {"OVERLAY_NETWORK": "local", "OVERLAY_PASSPHRASE": "a passphrase", "OVERLAY_ADMIN_TOKEN": "a token"}


@pytest.fixture
def stack(overlay, local, databases):
    """The services of the compose file, each as conftest.Overlay: a home, and the variables that the file gives it."""
    applied = replace(overlay, state={"OVERLAY_PASSPHRASE": GIVEN["OVERLAY_PASSPHRASE"]})
    applied.run("apply", "--yes")
    exported = overlay.home.parent / "gateway.key"
    applied.run("identity", "gateway", "--export", str(exported))
    urls = {"reconciler": databases.create_empty(), "gateway": databases.create_empty()}
    services = {}
    for name in ("upgrade-reconciler", "upgrade-gateway", "watch", "gateway"):
        home = overlay.home.parent / f"home-of-{name}"
        home.mkdir()
        told = environment_of(name, GIVEN)
        told["DATABASE_URL"] = urls[told["DATABASE_URL"].rpartition("/")[2]]
        if "PRODUCER_IDENTITY_FILE" in told:
            told["PRODUCER_IDENTITY_FILE"] = str(overlay.home / "identity.key")
        else:
            (home / "gateway.key").write_bytes(exported.read_bytes())
        services[name] = replace(overlay, home=home, state=told)
    return services


def command(service: str) -> list[str]:
    return [interpolated(word, GIVEN) for word in compose()["services"][service]["command"]]


def eventually(ask, wanted):
    """Another process is asked until it knows."""
    deadline = time.monotonic() + 240
    while (found := ask()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_what_the_compose_file_starts_applies_sells_is_watched_and_ends_when_it_is_told_to(stack):
    for name in ("upgrade-reconciler", "upgrade-gateway"):
        stack[name].run(*command(name))
        stack[name].run(*command(name))  # a restart does no harm
    serve = command("gateway")
    serve[serve.index("--port") + 1] = "0"
    with stack["gateway"].started(*serve) as gateway, stack["watch"].started(*command("watch")) as watch:
        url = gateway.ready["url"]

        def generation():
            answer = httpx.get(f"{url}/v1/producer")
            return answer.json()["generation"] if answer.is_success else None

        eventually(generation, 1)
        manifest = stack["watch"].folder / "producer.yaml"
        manifest.write_text(manifest.read_text().replace("Acme", "Changed"))
        eventually(generation, 2)

        script = json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])[2]
        port = url.rpartition(":")[2]
        done = subprocess.run([sys.executable, "-c", script.replace("3000", port)], check=False)
        assert done.returncode == 0
        probes = {
            container[probe]["httpGet"]["path"]
            for _, pod in pods()
            for container in pod["containers"]
            for probe in container
            if probe.endswith("Probe")
        }
        assert {httpx.get(url + path).status_code for path in probes} == {200}
        elsewhere = {"Host": "gateway:3000"}
        shown = {**elsewhere, "Authorization": f"Bearer {GIVEN['OVERLAY_ADMIN_TOKEN']}"}
        assert httpx.get(f"{url}/metrics", headers=elsewhere).status_code == 401
        assert "overlay_leaders 1.0" in httpx.get(f"{url}/metrics", headers=shown).text
        assert watch.stop() == 0
        assert gateway.stop() == 0
    gone = subprocess.run([sys.executable, "-c", script.replace("3000", port)], check=False, stderr=subprocess.DEVNULL)
    assert gone.returncode == 1
