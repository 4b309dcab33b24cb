"""Reads the sample of version 3 of the state: its room log, what its release wrote, and its changelogs."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

from worker.topics import VIOLATIONS_TOPIC

FOLDER = Path(__file__).resolve().parents[1] / "data" / "state3"
ROOMS_CHANGELOG, IDENTITIES_CHANGELOG = "old-rooms-changelog", "old-identities-changelog"
PARTITIONS = 3
NOW_MS = 1_780_000_000_000
DAY_MS = 24 * 3_600_000
WEEK_MS = 7 * DAY_MS


class Kept(NamedTuple):
    """A record as it lay in a topic."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


def policies() -> str:
    """The policies that judged the sample."""
    return (FOLDER / "policies.yaml").read_text(encoding="utf-8")


@cache
def topic(name: str) -> list[Kept]:
    """All records of a topic, by partition and offset."""
    packed = (FOLDER / "topics.jsonl.zst").read_bytes()
    text = zstandard.ZstdDecompressor().decompress(packed, max_output_size=64 << 20).decode()
    found: list[Kept] = []
    ends = dict.fromkeys(range(PARTITIONS), 0)
    for line in map(json.loads, text.splitlines()):
        if line["topic"] == name:
            partition = line["partition"]
            headers = tuple((key, value.encode()) for key, value in line.get("headers", {}).items())
            key, value = (None if line[part] is None else base64.b64decode(line[part]) for part in ("key", "value"))
            found.append(Kept(partition, ends[partition], line["timestamp"], key, value, headers))
            ends[partition] += 1
    return sorted(found, key=lambda kept: (kept.partition, kept.offset))


def partition_of(name: str, partition: int) -> list[Kept]:
    """One partition of a topic."""
    return [kept for kept in topic(name) if kept.partition == partition]


def violations() -> list[dict[str, Any]]:
    """What the old release has said."""
    return [json.loads(kept.value or b"") for kept in topic(VIOLATIONS_TOPIC)]


def violation(room: str, transition: str, *, newest: bool = True) -> dict[str, Any]:
    """The newest violation of a room with that transition, or its first."""
    about = [v for v in violations() if v["room_id"] == f"wechat_channels:{room}" and v["transition"] == transition]
    return max(about, key=lambda v: v["decided_at_ms"] if newest else -v["decided_at_ms"])
