"""Replay keeps rooms as the engine does: memory stays bounded, and nothing comes out differently."""

from collections.abc import Iterator

import orjson
import pytest

from worker.audit import sessions
from worker.lab.simulate import STARTED_AT_MS, Event, at_ms_of, simulate
from worker.policy.judge import Judge
from worker.tools.policyfiles import read_policies
from worker.tools.replay import Replay
from worker.tools.roomlog import LogRecord
from worker.topics import DEAD_LETTERS_TOPIC, IDENTITIES_TOPIC, ROOMS_TOPIC, VIOLATIONS_TOPIC

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
ROOMS = 48

WATCHED = (VIOLATIONS_TOPIC, ROOMS_TOPIC, DEAD_LETTERS_TOPIC, IDENTITIES_TOPIC)


def _one_after_the_other(rooms: int, every_ms: int) -> Iterator[Event]:
    """Short rooms of several kinds, each opening `every_ms` after the one before; none overlaps the next but one."""
    kinds = ("tampered", *["quiet"] * 11)
    for i in range(rooms):
        yield from simulate(
            kinds[i % len(kinds)], i, duration_ms=15 * MINUTE_MS, started_at_ms=STARTED_AT_MS + i * every_ms
        )


def _records(events: Iterator[Event]) -> Iterator[LogRecord]:
    for offset, event in enumerate(events):
        key = str(event["room_id"]).encode()
        yield LogRecord(0, offset, at_ms_of(event), key, orjson.dumps(event))


def _judged(records: Iterator[LogRecord], capture_records: int) -> tuple[list[bytes | None], list[int], Replay]:
    """Every output, how many rooms were kept after each chunk, and the replay."""
    run = Replay(Judge(read_policies()), capture_records=capture_records)
    outputs, kept = [], []
    for step in run.run(records):
        outputs += [record.value for topic in WATCHED for record in step.of(topic)]
        kept.append(run.rooms_kept)
    return outputs, kept, run


@pytest.mark.slow
def test_rooms_that_ended_long_ago_are_let_go_and_nothing_comes_out_differently() -> None:
    bounded, kept, run = _judged(_records(_one_after_the_other(ROOMS, HOUR_MS)), 200)
    unbounded, all_kept, other = _judged(_records(_one_after_the_other(ROOMS, HOUR_MS)), 1 << 60)
    assert bounded == unbounded
    assert run.counts() == other.counts()
    assert run.rooms() == other.rooms()
    assert len(run.rooms()) == max(all_kept) == ROOMS
    accused = sum(bool(room.rules) for room in run.rooms())
    assert accused == 4  # people may yet decide about these, so they stay
    assert max(kept) <= 6 + 9 + accused  # six hours of rooms; 1,000 events are three rooms more, looked at or not


@pytest.mark.slow
def test_logs_of_rooms_of_the_same_day_may_follow_each_other() -> None:
    """A room whose log comes later in the file is no room that has been idle for long."""

    def logs() -> Iterator[Event]:
        for seed in range(3):
            yield from simulate("quiet", seed, duration_ms=8 * HOUR_MS)

    bounded, _, run = _judged(_records(logs()), 500)
    unbounded, _, other = _judged(_records(logs()), 1 << 60)
    assert bounded == unbounded
    assert run.rooms() == other.rooms()


@pytest.mark.parametrize("kind", ["tampered", "loop", "avatar_unregistered"])
def test_what_is_dropped_at_a_close_is_missed_by_nobody(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeats, reviews of all that was found and the next session give the same bytes when everything is kept."""
    first = list(simulate(kind, 1, duration_ms=70 * MINUTE_MS))
    again = simulate(kind, 1, duration_ms=30 * MINUTE_MS, started_at_ms=STARTED_AT_MS + 3 * HOUR_MS)
    found = [orjson.loads(value) for value in _judged(_records(iter(first)), 200)[0] if value]
    ids = sorted({one["violation_id"] for one in found if "violation_id" in one})
    closed = max(map(at_ms_of, first))
    assert ids
    reviews = [
        {"type": "review.decided", "id": f"{outcome}:{i}", "room_id": first[0]["room_id"], "at_ms": closed + MINUTE_MS,
         "violation_id": name, "outcome": outcome, "by": "appeal"}
        for i, name in enumerate(ids)
        for outcome in ("overturned", "upheld")
    ]  # fmt: skip
    log = [*first, *first[-50:], *reviews, *again]
    outputs, _, run = _judged(_records(iter(log)), 200)
    monkeypatch.setattr(sessions, "settle", lambda room: None)
    kept, _, other = _judged(_records(iter(log)), 200)
    assert outputs == kept
    assert run.counts() == other.counts()
    withdrawn = [value for value in outputs if value and b"withdrawn" in value]
    assert withdrawn and run.counts().duplicate >= 40, "of heartbeats a room knows the newest eight, and no counters"


def test_a_log_is_read_as_it_is_needed() -> None:
    taken = 0

    def counted() -> Iterator[LogRecord]:
        nonlocal taken
        for record in _records(_one_after_the_other(3, HOUR_MS)):
            taken += 1
            yield record

    next(iter(Replay(Judge(read_policies())).run(counted())))
    assert taken == 1_000
