"""What the results of a measurement depend on: change that, and they are made again."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.lab.evaluate.results import SOURCES, WORKER_DIR, fingerprint, sources_of

ENTRIES = {
    "rooms": ("worker.lab.evaluate.rooms",),
    "honest": ("worker.lab.evaluate.rooms", "worker.lab.evaluate.tally"),
    "scene": ("worker.lab.evaluate.scenes",),
}
"""The modules that make the results of a kind; `bound` only steps families and reads less than it imports."""


def test_the_fingerprint_follows_the_sources_that_a_kind_depends_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "worker"
    shutil.copytree(WORKER_DIR, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("worker.lab.evaluate.results.WORKER_DIR", copy)
    before = {kind: fingerprint(kind) for kind in SOURCES}

    def changed(source: str) -> set[str]:
        (copy / source).write_text((copy / source).read_text() + "\n")
        after = {kind: fingerprint(kind) for kind in SOURCES}
        found = {kind for kind in SOURCES if after[kind] != before[kind]}
        before.update(after)
        return found

    assert changed("lab/evaluate/tables.py") == set()
    assert changed("audit/room.py") == set(SOURCES)
    for source in ("lab/simulate/stage.py", "lab/simulate/archetypes/avatars.py", "partition/rooms.py", "records.py"):
        assert changed(source) == {"rooms", "honest", "scene"}
    for source in ("lab/simulate/scenes.py", "partition/identities.py", "identities/fleets.py"):
        assert changed(source) == {"scene"}
    assert changed("lab/evaluate/bound.py") == {"bound"}


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names))


def imported_in_turn(*entries: str) -> set[Path]:
    """The worker's modules that these import, those that these import in turn, and so on; packages are not counted."""
    found: set[Path] = set()
    todo = list(entries)
    while todo:
        path = (WORKER_DIR.parent / todo.pop().replace(".", "/")).with_suffix(".py")
        if path.is_relative_to(WORKER_DIR) and path.is_file() and path not in found:
            found.add(path)
            todo += imported(path)
    return found


@pytest.mark.parametrize("kind", ENTRIES)
def test_every_module_that_makes_a_result_counts_in_its_fingerprint(kind: str) -> None:
    modules = imported_in_turn(*ENTRIES[kind])
    assert len(modules) > 50
    assert modules - set(sources_of(kind)) == set()


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_of_a_kind_is_there(kind: str) -> None:
    assert [source for source in SOURCES[kind] if not (WORKER_DIR / source).exists()] == []
