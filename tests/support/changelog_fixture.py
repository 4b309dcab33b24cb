"""Writes what a later version must be able to go on from: a room log, the changelog of its first half, the layout.

The policies that judged the first half lie beside them, so that a change of a rule that ships changes nothing here.

    python -m tests.support.changelog_fixture tests/data/changelog/VERSION

VERSION is `snapshot.VERSION`. The folder of a released version is never written again; that of one that no release has
had yet may be removed and written again.
"""

from __future__ import annotations

import base64
import json
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec.inspect
import zstandard

from tests.support.engine import room_log
from tests.support.headers import Headed, header
from tests.support.oracle import judge
from worker.audit.room import Room
from worker.partition.rooms import PartitionProcessor
from worker.resources import POLICIES_DIR
from worker.state.codec import Caps, Meta, Write
from worker.state.rooms import RoomStore
from worker.topics import VIOLATIONS_TOPIC

SEED, ROOMS, STEPS, HALF = 11, 8, 1_600, 800
EVENTS, CHANGELOG, LAYOUT, SENT = "events.jsonl.zst", "changelog.jsonl.zst", "layout.json", "violations.json"
POLICIES = "policies"


class LogRecord(NamedTuple):
    """A record of the room log, as the processor takes it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def judged(store: RoomStore, records: list[LogRecord], folder: Path) -> list[Any]:
    """The violations that records lead to, on top of a store, by the policies in a folder."""
    rules = judge(folder / POLICIES)
    processor = PartitionProcessor(topic="live.room.events", partition=0, rooms=store, judge=rules)
    found: list[Any] = []
    for first in range(0, len(records), 100):
        found += processor.process(records[first : first + 100]).of(VIOLATIONS_TOPIC)
    return found


def id_of(violation: Headed) -> str:
    """The id in a violation's headers."""
    return header(violation, "ce_id").decode()


def read_lines(path: Path) -> list[Any]:
    """The values of a JSON Lines file under zstd."""
    text = zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=64 << 20).decode()
    return [json.loads(line) for line in text.splitlines()]


def log_of(folder: Path) -> list[LogRecord]:
    return [
        LogRecord(offset, timestamp, base64.b64decode(key), base64.b64decode(value))
        for offset, (key, value, timestamp) in enumerate(read_lines(folder / EVENTS))
    ]


def changelog_of(folder: Path) -> list[Write]:
    return [Write(base64.b64decode(key), base64.b64decode(value), ()) for key, value in read_lines(folder / CHANGELOG)]


def layout() -> dict[str, Any]:
    """The stored structures: by name their fields in order, each with its type and whether it has a default."""
    found: dict[str, Any] = {}

    def visit(kind: Any) -> Any:
        if isinstance(kind, msgspec.inspect.StructType):
            name = kind.cls.__name__
            if name not in found:
                found[name] = []
                found[name] = [[f.encode_name, visit(f.type), not f.required] for f in kind.fields]
            return name
        if isinstance(kind, msgspec.inspect.EnumType):
            return sorted(str(member.value) for member in kind.cls)
        inner = [
            visit(getattr(kind, part))
            for part in ("key_type", "value_type", "item_type")
            if getattr(kind, part, None) is not None
        ]
        inner += [visit(part) for part in (*getattr(kind, "types", ()), *getattr(kind, "item_types", ()))]
        name = type(kind).__name__.removesuffix("Type").lower()
        return [name, *inner] if inner else name

    for stored in (Room, Meta, Caps):
        visit(msgspec.inspect.type_info(stored))
    return dict(sorted(found.items()))


def write(folder: Path) -> None:
    """Writes the four files and the policies; a folder that exists is an error."""
    shutil.copytree(POLICIES_DIR, folder / POLICIES, ignore=shutil.ignore_patterns("*.md"))
    log = list(room_log(SEED, rooms=ROOMS, steps=STEPS))
    records = [LogRecord(offset, at, key, value) for offset, (key, value, at) in enumerate(log)]
    store = RoomStore("changelog", 0)
    sent = judged(store, records[:HALF], folder)
    writes = store.capture(HALF, max(room.max_at_ms for room in store.live.values()), 0, -1)

    def text(*values: bytes) -> list[object]:
        return [base64.b64encode(value).decode() for value in values]

    lines: dict[str, list[list[object]]] = {
        EVENTS: [[*text(key, value), at] for key, value, at in log],
        CHANGELOG: [text(w.key, w.value or b"") for w in writes],
    }
    for name, rows in lines.items():
        body = "".join(json.dumps(row) + "\n" for row in rows).encode()
        (folder / name).write_bytes(zstandard.ZstdCompressor(level=19).compress(body))
    (folder / SENT).write_text(json.dumps([id_of(violation) for violation in sent], indent=0) + "\n")
    (folder / LAYOUT).write_text(json.dumps(layout(), indent=1) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
