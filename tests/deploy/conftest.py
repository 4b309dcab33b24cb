"""Tools that these tests need. `make check-deploy` builds them. Without it, the tests that need them are skipped."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.files import BIN, DEPLOY, OVERLAYS

REQUIRED = os.environ.get("CHECK_DEPLOY") == "1"


def tool(name: str) -> Path:
    """A program under build/deploy/bin. Outside of `make check-deploy` the test is skipped: these take a minute."""
    if not REQUIRED:
        pytest.skip("`make check-deploy` runs this")
    path = BIN / name
    assert path.is_file(), f"{path} is not built: `make check-deploy` does it"
    return path


@pytest.fixture(scope="session")
def promtool() -> Path:
    return tool("promtool")


@cache
def built(overlay: str) -> list[dict[str, Any]]:
    """Every object of an overlay, as kustomize builds it."""
    command = [str(tool("kustomize")), "build", str(DEPLOY / "k8s" / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rendered(overlay: str) -> list[dict[str, Any]]:
    """Every object of an overlay, as kustomize builds it."""
    return built(overlay)
