"""Finds a violation and the log of its room again, in files or in Kafka, and judges that log again."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from worker.policy.feed import PolicyFeed
from worker.policy.judge import Judge
from worker.policy.switch import SWITCH_KEY
from worker.records import OutRecord
from worker.tools.kafkalog import KafkaLog
from worker.tools.replay import Replay, ViolationLine, line_of, parse_violation_line, violation_line
from worker.tools.roomlog import Faults, LogRecord, RoomLogError, lines, read
from worker.topics import EVENTS_TOPIC, HISTORY_TOPIC, VIOLATIONS_TOPIC

LINE_BYTES_MAX = 1 << 20
CONTEXT_CHARS = 20
VIOLATIONS_FILE = "violations.jsonl"
LOG_FILES = ("log.jsonl", "log.jsonl.gz", "log.jsonl.zst")


class NotFoundError(LookupError):
    """No such violation, several of them, or no log of its room; the message says where was looked."""


@dataclass(frozen=True)
class Files:
    """Files of violations, and room logs. Bad lines in either are passed over and counted in `faults`."""

    violations: list[Path] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults, kw_only=True)

    @classmethod
    def sort(cls, paths: list[Path], faults: Faults) -> "Files":
        """Sorts files and directories (as `demo` writes them) by what stands in them.

        Raises NotFoundError when a directory holds no violations, RoomLogError when a file cannot be read.
        """
        found = cls(faults=faults)
        for path in paths:
            if path.is_dir():
                if not (path / VIOLATIONS_FILE).is_file():
                    raise NotFoundError(f"{path}: no {VIOLATIONS_FILE} there; did `stream-audit demo` run?")
                found.violations.append(path / VIOLATIONS_FILE)
                found.logs.extend(path / name for name in LOG_FILES if (path / name).is_file())
            elif _holds_violations(path):
                found.violations.append(path)
            else:
                found.logs.append(path)
        return found

    def find(self, wanted: str) -> ViolationLine:
        """The violation whose id begins with `wanted`. Raises NotFoundError when none or several do."""
        return _only(wanted, (line for path in self.violations for line in self._violations(path)), self.violations)

    def log_of(self, violation: dict[str, Any]) -> Iterator[LogRecord]:
        """The records of the violation's room and switches of policies, from all logs, bare events in its partition."""
        key = str(violation["room_id"]).encode()
        for path in self.logs:
            for record in read(path, partition=violation["log"]["partition"], faults=self.faults):
                if record.key in (key, SWITCH_KEY) or record.topic == HISTORY_TOPIC:
                    yield record

    def _violations(self, path: Path) -> Iterator[ViolationLine]:
        for number, line in lines(path, LINE_BYTES_MAX, self.faults):
            try:
                yield parse_violation_line(line)
            except msgspec.MsgspecError as error:
                self.faults.pass_over(RoomLogError(f"{path}:{number}: not a record of a violation: {error}"))


def find_in_kafka(log: KafkaLog, wanted: str) -> ViolationLine:
    """The violation whose id begins with `wanted`, from `live.audit.violations`. Raises NotFoundError."""

    def lines() -> Iterator[ViolationLine]:
        for record in log.read(VIOLATIONS_TOPIC):
            if (dict(record.headers).get("ce_id") or b"").startswith(wanted.encode()):
                yield line_of(OutRecord(VIOLATIONS_TOPIC, record.key, record.value, record.headers, record.timestamp))

    return _only(wanted, lines(), [VIOLATIONS_TOPIC])


def log_in_kafka(log: KafkaLog, violation: dict[str, Any], *, whole: bool = False) -> Iterator[LogRecord]:
    """The records of the violation's room, from the beginning of its session (`whole`: of the log) to the verdict, and
    the switches of policies among them."""
    about = violation["log"]
    key = str(violation["room_id"]).encode()
    first_offset = 0 if whole else about["first_offset"]
    for record in history_in_kafka(log, about["topic"], about["partition"]):
        yield record
    records = log.read_rooms(about["topic"], about["partition"], first_offset=first_offset)
    for record in records:
        if record.offset > about["last_offset"]:
            return
        if record.key in (key, SWITCH_KEY):
            yield record


def history_in_kafka(log: KafkaLog, room_log: str, partition: int) -> Iterator[LogRecord]:
    """What an earlier release left of a partition; nothing where there is no such topic."""
    topic = room_log.removesuffix(EVENTS_TOPIC) + HISTORY_TOPIC
    if log.has(topic):
        for record in log.read(topic, partition=partition):
            yield record._replace(topic=HISTORY_TOPIC)


def _only(wanted: str, lines: Iterator[ViolationLine], places: list[Any]) -> ViolationLine:
    found: dict[str, ViolationLine] = {}
    for line in lines:
        violation_id = line.headers.get("ce_id", "")
        if violation_id.startswith(wanted):
            found[violation_id] = line
    if not found:
        hint = "" if places else ": name a file of violations, or demo's --out, with --from"
        where = ", ".join(map(str, places)) or "nowhere"
        raise NotFoundError(f"no violation {wanted}; looked in {where}{hint}")
    if len(found) > 1:
        raise NotFoundError(f"{len(found)} violations begin with {wanted}: {', '.join(sorted(found)[:5])}")
    return found.popitem()[1]


def _holds_violations(path: Path) -> bool:
    """Whether the first line of `path` is a violation record, or there is none; a room log's is an event."""
    if not path.is_file():
        return False  # a pipe: what is read of it is gone
    for _, line in lines(path, LINE_BYTES_MAX, Faults()):
        try:
            parse_violation_line(line)
        except msgspec.MsgspecError:
            return False
        break
    return True


def recompute(
    judge: Judge, records: Iterator[LogRecord], violation_id: str, feed: PolicyFeed | None = None
) -> ViolationLine | None:
    """Judge `records` and return the violation of that id; None when it does not come out again."""
    for step in Replay(judge, feed=feed).run(records):
        for record in step.of(VIOLATIONS_TOPIC):
            if dict(record.headers).get("ce_id") == violation_id.encode():
                return parse_violation_line(violation_line(record))
    return None


def verdict_of(
    judge: Judge,
    line: ViolationLine,
    violation: dict[str, Any],
    records: Iterator[LogRecord],
    *,
    feed: PolicyFeed | None = None,
) -> tuple[str, list[str]]:
    """Whether a violation follows from its room's log: "identical", "different", "missing" or "no log", and why.

    `feed` holds what was published; without it policies come from the judge's book alone.
    """
    left: list[LogRecord] = []
    first = next(records, None)
    while first is not None and first.topic:
        left.append(first)
        first = next(records, None)
    if first is None:
        return "no log", [f"no record of room {violation['room_id']} in the logs given; name its log with --from"]
    again = recompute(judge, chain([*left, first], records), violation["violation_id"], feed)
    if again is None:
        return "missing", ["the log and these policies do not lead to this violation"]
    found = differences(line, again)
    if found and violation["transition"] == "parked":
        found.append("caps and pauses count over all rooms of the partition, and only this room's log was read")
    return ("different", found) if found else ("identical", [])


def differences(was: ViolationLine, now: ViolationLine) -> list[str]:
    """Every place in which two records of a violation differ, as `path: old → new`; none when equal to the byte."""
    if msgspec.json.encode(was) == msgspec.json.encode(now):
        return []
    found = list(_differences("key", was.key, now.key))
    found += _differences("timestamp_ms", was.timestamp_ms, now.timestamp_ms)
    found += _differences("headers", was.headers, now.headers)
    found += _differences("value", msgspec.json.decode(was.value), msgspec.json.decode(now.value))
    return found or ["value: same fields, but other bytes (order of keys, or how numbers are written)"]


def _differences(path: str, was: object, now: object) -> Iterator[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted({*was, *now}):
            yield from _differences(f"{path}.{key}", was.get(key), now.get(key))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for i, (a, b) in enumerate(zip(was, now, strict=True)):
            yield from _differences(f"{path}[{i}]", a, b)
    elif isinstance(was, str) and isinstance(now, str) and was != now:
        pairs = enumerate(zip(was, now, strict=False))
        at = next((i for i, (a, b) in pairs if a != b), min(len(was), len(now)))
        start = max(0, at - CONTEXT_CHARS)
        yield f"{path}: {_part(was, start)} → {_part(now, start)}"
    elif was != now:
        yield f"{path}: {was!r} → {now!r}"


def _part(text: str, start: int) -> str:
    """What stands around the first difference of two texts."""
    end = start + 4 * CONTEXT_CHARS
    return f"{'…' if start else ''}{text[start:end]!r}{'…' if len(text) > end else ''}"
