"""The wheel, built from an sdist and installed into an empty environment, works in an empty folder."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from worker.lab.mockcluster import MockCluster
from worker.topics import load_topics

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "worker", "schemas")
BACKEND = "import sys; from setuptools import build_meta; print(build_meta.build_{}(sys.argv[1]))"
BASE = (REPOSITORY / "requirements" / "base.txt").read_text(encoding="utf-8")
PINS = {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", BASE, re.M)}
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEPENDENCIES = [Requirement(line) for line in PROJECT["dependencies"]]


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that sees nothing of this checkout."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STREAM_AUDIT_"))}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd, env={**inherited, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def must(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Built:
    """Where the wheel is, and the files that wheel and sdist hold."""

    wheel: Path
    files: set[str]
    sdist_files: set[str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Checkout → sdist → wheel, without an index and outside the checkout, where earlier builds left files."""
    directory = tmp_path_factory.mktemp("dist")
    checkout = directory / "checkout"
    checkout.mkdir()
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, checkout / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(source, checkout / name)
    sdist = must(run(sys.executable, "-c", BACKEND.format("sdist"), directory, cwd=checkout)).splitlines()[-1]
    with tarfile.open(directory / sdist) as archive:
        archive.extractall(directory / "unpacked", filter="data")
        sdist_files = {name.partition("/")[2] for name in archive.getnames()}
    (unpacked,) = (directory / "unpacked").iterdir()
    name = must(run(sys.executable, "-c", BACKEND.format("wheel"), directory, cwd=unpacked)).splitlines()[-1]
    with zipfile.ZipFile(directory / name) as wheel:
        return Built(wheel=directory / name, files=set(wheel.namelist()), sdist_files=sdist_files)


@pytest.fixture(scope="module")
def stream_audit(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, in an environment that holds the pinned requirements and the wheel alone."""
    directory = tmp_path_factory.mktemp("installed")
    venv.create(directory / "venv", with_pip=True)
    pip = (directory / "venv" / "bin" / "python", "-m", "pip", "--quiet")
    must(run(*pip, "install", "--require-hashes", "-r", REPOSITORY / "requirements" / "base.txt", cwd=directory))
    must(run(*pip, "install", "--no-index", "--no-deps", built.wheel, cwd=directory))
    must(run(*pip, "check", cwd=directory))
    return directory / "venv" / "bin" / "stream-audit"


@pytest.mark.slow
def test_wheel_and_sdist_hold_every_contract_and_rule(built: Built) -> None:
    worker = REPOSITORY / "worker"
    shipped = [*(REPOSITORY / "schemas").rglob("*"), *(worker / "policies").rglob("*"), *worker.rglob("*.toml")]
    names = [path.relative_to(REPOSITORY).as_posix() for path in shipped if path.is_file()]
    wanted = {name if name.startswith("worker/") else f"worker/{name}" for name in names}
    assert "worker/schemas/asyncapi.yaml" in wanted
    assert len(wanted) > 200
    assert wanted - built.files == set()
    assert wanted - built.sdist_files == set()


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_nothing_but_the_worker(built: Built) -> None:
    modules = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "worker").rglob("*.py")}
    assert {name for name in built.files if name.endswith(".py")} == modules
    tops = {name.split("/")[0] for name in built.files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"worker"}
    assert any(name.endswith("licenses/LICENSE") for name in built.files)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_commands_of_the_wheel_work_in_an_empty_folder(stream_audit: Path, tmp_path: Path) -> None:
    with MockCluster() as broker:
        checked = run(stream_audit, "topics", "check", "--bootstrap", broker.bootstrap, "--json", cwd=tmp_path)
    assert checked.returncode == 1, checked.stderr
    missing = {difference["topic"] for difference in json.loads(checked.stdout)["differences"]}
    assert missing == {topic.name for topic in load_topics(REPOSITORY / "schemas")}

    must(run(stream_audit, "policy", "check", cwd=tmp_path))

    shown = must(
        run(stream_audit, "demo", "--rooms", "3", "--minutes", "5", "--speed", "50000", "--json", cwd=tmp_path)
    )
    summary = json.loads(shown)
    assert summary["events"] > 0

    log = next(tmp_path.rglob("log.jsonl.zst"))
    replayed = run(stream_audit, "replay", log, "--json", cwd=tmp_path)
    assert replayed.returncode in (0, 1), replayed.stderr
    assert str(summary["events"]) in replayed.stdout


@pytest.mark.parametrize("dependency", DEPENDENCIES, ids=lambda dependency: dependency.name)
def test_a_dependency_is_bounded_on_both_sides_around_its_pin(dependency: Requirement) -> None:
    pin = PINS[canonicalize_name(dependency.name)]
    assert dependency.specifier.contains(pin)
    operators = {clause.operator for clause in dependency.specifier}
    assert operators in ({"=="}, {">=", "<"})


def test_the_lowest_versions_that_tests_run_on_are_the_lower_bounds() -> None:
    text = (REPOSITORY / "requirements" / "lowest.in").read_text(encoding="utf-8")
    lowest = {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.M)}
    for dependency in DEPENDENCIES:
        (bound,) = (clause.version for clause in dependency.specifier if clause.operator in ("==", ">="))
        assert lowest[canonicalize_name(dependency.name)] == bound, dependency.name


def test_the_metadata_names_licence_addresses_and_interpreters() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert set(PROJECT["urls"]) >= {"Homepage", "Documentation", "Source", "Changelog"}
    told = {line.rpartition(" :: ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line}
    supported = re.search(r"^SUPPORTED := (.+)$", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.M)
    assert supported
    assert told == set(supported[1].split())
