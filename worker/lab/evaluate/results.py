"""Results of a long measurement, kept as they come: it may be stopped at any time, and goes on where it was.

One SQLite file holds one row per finished piece of work, and the fingerprint of the code that made them. Pieces made by
other code are refused, because a sum over two versions of the detection means nothing.
"""

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

import worker

WORKER_DIR = Path(worker.__file__).parent
SOURCES = (
    "audit",
    "policy",
    "policies",
    "processor.py",
    "matching.py",
    "lab/simulate",
    *(f"lab/evaluate/{name}.py" for name in ("run", "watch", "pieces", "bound", "farms")),
)
"""What a result depends on: detection, rules, simulator, and how outcomes are taken."""
SUFFIXES = (".py", ".yaml", ".json")
LOCK_SECONDS = 60


class OtherCode(Exception):
    """The file's results were made by other code; the message says what to do."""


def fingerprint() -> str:
    """A hash of the sources and tables that results depend on."""
    digest = sha256()
    for source in SOURCES:
        place = WORKER_DIR / source
        for path in sorted(place.rglob("*")) if place.is_dir() else (place,):
            if path.suffix in SUFFIXES:
                content = path.read_bytes()
                digest.update(f"{path.relative_to(WORKER_DIR)}\0{len(content)}\0".encode())
                digest.update(content)
    return digest.hexdigest()[:16]


class Results:
    """Finished pieces by name. A context manager; several processes may read while one writes.

    Raises:
        OtherCode: the file's results were made by code of another fingerprint.
        sqlite3.Error: the file cannot be read, or is no such file.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
        self._db.execute("CREATE TABLE IF NOT EXISTS code (fingerprint TEXT NOT NULL)")
        self._db.execute("CREATE TABLE IF NOT EXISTS pieces (name TEXT PRIMARY KEY, result BLOB NOT NULL)")
        here = fingerprint()
        made_by = self._db.execute("SELECT fingerprint FROM code").fetchone()
        if made_by is None:
            self._db.execute("INSERT INTO code VALUES (?)", (here,))
        elif made_by[0] != here:
            self._db.close()
            raise OtherCode(
                f"{path} holds results of code {made_by[0]}, this is {here}: remove the file, or give another one."
            )

    def done(self) -> set[str]:
        """Names of all finished pieces."""
        return {name for (name,) in self._db.execute("SELECT name FROM pieces")}

    def add(self, name: str, result: bytes) -> None:
        """Keep a piece for good."""
        self._db.execute("INSERT OR REPLACE INTO pieces VALUES (?, ?)", (name, result))

    def named(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Name and result of every finished piece whose name begins with `prefix`, in order of names."""
        yield from self._db.execute(
            "SELECT name, result FROM pieces WHERE substr(name, 1, ?) = ? ORDER BY name", (len(prefix), prefix)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
