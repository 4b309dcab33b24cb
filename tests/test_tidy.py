"""The rules of the house that no linter knows. Each exemption stands in a table here, with its reason."""

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from worker.metrics import METRICS, PREFIX

REPOSITORY = Path(__file__).resolve().parents[1]
FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 400
TEXT_BYTES_MAX = 2_000_000

LONG_FUNCTIONS: dict[str, str] = {}
"""path:function → why it may be longer."""

LONG_MODULES: dict[str, str] = {}
"""path → why it may be longer."""

CLOCK_READERS = {
    "worker/clock.py": "the clock itself",
}
"""path → why it may read the system's clock."""

ENTRY_POINTS = {
    "worker/__main__.py": "started as `python -m worker` and as `stream-audit`",
    "worker/lab/demo/leash.py": "started by the demo as `python -m worker.lab.demo.leash run`",
}
"""path → who uses it, since no module imports it. Commands are found by their name in worker/cli/__init__.py."""

NO_SIGNALS = {
    "worker/audit/signals/strata.py": "no signal of its own: it reads the values of the others",
}
"""path → why it need not say what it costs and how somebody gets around it."""

SHAPELESS_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc"}

CLOCK_CALLS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time",
             "process_time_ns", "thread_time", "clock_gettime", "localtime", "gmtime", "ctime", "strftime", "sleep"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}  # fmt: skip
"""Owner → attributes that read the clock, or wait for it."""

# A letter in brackets keeps this file from holding what it forbids.
REGISTRY_HOSTS = re.compile(
    r"pyp[i]\.org|python[h]osted|repo1?\.maven|maven\.(?:org|google)|registry\.npm[j]s|proxy\.go[l]ang"
    r"|index\.crates|static\.crates|rubygems\.org|--(?:extra-)?index-ur[l][ =]|--find-link[s][ =]|--trusted-hos[t][ =]"
)
SECRETS = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KE[Y]-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\bxox[abprs]-[0-9A-Za-z-]{10,}|\bsk-[A-Za-z0-9_-]{32,}|\bglpat-[A-Za-z0-9_-]{20}\b"
)
LEFT_OVER = re.compile(r"\b(?:TOD[O]|FIXM[E]|HAC[K])\b")


def files_of_the_repository() -> list[Path]:
    """What git tracks or would track; every file of the tree where there is no git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True).stdout.decode().split("\0")
        found = {REPOSITORY / name for name in listed if name}
    except (OSError, subprocess.CalledProcessError):
        found = {path for top in ("worker", "tests", "schemas", "deploy", "requirements")
                 for path in (REPOSITORY / top).rglob("*") if "__pycache__" not in path.parts}  # fmt: skip
    return sorted(path for path in found if path.is_file())


FILES = files_of_the_repository()
MODULES = [path for path in FILES if path.suffix == ".py"]
SHIPPED = [path for path in MODULES if path.relative_to(REPOSITORY).parts[0] == "worker"]


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


@cache
def text_of(path: Path) -> str:
    """A file's text; nothing of a large one."""
    if path.stat().st_size > TEXT_BYTES_MAX:
        return ""
    return path.read_bytes().decode("utf-8", errors="replace")


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_matching(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    """`path:line: match` for everything that the pattern finds."""
    found = []
    for path in paths:
        text = text_of(path)
        for match in pattern.finditer(text):
            found.append(f"{name_of(path)}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}")
    return found


def refuse(found: list[str], rule: str) -> None:
    """Fails with the rule and every place that breaks it."""
    if found:
        pytest.fail(f"{rule}:\n  " + "\n  ".join(found), pytrace=False)


def test_the_repository_is_read_at_all() -> None:
    assert len(SHIPPED) > 50
    assert REPOSITORY / "tests" / "test_tidy.py" in MODULES


def test_no_function_is_longer_than_70_lines() -> None:
    found = []
    for path in MODULES:
        for function in functions_of(path):
            lines = (function.end_lineno or 0) - function.lineno + 1
            where = f"{name_of(path)}:{function.name}"
            if lines > FUNCTION_LINES_MAX and where not in LONG_FUNCTIONS:
                found.append(f"{where} has {lines}")
    refuse(found, f"functions have at most {FUNCTION_LINES_MAX} lines")


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {name_of(path): len(text_of(path).splitlines()) for path in MODULES}
    found = [
        f"{name} has {lines}"
        for name, lines in lengths.items()
        if lines > MODULE_LINES_MAX and name not in LONG_MODULES
    ]
    refuse(found, f"modules have at most {MODULE_LINES_MAX} lines")


def test_every_exemption_is_still_needed_and_says_why() -> None:
    exemptions = {**LONG_FUNCTIONS, **LONG_MODULES, **CLOCK_READERS, **ENTRY_POINTS, **NO_SIGNALS}
    gone = [where for where in exemptions if not (REPOSITORY / where.partition(":")[0]).is_file()]
    refuse(gone, "an exemption names a file that exists")
    refuse([where for where, why in exemptions.items() if len(why) < 10], "an exemption says why")


def clock_reads_in(tree: ast.Module, name: str) -> Iterator[str]:
    """Calls such as time.time() or datetime.now(), and imports of the time module, by line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if node.attr in CLOCK_CALLS.get(owner, ()):
                yield f"{name}:{node.lineno}: {owner}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield f"{name}:{node.lineno}: from time import …"
        elif isinstance(node, ast.Import) and any(alias.name == "time" for alias in node.names):
            yield f"{name}:{node.lineno}: import time"


def test_only_the_clock_reads_the_wall_clock() -> None:
    others = [path for path in SHIPPED if name_of(path) not in CLOCK_READERS]
    found = [read for path in others for read in clock_reads_in(tree_of(path), name_of(path))]
    refuse(found, "verdicts follow event time: take the time as a parameter, or ask worker/clock.py")


def test_nothing_is_left_to_do() -> None:
    refuse(lines_matching(LEFT_OVER, FILES), "do it, or open an issue; the code does not keep lists")


def test_modules_are_named_for_what_they_hold() -> None:
    found = [name_of(path) for path in MODULES if SHAPELESS_NAMES & {path.stem, path.parent.name}]
    refuse(found, f"no module is named {', '.join(sorted(SHAPELESS_NAMES))}")


def test_no_file_names_a_package_registry() -> None:
    refuse(lines_matching(REGISTRY_HOSTS, FILES), "where packages come from is the machine's business")


def test_no_file_holds_a_secret() -> None:
    refuse(lines_matching(SECRETS, FILES), "secrets come from files or the environment at run time")


def test_no_object_changes_its_class() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr == "__class__" and isinstance(node.ctx, ast.Store)
    ]
    refuse(found, "pass the class that is meant: an object keeps the one that it was made with")


def public_definitions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Functions and classes at the top of a module whose names do not begin with `_`."""
    return [
        node
        for node in tree_of(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]


def test_public_functions_and_classes_say_what_they_are() -> None:
    """Where one function is all that a module offers, the module's docstring speaks for it."""
    found = []
    for path in SHIPPED:
        public = public_definitions(path)
        if len(public) > 1 or any(isinstance(node, ast.ClassDef) for node in public):
            found += [f"{name_of(path)}: {node.name}" for node in public if not ast.get_docstring(node)]
    refuse(found, "public functions and classes have a docstring")


def test_modules_say_what_they_are() -> None:
    refuse([name_of(path) for path in SHIPPED if not ast.get_docstring(tree_of(path))], "modules have a docstring")


def left_unsaid(docstring: str | None) -> list[str]:
    """What a signal or a marker must say and does not: what it costs, how somebody gets around it."""
    return [word for word in ("Cost:", "Evasion:") if not re.search(rf"\b{word}\s+\S", docstring or "")]


def test_signals_and_markers_say_what_they_cost_and_how_one_gets_around_them() -> None:
    folders = {REPOSITORY / "worker" / "audit" / name for name in ("signals", "markers")}
    judging = [path for path in SHIPPED if path.parent in folders and path.name != "__init__.py"]
    assert len(judging) > 20
    found = [
        f"{name_of(path)} has no {word}"
        for path in judging
        if name_of(path) not in NO_SIGNALS
        for word in left_unsaid(ast.get_docstring(tree_of(path)))
    ]
    refuse(found, "a signal or marker names its cost and its evasion in the module's docstring")


def test_tests_are_named_as_sentences() -> None:
    found = [
        f"{name_of(path)}: {function.name}"
        for path in MODULES
        if path.name.startswith("test_")
        for function in functions_of(path)
        if function.name.startswith("test_") and function.name.count("_") < 2
    ]
    refuse(found, "a test's name says what holds")


def imported_modules(path: Path) -> Iterator[str]:
    """Dotted names that a module imports, at any depth; for `from a import b`, both a and a.b."""
    package = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts[:-1])
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                module = ".".join([*above, *([module] if module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def test_no_module_is_an_orphan() -> None:
    from worker.cli import COMMANDS

    used = {name for path in SHIPPED for name in imported_modules(path)}
    used |= {f"worker.cli.{entry.module}" for entry in COMMANDS.values()}
    found = []
    for path in SHIPPED:
        if path.name == "__init__.py" or name_of(path) in ENTRY_POINTS:
            continue
        dotted = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        if dotted not in used:
            found.append(name_of(path))
    refuse(found, "what no module of the product imports is deleted, or moved to tests/")


def test_every_package_has_an_init() -> None:
    found = sorted({name_of(path.parent) for path in SHIPPED if not (path.parent / "__init__.py").is_file()})
    refuse(found, "a folder of modules without __init__.py is found by chance only")


def test_every_metric_is_documented() -> None:
    kinds = {"counter", "gauge", "histogram"}
    found = [spec.name for spec in METRICS if spec.kind not in kinds or not spec.about.endswith(".") or not spec.about]
    refuse(found, "a metric says in a sentence what it counts, and is a counter, a gauge or a histogram")


def test_metrics_are_named_once_with_their_unit_last() -> None:
    units = ("_total", "_seconds", "_bytes", "_records", "_events", "_series")
    unitless = {"info", "live", "ready", "policy_version", "rule_parked", "rule_paused", "cap_reached",
                "partition_waits",
                "outputs_pending", "partitions_assigned", "rooms_live", "rooms_decoded", "rooms_by_level",
                "identities_live", "fleets_live", "fleet_rooms"}  # fmt: skip
    found = [spec.name for spec in METRICS if (spec.kind == "counter") != spec.name.endswith("_total")]
    found += [spec.name for spec in METRICS if not spec.name.endswith(units) and spec.name not in unitless]
    found += [name for name, count in Counter(spec.name for spec in METRICS).items() if count > 1]
    found += [spec.name for spec in METRICS if spec.name.startswith(PREFIX)]
    refuse(found, "counters end in _total, other metrics in their unit; a name stands once, without prefix")


def names_a_console(path: Path) -> bool:
    """Whether a text for people names the product's console. `rich` has a class of that name, so code is not read."""
    top = path.relative_to(REPOSITORY).parts[0]
    spoken = (
        path.suffix == ".md" or path.name == "phrases.py" or (top in ("deploy", "schemas") and path.suffix != ".py")
    )
    return spoken and re.search(r"\bconsole\b", text_of(path), re.IGNORECASE) is not None


def test_no_text_names_a_console_before_there_is_one() -> None:
    if (REPOSITORY / "worker" / "console").is_dir():
        return
    refuse([name_of(path) for path in FILES if names_a_console(path)], "there is no console yet: name what there is")


def test_the_readme_shows_only_commands_that_exist() -> None:
    from worker.cli import COMMANDS

    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"stream-audit ([a-z]+)", readme))
    refuse(sorted(shown - set(COMMANDS)), "README.md shows a command that does not exist")
    refuse(sorted(set(COMMANDS) - shown), "README.md leaves a command out")


def test_the_map_names_every_folder_of_the_worker() -> None:
    architecture = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    folders = {path.parent.relative_to(REPOSITORY / "worker").as_posix() for path in SHIPPED} - {"."}
    top = {folder.split("/")[0] for folder in folders}
    refuse(sorted(folder for folder in top if f"{folder}/" not in architecture), "ARCHITECTURE.md leaves a folder out")


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from time import monotonic",
        "stamp = time.time()",
        "stamp = datetime.datetime.now(datetime.UTC)",
        "stamp = datetime.now()",
        "stamp = date.today()",
    ],
)
def test_a_reader_of_the_clock_would_be_seen(line: str) -> None:
    assert list(clock_reads_in(ast.parse(line), "sample.py"))


@pytest.mark.parametrize("docstring", [None, "Abstains: no look.", "Evasion: jitter.", "Evasion: jitter. Cost:"])
def test_a_signal_that_leaves_its_cost_out_would_be_seen(docstring: str | None) -> None:
    assert "Cost:" in left_unsaid(docstring)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (REGISTRY_HOSTS, "see https://files.python" + "hosted" + ".org/packages"),
        (REGISTRY_HOSTS, "--index" + "-url https://mirror.example/simple"),
        (SECRETS, "-----BEGIN PRIVATE " + "KEY-----"),
        (SECRETS, "key = AKIA" + "ABCDEFGHIJKLMNOP"),
        (LEFT_OVER, "# TO" + "DO: later"),
    ],
)
def test_what_must_not_stand_in_a_file_would_be_seen(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)
