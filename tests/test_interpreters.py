"""Which Python `make` takes, and under which it tests: `scripts/interpreters.sh` on machines made of stubs."""

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "interpreters.sh"
SUPPORTED = ("3.11", "3.12", "3.13")


def _interpreter(path: Path, version: str) -> None:
    """A program that answers as the CPython of `version` does."""
    _program(path, f'echo "{version.rpartition(".")[0]} {version} {path}"')


def _program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def _found(machine: Path, *arguments: str) -> list[str]:
    """What the script prints where only `machine`/bin and a few tools are on PATH, and pyenv is in `machine`/pyenv."""
    tools = machine / "tools"
    tools.mkdir(exist_ok=True)
    for tool in ("bash", "sh"):
        if not (tools / tool).exists():
            (tools / tool).symlink_to(f"/bin/{tool}")
    environment = {"PATH": f"{machine / 'bin'}{os.pathsep}{tools}", "PYENV_ROOT": str(machine / "pyenv")}
    done = subprocess.run([str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_names_on_the_path_and_versions_of_pyenv_are_found_lowest_first(tmp_path: Path) -> None:
    _interpreter(tmp_path / "bin" / "python3.12", "3.12.4")
    _interpreter(tmp_path / "pyenv" / "versions" / "3.13.0" / "bin" / "python", "3.13.0")
    _interpreter(tmp_path / "pyenv" / "versions" / "3.11.7" / "bin" / "python", "3.11.7")
    assert _found(tmp_path, *SUPPORTED) == [
        f"3.11 3.11.7 {tmp_path}/pyenv/versions/3.11.7/bin/python",
        f"3.12 3.12.4 {tmp_path}/bin/python3.12",
        f"3.13 3.13.0 {tmp_path}/pyenv/versions/3.13.0/bin/python",
    ]


def test_a_name_that_does_not_run_counts_as_not_found(tmp_path: Path) -> None:
    for name in ("python3", "python3.12"):
        _program(tmp_path / "bin" / name, f'echo "pyenv: {name}: command not found" >&2\nexit 127')
    assert _found(tmp_path, *SUPPORTED) == []
    _interpreter(tmp_path / "pyenv" / "versions" / "3.12.1" / "bin" / "python", "3.12.1")
    assert _found(tmp_path, *SUPPORTED) == [f"3.12 3.12.1 {tmp_path}/pyenv/versions/3.12.1/bin/python"]


def test_versions_that_are_not_supported_are_passed_over(tmp_path: Path) -> None:
    _interpreter(tmp_path / "bin" / "python3", "3.14.0")
    _interpreter(tmp_path / "bin" / "python3.11", "3.10.13")  # a name that lies
    assert _found(tmp_path, *SUPPORTED) == _found(tmp_path, "--choose", *SUPPORTED) == []


def test_make_takes_python3_where_it_is_supported_and_else_the_lowest(tmp_path: Path) -> None:
    _interpreter(tmp_path / "bin" / "python3.11", "3.11.9")
    _interpreter(tmp_path / "bin" / "python3.13", "3.13.1")
    _interpreter(tmp_path / "bin" / "python3", "3.12.4")
    assert _found(tmp_path, "--choose", *SUPPORTED) == [f"3.12 3.12.4 {tmp_path}/bin/python3"]
    _interpreter(tmp_path / "bin" / "python3", "3.10.13")
    assert _found(tmp_path, "--choose", *SUPPORTED) == [f"3.11 3.11.9 {tmp_path}/bin/python3.11"]
