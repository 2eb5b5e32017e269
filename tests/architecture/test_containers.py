"""Dockerfile, examples/compose.yaml and examples/kubernetes: what they say of the program is so. Neither Docker nor a cluster is asked."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from reconciler.cli.arguments import split_globals
from reconciler.cli.main import app
from reconciler.gateway.openapi import DOCUMENT
from reconciler.storage.openapi import DOCUMENT as STORAGE
from tests.containers import (
    ENTRY,
    ROOT,
    compose,
    environment_of,
    instructions,
    interpolated,
    kubernetes,
    pods,
)

OTHERS_READ = {"PYTHONUNBUFFERED", "FORWARDED_ALLOW_IPS", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
"""Variables that Python, uvicorn and obstore read."""

SOURCE = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "reconciler").rglob("*.py")))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = [name for name, service in sorted(compose()["services"].items()) if service["image"] == ENTRY]


def command_lines() -> Iterator[Any]:
    yield pytest.param(json.loads(instructions("CMD")[-1]), id="Dockerfile")
    for name in (each for each in OURS if "entrypoint" not in compose()["services"][each]):
        yield pytest.param(
            [interpolated(word) for word in compose()["services"][name]["command"]], id=f"compose {name}"
        )
    for name, pod in pods():
        for container in [*pod["initContainers"], *pod["containers"]]:
            yield pytest.param(container["args"], id=f"kubernetes {name} {container['name']}")


@pytest.mark.parametrize("words", [*command_lines()])
def test_every_command_is_one_that_the_program_takes(words):
    command, context = typer.main.get_command(app), None
    _, rest = split_globals(words)
    while True:
        context = command.make_context(command.name, [*rest], parent=context)
        if not hasattr(command, "resolve_command"):
            break
        _, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])


def variables() -> Iterator[str]:
    yield from re.findall(r"(\w+)=", " ".join(instructions("ENV")))
    for name in OURS:
        yield from compose()["services"][name]["environment"]
    for _, pod in pods():
        for container in [*pod["initContainers"], *pod["containers"]]:
            yield from (each["name"] for each in container["env"])


def test_every_variable_is_one_that_is_read():
    assert {name for name in variables() if f'"{name}"' not in SOURCE} - {"PATH"} == OTHERS_READ


def test_the_storage_host_is_the_one_of_the_guide_and_each_part_has_a_database_of_its_own():
    document = compose()
    service = document["services"]["storage"]
    guide = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert " ".join([*service["entrypoint"], *service["command"][:2]]) in guide
    port = service["command"][service["command"].index("--port") + 1]
    assert f"localhost:{port}/health" in service["healthcheck"]["test"][-1]
    assert "/health" in STORAGE["paths"]
    used = {environment_of(name)["DATABASE_URL"].rpartition("/")[2] for name in OURS}
    made = {document["services"]["postgres"]["environment"]["POSTGRES_DB"]}
    assert used == made | {*re.findall(r"DATABASE (\w+)", document["configs"]["databases"]["content"])}


def test_the_image_has_what_the_package_is_built_from_and_no_key_gets_in():
    copied = [word for line in instructions("COPY") if "--from" not in line for word in line.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    ignored = [line for line in lines if not line.startswith("#")]
    assert ignored[0] == "*"
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == set(copied)
    assert {PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml"} <= set(copied)
    assert not any(
        fnmatch.fnmatch(name, pattern) for pattern in copied for name in ("identity.key", ".overlay", ".git")
    )


def test_the_image_runs_a_python_that_the_package_takes_as_a_user_without_rights():
    bases = {re.match(r"python:(3\.\d+)-slim", line)[1] for line in instructions("FROM")}
    assert {f"Programming Language :: Python :: {base}" for base in bases} <= set(PROJECT["classifiers"])
    user, _, group = instructions("USER")[-1].partition(":")
    assert user == group != "0"
    for _, pod in pods():
        rights = pod["securityContext"]
        assert (rights["runAsUser"], rights["runAsGroup"], rights["fsGroup"]) == (int(user), int(user), int(group))


def test_the_version_of_the_image_is_that_of_the_package():
    images = {each["image"] for _, pod in pods() for each in [*pod["initContainers"], *pod["containers"]]}
    assert images == {f"registry.example/{PROJECT['name']}:{PROJECT['version']}"}


def test_probes_ask_what_the_gateway_answers_at_the_port_that_it_is_given():
    (port,) = instructions("EXPOSE")
    (asked,) = re.findall(r"http://localhost:(\d+)(/\S+?)'", instructions("HEALTHCHECK")[0])
    assert asked == (port, "/health")
    probed = {"/health"}
    for _, pod in pods():
        for container in pod["containers"]:
            places = {each["name"]: each["containerPort"] for each in container.get("ports", [])}
            probes = [container[name]["httpGet"] for name in container if name.endswith("Probe")]
            assert {str(places[probe["port"]]) for probe in probes} <= {port}
            probed |= {probe["path"] for probe in probes}
            if places:
                assert container["args"][container["args"].index("--port") + 1] == port
    assert probed == {"/health", "/health/live", "/health/ready"}
    assert probed <= DOCUMENT["paths"].keys()


def test_what_is_selected_mounted_and_referred_to_is_there():
    objects = kubernetes()
    labels = {name: pod["labels"] for name, pod in pods()}
    for each in objects:
        spec = each.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector")
        if selector:
            wanted = selector.get("matchLabels", selector)
            assert [name for name, found in labels.items() if wanted.items() <= found.items()] == [
                each["metadata"]["name"]
            ]
    for name, pod in pods():
        volumes = {each["name"]: each for each in pod["volumes"]}
        for container in [*pod["initContainers"], *pod["containers"]]:
            assert {each["name"] for each in container["volumeMounts"]} == volumes.keys()
            assert container["securityContext"]["readOnlyRootFilesystem"]
            secrets = {each["valueFrom"]["secretKeyRef"]["name"] for each in container["env"] if "valueFrom" in each}
            assert secrets == {name} == {volumes["key"]["secret"]["secretName"]}
    (manifests,) = (each for each in objects if each["kind"] == "ConfigMap")
    (mounted,) = (each["configMap"]["name"] for _, pod in pods() for each in pod["volumes"] if "configMap" in each)
    assert mounted == manifests["metadata"]["name"]
    assert yaml.safe_load(manifests["data"]["producer.yaml"])["kind"] == "Producer"


def test_the_readme_makes_every_secret_that_is_referred_to():
    text = (ROOT / "examples" / "kubernetes" / "README.md").read_text(encoding="utf-8")
    made = {
        match[1]: set(re.findall(r"--from-(?:file|literal)=([\w.-]+)", match[2]))
        for match in re.finditer(r"create secret generic (\S+) ((?:.|\n)*?)\nkubectl", text)
    }
    for name, pod in pods():
        (mounted,) = (item["key"] for each in pod["volumes"] if "secret" in each for item in each["secret"]["items"])
        referred = {
            each["valueFrom"]["secretKeyRef"]["key"]
            for container in [*pod["initContainers"], *pod["containers"]]
            for each in container["env"]
            if "valueFrom" in each
        }
        assert made[name] == {mounted, *referred}


def test_services_refer_to_what_the_compose_file_has():
    document = compose()
    for name, service in document["services"].items():
        assert set(service.get("depends_on", {})) <= document["services"].keys()
        for kind in ("secrets", "configs"):
            named = {each if isinstance(each, str) else each["source"] for each in service.get(kind, [])}
            assert named <= document.get(kind, {}).keys(), name
        for volume in service.get("volumes", []):
            source = volume.rpartition(":/")[0].rpartition(":/")[0] or volume.partition(":")[0]
            is_file = source.startswith(".") and (ROOT / "examples" / source).is_file()
            assert is_file or source in document["volumes"] or source.startswith("${"), volume
    files = [environment_of(name)["PRODUCER_IDENTITY_FILE"] for name in ("watch", "upgrade-reconciler")]
    assert set(files) == {"/run/secrets/identity.key"}
    assert instructions("ENV")[0].split("OVERLAY_HOME=")[1].split()[0] == "/var/lib/overlay"


def test_prometheus_shows_the_token_that_the_gateway_wants_and_has_our_rules():
    document = compose()
    told = yaml.safe_load(document["configs"]["prometheus"]["content"])
    (job,) = told["scrape_configs"]
    secret = Path(job["authorization"]["credentials_file"])
    assert document["secrets"][secret.name] == {"environment": "OVERLAY_ADMIN_TOKEN"}
    assert job["static_configs"] == [{"targets": [f"gateway:{instructions('EXPOSE')[0]}"]}]
    (rules,) = told["rule_files"]
    assert f"./prometheus/{rules}:/etc/prometheus/{rules}:ro" in document["services"]["prometheus"]["volumes"]
