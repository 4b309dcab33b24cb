"""The image and the compose file: pinned, without root, without build tools, on loopback."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy.files import DEPLOY, MONITORING, REPOSITORY
from worker.settings import load_settings

DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
FINAL = DOCKERFILE.rpartition("\nFROM ")[2]
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
HARDENED_BY_ITSELF = {"kafka": "its image writes its configuration into its root"}
"""Service → why its root is not read-only."""


def test_every_stage_stands_on_one_base_pinned_by_digest() -> None:
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", DOCKERFILE, re.M)
    assert DIGEST.search(base)
    assert [line.split()[1] for line in DOCKERFILE.splitlines() if line.startswith("FROM")] == ["${PYTHON_IMAGE}"] * 3


def test_the_base_has_the_lowest_python_that_is_supported() -> None:
    supported = re.findall(r"Programming Language :: Python :: (3\.\d+)", (REPOSITORY / "pyproject.toml").read_text())
    assert len(supported) == 3
    assert set(re.findall(r"python:(\d+\.\d+)\.", DOCKERFILE)) == set(supported[:1])


def test_requirements_are_installed_by_hash_and_the_package_without_an_index() -> None:
    installs = re.findall(r"pip install (.+)", DOCKERFILE)
    assert all("--require-hashes" in line or "--no-index --no-deps" in line for line in installs)
    assert len(installs) == 3


def test_the_final_stage_installs_nothing_and_runs_without_root() -> None:
    assert "pip install" not in FINAL
    assert "apt-get" not in FINAL
    assert re.findall(r"^USER (.+)$", FINAL, re.M) == ["10001:10001"]


def test_the_context_holds_only_what_the_image_copies() -> None:
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M) for word in line.split()}
    assert kept == copied
    assert all((DEPLOY.parent / name).exists() for name in kept)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_bounded_and_on_loopback(name: str) -> None:
    service = SERVICES[name]
    assert "build" in service or DIGEST.search(service["image"])
    assert service["mem_limit"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "no-new-privileges:true" in service["security_opt"]
    if name not in HARDENED_BY_ITSELF:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_the_worker_accepts_its_settings_and_gets_time_to_end() -> None:
    settings = load_settings(SERVICES["worker"]["environment"])
    grace_s = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace_s >= max(settings.shutdown_timeout_s, settings.producer_timeout_s + 10)


def test_every_mounted_file_exists() -> None:
    sources = [v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", []) if v.startswith("./")]
    assert len(sources) >= 5
    assert [source for source in sources if not (DEPLOY / source).exists()] == []


def test_grafana_finds_its_boards_and_its_prometheus() -> None:
    (provider,) = yaml.safe_load((MONITORING / "grafana/dashboards/stream-audit.yaml").read_text())["providers"]
    mounts = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounts
    (source,) = yaml.safe_load((MONITORING / "grafana/datasources/prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"


def test_hadolint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("requirements/deploy.txt is not installed: `make check-deploy` does")
    done = subprocess.run([str(program), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
