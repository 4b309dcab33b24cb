"""Results of a long measurement, kept as they come: it may be stopped at any time, and goes on where it was.

One SQLite file holds one row per finished piece of work, and what it depends on: the sources of its kind and what the
piece does. A result of other code is passed over and made again, because a sum over two versions of the detection means
nothing.
"""

import sqlite3
from collections.abc import Iterable
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Self

import msgspec

import worker
from worker.lab.evaluate.pieces import Piece

WORKER_DIR = Path(worker.__file__).parent
_ROOM = (
    "audit", "policy", "policies", "ingress", "partition", "egress", "records.py", "topics.py", "resources.py",
    "tools/policyfiles.py", "tools/roomlog.py", "tools/times.py", "lab/simulate", "lab/evaluate/rooms.py",
    "lab/evaluate/watch.py",
)  # fmt: skip
_SCENE = ("lab/simulate/scenes.py", "partition/identities.py", "identities", "lab/evaluate/scenes.py")
"""What scenes alone depend on, also where it lies in a folder that others name."""
SOURCES: dict[str, tuple[str, ...]] = {
    "rooms": _ROOM,
    "honest": (*_ROOM, "lab/evaluate/tally.py"),
    "scene": (*_ROOM, *_SCENE),
    "bound": ("audit", "lab/evaluate/rooms.py", "lab/evaluate/watch.py", "lab/evaluate/bound.py"),
}
"""What results of a kind depend on: detection, rules, simulator, and how outcomes are taken. What a piece does is part
of its own mark."""
LIBRARIES = ("cel-expr-python", "msgspec", "orjson")
SUFFIXES = (".py", ".yaml", ".json", ".toml")
LOCK_SECONDS = 60


def sources_of(kind: str) -> list[Path]:
    """The files that results of pieces of a kind depend on, in a fixed order."""
    found = set()
    for source in SOURCES[kind]:
        place = WORKER_DIR / source
        for path in place.rglob("*") if place.is_dir() else (place,):
            name = path.relative_to(WORKER_DIR).as_posix()
            if path.suffix in SUFFIXES and (kind == "scene" or name not in _SCENE):
                found.add(path)
    return sorted(found)


def fingerprint(kind: str) -> str:
    """A hash of the sources and tables that results of pieces of a kind depend on."""
    digest = sha256(" ".join(f"{name} {version(name)}" for name in LIBRARIES).encode())
    for path in sources_of(kind):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(WORKER_DIR).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


class Results:
    """Finished pieces by name. A context manager; several processes may read while one writes.

    Raises:
        sqlite3.Error: the file cannot be read, or is no such file.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS results (name TEXT PRIMARY KEY, code TEXT NOT NULL, result BLOB NOT NULL)"
        )
        self._fingerprints = {kind: fingerprint(kind) for kind in SOURCES}

    def code_of(self, piece: Piece) -> str:
        """What a result of the piece depends on: sources, and what the piece does."""
        does = sha256(msgspec.msgpack.encode(piece)).hexdigest()[:16]
        return f"{self._fingerprints[piece.kind]} {does}"

    def add(self, piece: Piece, result: bytes) -> None:
        """Keep a piece for good."""
        self._db.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (piece.name, self.code_of(piece), result))

    def finished(self, pieces: Iterable[Piece]) -> list[tuple[Piece, bytes]]:
        """Those of `pieces` that are done by the present code, with their results."""
        kept = {name: (code, result) for name, code, result in self._db.execute("SELECT * FROM results")}
        found = []
        for piece in pieces:
            code, result = kept.get(piece.name, ("", b""))
            if code == self.code_of(piece):
                found.append((piece, result))
        return found

    def outdated(self, pieces: Iterable[Piece]) -> int:
        """How many of `pieces` were done by other code."""
        kept: dict[str, str] = dict(self._db.execute("SELECT name, code FROM results"))
        return sum(piece.name in kept and kept[piece.name] != self.code_of(piece) for piece in pieces)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
