"""What commands print: safe whatever it holds, and readable at 80 columns and in a pipe."""

import ast
import io
import json
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from worker.cli.printable import printable, printable_block, printable_json
from worker.cli.terminal import Screen, console

CLI = Path(__file__).parents[2] / "worker" / "cli"
UNSEEN = "\u034f\u115f\u1160\u17b4\u180b\u3164\uffa0\ufe0f\U000e0100"
EVERY_CHARACTER = "".join(map(chr, range(sys.maxunicode + 1)))


class Terminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """What is on it, without its styles."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.getvalue())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Terminal]:
    """Put standard output on a terminal of so many columns."""

    def put(columns: int) -> Terminal:
        found = Terminal()
        monkeypatch.setattr(sys, "stdout", found)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
        return found

    return put


@pytest.mark.slow
def test_every_character_that_commands_or_hides_becomes_an_escape() -> None:
    seen = printable(EVERY_CHARACTER)
    assert not {c for c in seen if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}}
    assert not set(UNSEEN) & set(printable(" ".join(UNSEEN)))
    assert printable("a\x1b[31m\u202eb\r\n") == r"a\x1b[31m\u202eb\r\n"


def test_what_can_be_seen_stays_as_it_is() -> None:
    for text in ("", "[bold]a[/bold] :warning: \\", "主播　多少钱", "❤\ufe0f é ñ ع 🎁"):
        assert printable(text) == text


def test_lines_after_the_first_are_indented_once() -> None:
    block = printable_block("wrong\nrecomputed: identical\n  \x1b")
    assert block == "wrong\n  recomputed: identical\n  \\x1b"
    assert printable_block(block.replace("\\x1b", "")) == block.replace("\\x1b", "")


def test_json_means_the_same_and_hides_nothing() -> None:
    every = EVERY_CHARACTER[: 1 << 14] + "".join(map(chr, range(0xE0000, 0xE0200)))
    value = {"text": every, "list": [1.5, None, True, {"é": "\x9b"}]}
    for indent in (None, 2):
        text = printable_json(value, indent=indent)
        assert json.loads(text) == value
        assert not {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}} - {"\n"}


@pytest.mark.parametrize("spaces", range(1, 90))
def test_no_part_of_a_text_can_pose_as_a_line(terminal: Callable[[int], Terminal], spaces: int) -> None:
    screen = terminal(80)
    text = "an excerpt" + " " * spaces + "recomputed: identical"
    Screen().line(text)
    Screen().line(text, label="  room  ")
    Screen().line("recomputed: identical", label="  fact" + " " * spaces)
    Screen().line("recomputed: identical", label=" " * spaces)
    Screen().line(" " * spaces + "recomputed: identical")
    Screen().block(f"{text}\nrecomputed: identical")
    lines = screen.text.splitlines()
    assert all(cell_len(line) <= 80 for line in lines)
    assert not [line for line in lines if line.startswith("recomputed")]


def test_a_long_line_loses_nothing_and_goes_on_under_what_its_label_names(
    terminal: Callable[[int], Terminal],
) -> None:
    screen = terminal(80)
    words = [f"word{n}" for n in range(60)]
    Screen().line(" ".join(words), label="  basis  ")
    first, *more = screen.text.splitlines()
    assert first.startswith("  basis  word0")
    assert all(line.startswith(" " * 9 + "word") for line in more)
    assert " ".join((first, *more)).split()[1:] == words
    screen = terminal(80)
    Screen().line("标识" * 100)
    assert "".join(screen.text.split()) == "标识" * 100


NAMES = ("place", "time", "class", "original", "bytes", "")
ROW = ("3:1042", "2026-03-02 01:49:40.000+00:00", "missing_field", "live.room.events 7:1019", 40_960, "")


@pytest.mark.parametrize(("columns", "one_line_each"), [(200, True), (80, False), (60, False), (30, False)])
def test_a_table_fits_the_terminal_and_keeps_every_cell(
    terminal: Callable[[int], Terminal], columns: int, one_line_each: bool
) -> None:
    screen = terminal(columns)
    Screen().table(NAMES, [ROW, ROW], right=("bytes",), fold=("time", "original", ""))
    lines = screen.text.splitlines()
    assert all(cell_len(line) <= columns for line in lines)
    for cell in ("3:1042", "missing_field", "40960"):
        assert sum(cell in line for line in lines) == 2, "what does not fold is in one line"
    assert "…" not in screen.text
    assert (sum(f"{ROW[1]}" in line and "missing_field" in line for line in lines) == 2) is one_line_each


def test_a_pipe_gets_a_line_for_each_row_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    long = "r" * 2_000
    Screen().table(("room", "note"), [(long, "a\nb"), ("主播", "")], title="Rooms")
    title, head, first, second = capsys.readouterr().out.splitlines()
    assert (title, head.split(), first) == ("Rooms", ["room", "note"], f"{long}  a\\nb")
    assert second == "主播"


def test_brackets_and_colons_in_cells_are_no_markup(terminal: Callable[[int], Terminal]) -> None:
    screen = terminal(80)
    Screen().table(("room",), [("[bold red]x[/] :warning:",)], title="[b]t")
    Screen().line("[bold red]x[/] :warning:")
    assert screen.text.count("[bold red]x[/] :warning:") == 2
    console().print("[b]raw :warning:")
    assert "[b]t" in screen.text
    assert "[b]raw :warning:" in screen.text


def test_commands_print_through_the_terminal_alone() -> None:
    """A command that prints past it shows what comes from outside as it came."""
    own = {"terminal.py": "it is the way", "run.py": "a worker loads no more than it needs, and prints few lines"}
    found = []
    for path in sorted(CLI.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in ("print", "Console", "click.echo", "click.secho") and path.name not in own:
                    found.append(f"{path.name}:{node.lineno}: {called}")
    assert found == ["__init__.py:77: click.echo"], "the version alone, before anything is loaded"


def test_a_command_to_copy_runs_where_path_does_not_lead_to_this_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: Callable[[int], Terminal]
) -> None:
    program = tmp_path / "my venv" / "stream-audit"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])

    def said() -> str:
        screen = terminal(80)
        Screen().command("Next: stream-audit replay stream-audit .jsonl")
        return screen.text

    monkeypatch.setenv("PATH", "/nowhere")
    assert said() == f"Next: '{program}' replay stream-audit .jsonl\n"
    monkeypatch.setenv("PATH", str(program.parent))
    assert said() == "Next: stream-audit replay stream-audit .jsonl\n"
