"""The main group: what it lists, what it says about a slip of the finger, and how quickly."""

import ast
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from worker.cli import COMMANDS, cli, load

REPO = Path(__file__).parents[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_listed_exists_and_explains_itself(name: str) -> None:
    command = load(name, COMMANDS[name])
    assert isinstance(command, click.Command)
    assert command.name == name
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_help_lists_every_command_in_a_line() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for name, entry in COMMANDS.items():
        assert any(name in line and entry.help in line for line in result.output.splitlines()), name


def test_a_slip_of_the_finger_gets_a_suggestion_and_exit_code_2() -> None:
    result = CliRunner().invoke(cli, ["repaly"])
    assert result.exit_code == 2
    assert "No such command 'repaly'. Did you mean 'replay'?" in result.output
    result = CliRunner().invoke(cli, ["policy", "chekc"])
    assert (result.exit_code, "Did you mean 'check'?" in result.output) == (2, True)
    result = CliRunner().invoke(cli, ["zzz"])
    assert result.exit_code == 2
    assert "Did you mean" not in result.output


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("stream-audit ")


def test_help_imports_no_heavy_module_and_is_quick() -> None:
    heavy = "faust", "aiokafka", "confluent_kafka", "rich", "orjson", "msgspec", "yaml"
    code = (
        "import sys\nfrom worker.cli import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit:\n    pass\n"
        f"found = [m for m in {heavy!r} if m in sys.modules]\nassert not found, found\n"
    )
    took = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=REPO, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - began)
    assert statistics.median(took) < 1.0, "the bar is 0.3 s on an idle machine; tests share theirs"


def test_python_m_worker_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "worker", "--version"], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("stream-audit ")


COMMAND_LINES_MAX = 250
SHARED = {"arguments", "book", "files", "groups", "interrupt", "logs", "printable", "terminal"}
"""What commands share; everything else in worker/cli is a command, or a part that its group adds."""


def _imports(path: Path) -> set[str]:
    """The modules of worker.cli that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "worker.cli":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("worker.cli."):
            found.add((node.module or "").split(".")[2])
    return found


def test_commands_only_parse_and_print_and_do_not_import_each_other() -> None:
    """What they would share belongs into worker/tools, worker/lab or the modules that `SHARED` names."""
    found = []
    for path in sorted((REPO / "worker" / "cli").glob("*.py")):
        if len(path.read_text(encoding="utf-8").splitlines()) > COMMAND_LINES_MAX:
            found.append(f"{path.name}: more than {COMMAND_LINES_MAX} lines")
        if path.stem != "__init__":
            others = _imports(path) - SHARED
            found += [f"{path.name} imports {name}" for name in others if not name.startswith(f"{path.stem}_")]
    assert not found
