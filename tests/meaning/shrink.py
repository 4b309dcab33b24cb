"""Make a log on which the two judges differ as short as it can be, and write it down for people."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tests.meaning.aspects import ASPECTS, SHALLOW, Case, Difference, first_difference
from tests.meaning.log import HOUR, MINUTE, SECOND, Record

TRIES_MAX = 600
ENVELOPE = ("type", "id", "room_id", "at_ms", "session_id")
DULL = ("platform", "region", "shop_ids", "operator_id", "device_id", "selling", "scheme", "detector", "version",
        "segment_id", "comment_id", "viewer_id", "rooms", "gift_id", "currency", "product_id")  # fmt: skip


def numbered(records: Sequence[Record]) -> list[Record]:
    """The records with offsets without gaps, as a log has them."""
    return [replace(record, offset=offset) for offset, record in enumerate(records)]


def shrunk(records: Sequence[Record], aspect: str, what: str) -> list[Record]:
    """Delete records for as long as the two still differ in the same thing."""
    return least(records, lambda kept: first_difference(kept, aspect, what) is not None)


def least(records: Sequence[Record], stays: Callable[[Sequence[Record]], bool], tries: int = TRIES_MAX) -> list[Record]:
    """Delete runs of records, ever shorter ones, for as long as something `stays` true; at most `tries` attempts."""
    kept, run = numbered(records), max(1, len(records) // 2)
    while True:
        before, at = len(kept), 0
        while at < len(kept) and tries > 0:
            fewer = numbered(kept[:at] + kept[at + run :])
            tries -= 1
            if fewer and stays(fewer):
                kept = fewer
            else:
                at += run
        if tries <= 0 or (run == 1 and len(kept) == before):
            return kept
        run = max(1, run // 2) if len(kept) == before or run > len(kept) else run


def clock(ms: int, zero_ms: int) -> str:
    """A time after the log's first, as [h:]mm:ss.mmm."""
    sign, span = ("-" if ms < zero_ms else ""), abs(ms - zero_ms)
    hours = f"{span // HOUR}:" if span >= HOUR else ""
    return f"{sign}{hours}{span % HOUR // MINUTE:02d}:{span % MINUTE / SECOND:06.3f}"


def shown(value: Any, zero_ms: int) -> str:
    """A value for people; times as in the table."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value - zero_ms) < 100_000 * HOUR:
        return clock(value, zero_ms)
    return "unknown" if value is None else str(value)


def told(record: Record, zero_ms: int) -> str:
    """What a record says, in a line."""
    says = [f"{name.removesuffix('_ms')}={shown(value, zero_ms)}" for name, value in record.event.items()
            if name not in ENVELOPE + DULL]  # fmt: skip
    created = " (CreateTime)" if record.created else ""
    return f"{record.event['type']} {record.event['id']}{created} {' '.join(says)}"[:110]


def story(records: Sequence[Record], aspect: str, what: str) -> str:
    """A log as a table, with both opinions where they differ."""
    case = Case(records, deep=aspect not in SHALLOW)
    zero_ms = min(min(int(r.event["at_ms"]), r.timestamp_ms) for r in records)
    found: dict[int, Difference] = {}
    for difference in ASPECTS[aspect](case):
        if difference.what == what:
            found.setdefault(difference.offset, difference)
    lines = [f"{'#':>3}  {'appended':>10}  {'at':>10}  {'session':9}  {'core says':10}{'oracle says':11}  event"]
    for record, (after, placed) in zip(records, case.both, strict=True):
        lines.append(
            f"{record.offset:>3}  {clock(record.timestamp_ms, zero_ms):>10}  "
            f"{clock(int(record.event['at_ms']), zero_ms):>10}  {record.event.get('session_id', '–'):9}  "
            f"{after.status:10}{placed.status:11}  {told(record, zero_ms)}"
        )
        if record.offset in found:
            _, name, core, oracle = found[record.offset]
            lines.append(f"     → {name}: core {shown(core, zero_ms)}, oracle {shown(oracle, zero_ms)}")
    return "\n".join(lines)
