"""The bill of materials: valid CycloneDX, every pin with its hashes, made by the same words in Makefile and image."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.files import DEPLOY, REPOSITORY

validation = pytest.importorskip(
    "cyclonedx.validation.json", reason="requirements/deploy.txt is not installed: `make check-deploy` does"
)

MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def arguments(text: str) -> list[str]:
    """The words behind `cyclonedx-py` in a Makefile or Dockerfile, without where the result goes."""
    (found,) = re.findall(r"cyclonedx-py (.+\\\n.+)", text)
    words: list[str] = found.replace("\\\n", " ").split()
    at = words.index("--output-file")
    return words[:at] + words[at + 2 :]


@pytest.fixture(scope="module")
def bill() -> str:
    program = Path(sys.executable).with_name("cyclonedx-py")
    command = [str(program), *arguments(MAKEFILE), "--output-file", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_image_and_the_makefile_make_the_same_bill() -> None:
    assert arguments(DOCKERFILE) == arguments(MAKEFILE)
    assert "requirements/base.txt" in arguments(MAKEFILE)
    assert "COPY --from=sbom" in DOCKERFILE.rpartition("\nFROM ")[2]


def test_the_bill_is_valid(bill: str) -> None:
    from cyclonedx.schema import SchemaVersion

    version = SchemaVersion.from_version(json.loads(bill)["specVersion"])
    assert validation.JsonStrictValidator(version).validate_str(bill) is None


def test_the_bill_lists_every_pin_with_every_hash(bill: str) -> None:
    pinned = (REPOSITORY / "requirements" / "base.txt").read_text(encoding="utf-8")
    wanted = {
        (name, version, frozenset(re.findall(r"sha256:([0-9a-f]{64})", hashes)))
        for name, version, hashes in re.findall(r"^([\w.-]+)==(\S+) \\\n((?: .+\n)+)", pinned, re.M)
    }
    assert len(wanted) > 30
    components: list[dict[str, Any]] = json.loads(bill)["components"]
    listed = {
        (
            part["name"],
            part["version"],
            frozenset(h["content"] for r in part.get("externalReferences", ()) for h in r.get("hashes", ())),
        )
        for part in components
    }
    assert listed == wanted


def test_the_bill_says_the_same_every_time_and_names_the_product(bill: str) -> None:
    document = json.loads(bill)
    assert document["metadata"]["component"]["name"] == "stream-audit"
    assert "timestamp" not in document["metadata"]
    assert "serialNumber" not in document
