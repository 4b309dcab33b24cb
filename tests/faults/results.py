"""Results of faults, a line for each seed in `build/faults.jsonl`, so that a run that ends early has lost nothing."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from tests.support.kafka import REPOSITORY

PATH = REPOSITORY / "build" / "faults.jsonl"
JUDGED = ("worker", "tests/faults", "tests/support", "requirements/base.txt", "schemas")
"""What a result depends on: a commit that touches none of these leaves it as it is."""


@dataclass
class Result:
    """What became of one seed of one fault. `load`: the machine's load average of a minute when it ended."""

    fault: str
    seed: int
    passed: bool
    seconds: float
    seen: dict[str, int]
    commit: str
    failure: str = ""
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 1))
    machine: str = field(default_factory=lambda: f"{os.cpu_count()} cores {platform.machine()}")


_lock = threading.Lock()


def append(result: Result, path: Path = PATH) -> None:
    """Keeps a result; any thread may."""
    path.parent.mkdir(exist_ok=True)
    with _lock, path.open("a", encoding="utf-8") as out:
        out.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")


def newest(path: Path = PATH) -> list[Result]:
    """The newest result of each seed of each fault."""
    return list({(result.fault, result.seed): result for result in _all(path)}.values())


def _all(path: Path) -> Iterator[Result]:
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield Result(**json.loads(line))


@cache
def commit() -> str:
    """The last commit that touches what is judged; with a plus when something of it is not committed."""
    last = _git("log", "-1", "--format=%h", "--", *JUDGED)
    return last + ("+" if _git("status", "--porcelain", "--", *JUDGED) else "")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.strip()
