"""A release goes on where one of state version 3 stopped: silent up to there, nothing said twice, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import state3
from tests.support.state3 import (
    DAY_MS,
    IDENTITIES_CHANGELOG,
    NOW_MS,
    PARTITIONS,
    ROOMS_CHANGELOG,
    WEEK_MS,
    Kept,
    partition_of,
)
from worker.audit.past import Past
from worker.egress.history import encode_past
from worker.engine.identities import partition_of as place_of
from worker.partition.identities import MatchProcessor
from worker.partition.output import Output
from worker.partition.past import HistoryError, identities_left, rooms_left
from worker.partition.rooms import PartitionProcessor
from worker.policy.judge import Judge
from worker.policy.load import load_policies
from worker.state.identities import MatchStore
from worker.state.rooms import RoomStore
from worker.tools.replay import CHUNK_RECORDS, Replay
from worker.tools.roomlog import LogRecord, RoomLogError, Writer, read
from worker.tools.state3 import Identities, Rooms
from worker.topics import (
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    HISTORY_TOPIC,
    IDENTITIES_TOPIC,
    REQUESTS_TOPIC,
    ROOMS_TOPIC,
    VIOLATIONS_TOPIC,
)

OUTPUTS = (VIOLATIONS_TOPIC, ROOMS_TOPIC, REQUESTS_TOPIC, IDENTITIES_TOPIC, DEAD_LETTERS_TOPIC)


def records(pasts: Iterable[Past]) -> list[Kept]:
    """As they lie in the history."""
    made = [encode_past(past) for past in pasts]
    return [Kept(0, offset, 0, one.key, one.value, ()) for offset, one in enumerate(made)]


def history(partition: int) -> list[Kept]:
    """What `history export` writes for a partition of the sample."""
    rooms, identities = Rooms(), Identities()
    for record in partition_of(ROOMS_CHANGELOG, partition):
        rooms.take(record)
    for record in partition_of(IDENTITIES_CHANGELOG, partition):
        identities.take(record)
    ends = (rooms.activation(partition, "old"), identities.activation(partition, "old"))
    return records([*rooms.past(), *identities.past(NOW_MS), *ends])


class Heir:
    """The next release on one partition: it reads the history, then the week of the log that is left."""

    def __init__(self, partition: int, *, knows: Sequence[Kept] | None = None) -> None:
        left = rooms_left(history(partition) if knows is None else knows, partition)
        self.partition = partition
        self.store = RoomStore("new-rooms-changelog", partition)
        self.store.begin(left.rooms, left.activation)
        self.log = partition_of(EVENTS_TOPIC, partition)
        self.processor = self.made()
        self.violations: list[dict[str, Any]] = []

    def made(self) -> PartitionProcessor:
        judge = Judge(load_policies({"policies.yaml": state3.policies()}))
        return PartitionProcessor(topic=EVENTS_TOPIC, partition=self.partition, rooms=self.store, judge=judge)

    def take(self, records: Sequence[Kept]) -> Output:
        out = self.processor.process(records)
        self.violations += [json.loads(record.value or b"") for record in out.of(VIOLATIONS_TOPIC)]
        return out

    def judge_the_week_again(self) -> Heir:
        for kept in self.log:
            if kept.timestamp >= NOW_MS - WEEK_MS:
                out = self.take([kept])
                assert [topic for topic in OUTPUTS if out.of(topic)] == [], kept
        return self

    def tell(self, events: Iterable[dict[str, Any]]) -> Heir:
        """More records, behind all that the earlier release has read."""
        for event in events:
            value = json.dumps(event).encode()
            self.log.append(Kept(self.partition, len(self.log), event["at_ms"], event["room_id"].encode(), value, ()))
            self.take(self.log[-1:])
        return self


def place(room: str) -> int:
    return sum(f"wechat_channels:{room}".encode()) % PARTITIONS


def review(room: str, transition: str, outcome: str, at_ms: int = NOW_MS + 60_000) -> dict[str, Any]:
    return {
        "type": "review.decided", "id": f"after-{room}-{at_ms}", "room_id": f"wechat_channels:{room}", "at_ms": at_ms,
        "violation_id": state3.violation(room, transition)["violation_id"], "outcome": outcome, "by": "reviewer",
    }  # fmt: skip


def broadcast(room: str, start_ms: int, minutes: int, *, marked: bool = True) -> Iterable[dict[str, Any]]:
    about = {"room_id": f"wechat_channels:{room}", "session_id": f"{room}-{start_ms}"}
    for step in range(2 * minutes):
        at_ms = start_ms + step * 30_000
        yield {
            "type": "room.heartbeat", "id": f"h{at_ms}", "at_ms": at_ms, **about, "platform": "wechat_channels",
            "region": "CN", "host_id": f"host-{room}", "started_at_ms": start_ms, "selling": True, "viewers": 9,
        }  # fmt: skip
        if marked and step == 4:
            mark = {"scheme": "w", "detector": "d", "outcome": "detected"}
            yield {"type": "watermark.read", "id": f"w{at_ms}", "at_ms": at_ms + 1, **about, **mark}


def said(heir: Heir, room: str) -> list[tuple[str, int]]:
    return [(v["transition"], v["step"]) for v in heir.violations if v["room_id"] == f"wechat_channels:{room}"]


@pytest.mark.parametrize("partition", range(PARTITIONS))
def test_a_week_that_was_judged_before_is_judged_in_silence_and_counted(partition: int) -> None:
    heir = Heir(partition).judge_the_week_again()
    counts = heir.processor.counts
    assert counts.balanced()
    assert counts.violations == 0
    assert counts.requests == {}
    week = [v for v in state3.violations() if v["decided_at_ms"] >= NOW_MS - WEEK_MS]
    here = [v for v in week if place(v["room_id"].removeprefix("wechat_channels:")) == partition]
    assert counts.withheld.get("activation", 0) >= len(here) > 0 or not here


def test_without_a_history_everything_is_said_again() -> None:
    heir = Heir(2, knows=[])
    for kept in heir.log:
        heir.take([kept])
    assert len(heir.violations) > 5


def test_a_review_after_the_upgrade_finds_the_violation_that_it_names() -> None:
    heir = Heir(place("waiting")).judge_the_week_again()
    heir.tell([review("waiting", "opened", "overturned")])
    (withdrawn,) = heir.violations
    assert withdrawn["transition"] == "withdrawn"
    assert withdrawn["supersedes"] == state3.violation("waiting", "cleared")["violation_id"]
    assert withdrawn["host_id"] == "host-waiting"
    assert withdrawn["decided_at_ms"] > state3.violation("waiting", "cleared")["decided_at_ms"], "as the review came"


def test_a_room_of_which_the_log_says_nothing_any_more_is_reviewed_too() -> None:
    heir = Heir(place("old")).judge_the_week_again()
    heir.tell([review("old", "escalated", "overturned")])
    (withdrawn,) = heir.violations
    assert (withdrawn["transition"], withdrawn["host_id"]) == ("withdrawn", "host-old")
    assert withdrawn["session_id"] == state3.violation("old", "opened")["session_id"]


def test_what_was_upheld_starts_the_ladder_further_up() -> None:
    for room, step in (("twice", 2), ("old", 1), ("done", 1), ("won", 0), ("expired", 0)):
        heir = Heir(place(room)).judge_the_week_again().tell(broadcast(room, NOW_MS + DAY_MS, 10))
        assert ("opened", step) in said(heir, room), (room, said(heir, room))


def test_an_open_episode_goes_on_under_its_own_ids() -> None:
    last = state3.violation("running", "escalated")
    heir = Heir(place("running")).judge_the_week_again()
    start_ms = int(last["session_id"].removeprefix("running-"))
    later = [e for e in broadcast("running", start_ms, 65, marked=False) if e["at_ms"] > NOW_MS]
    heir.tell(later)
    first = next(v for v in heir.violations if v["room_id"] == "wechat_channels:running")
    assert (first["transition"], first["step"], first["supersedes"]) == ("escalated", 2, last["violation_id"])
    opened = state3.violation("running", "opened")["violation_id"]
    assert opened not in [v["violation_id"] for v in heir.violations]


def test_what_the_old_release_did_not_see_is_said_when_the_silence_ends() -> None:
    """A rule that this release alone sees violated is open in the silence, where no one hears it."""
    without = [kept for kept in history(place("running")) if kept.key != b"room:wechat_channels:running"]
    heir = Heir(place("running"), knows=without).judge_the_week_again()
    last = state3.violation("running", "escalated")
    start_ms = int(last["session_id"].removeprefix("running-"))
    heir.tell([e for e in broadcast("running", start_ms, 45, marked=False) if e["at_ms"] > NOW_MS])
    assert said(heir, "running")[0] == ("opened", 0)


def test_a_parked_violation_is_released_after_the_upgrade() -> None:
    heir = Heir(place("capped-d")).judge_the_week_again()
    heir.tell([review("capped-d", "parked", "upheld")])
    assert ("escalated", 0) in said(heir, "capped-d")


def test_a_review_of_the_week_is_counted_once() -> None:
    heir = Heir(place("done")).judge_the_week_again().tell([review("done", "opened", "upheld")])
    heir.tell(broadcast("done", NOW_MS + DAY_MS, 10))
    assert ("opened", 1) in said(heir, "done")


def test_it_goes_on_in_silence_after_a_restart() -> None:
    partition = place("running")
    heir = Heir(partition)
    heir.log = [kept for kept in heir.log if kept.timestamp >= NOW_MS - WEEK_MS]
    half = len(heir.log) // 2
    heir.take(heir.log[:half])
    writes = heir.store.capture(heir.log[half].offset, NOW_MS, 0, -1)
    again = RoomStore("new-rooms-changelog", partition)
    again.apply(Kept(partition, at, 0, w.key, w.value, w.headers) for at, w in enumerate(writes))
    assert set(again) == set(heir.store)
    heir.store, heir.violations = again, []
    heir.processor = heir.made()
    heir.take(heir.log[half:])
    assert heir.violations == []
    heir.log = partition_of(EVENTS_TOPIC, partition)
    assert said(heir.tell([review("old", "opened", "overturned")]), "old") == [("withdrawn", 1)]


def test_batches_of_any_size_say_the_same() -> None:
    partition = place("running")
    one, all_at_once = Heir(partition), Heir(partition)
    more = list(broadcast("running", NOW_MS + DAY_MS, 12))
    one.judge_the_week_again().tell(more)
    week = [kept for kept in one.log if kept.timestamp >= NOW_MS - WEEK_MS]
    all_at_once.take(week)
    assert all_at_once.violations == one.violations != []


def test_platforms_count_on_and_hosts_keep_what_was_upheld() -> None:
    partition = 2
    left = identities_left(history(partition), partition, lambda key: place_of(key, PARTITIONS))
    store = MatchStore("new-identities-changelog", partition)
    store.begin(left.kept, left.activation)
    core = MatchProcessor(partition=partition, rooms_partitions=PARTITIONS, matches=store)
    told = partition_of(IDENTITIES_TOPIC, partition)
    assert core.process(told, IDENTITIES_TOPIC) == [], "the earlier release has answered"
    before = json.loads(next(kept.value or b"" for kept in told if (kept.key or b"").startswith(b"platform:")))
    new = {**before, "room_id": "wechat_channels:new", "session_id": "new", "index": 0, "tests": [], "at_ms": NOW_MS}
    asked = Kept(partition, len(told), NOW_MS, b"platform:wechat_channels", json.dumps(new).encode(), ())
    (answer,) = core.process([asked], IDENTITIES_TOPIC)
    assert json.loads(answer.record.value or b"")["index"] == 12, "eleven sessions were counted before"
    assert json.loads(answer.record.value or b"")["discoveries"] == 1
    host = store.kept["host:host-twice"]
    assert [rule for _, rule, _ in host.upheld] == ["MARK-01"]  # type: ignore[union-attr]


def test_a_history_that_was_cut_off_is_refused() -> None:
    whole = history(0)
    for kind in (b"rooms", b"identities"):
        cut = [kept for kept in whole if not (kept.key or b"").startswith(b"activation:" + kind)]
        with pytest.raises(HistoryError, match="the export was cut off"):
            if kind == b"rooms":
                rooms_left(cut, 0)
            else:
                identities_left(cut, 0, lambda key: 0)
    with pytest.raises(HistoryError, match=r"offset 0: \w+: "):
        rooms_left([whole[0]._replace(value=b"{}")], 0)


def test_a_replay_file_carries_what_an_earlier_release_left(tmp_path: Path) -> None:
    partition = place("waiting")
    left = [LogRecord(partition, *kept[1:], topic=HISTORY_TOPIC) for kept in history(partition)]
    heir = Heir(partition).judge_the_week_again().tell([review("waiting", "opened", "overturned")])
    week = [LogRecord(*kept) for kept in heir.log if kept.timestamp >= NOW_MS - WEEK_MS]

    def replayed(records: Sequence[LogRecord]) -> list[dict[str, Any]]:
        with Writer(tmp_path / "log.jsonl") as log:
            for record in records:
                log.record(record)
        run = Replay(Judge(load_policies({"policies.yaml": state3.policies()})))
        steps = run.run(read(tmp_path / "log.jsonl"))
        return [json.loads(record.value or b"") for step in steps for record in step.of(VIOLATIONS_TOPIC)]

    assert replayed([*left, *week]) == heir.violations != []
    assert replayed(week) != heir.violations
    with pytest.raises(RoomLogError, match="the export was cut off"):
        replayed([*left[:1], *week])
    with pytest.raises(RoomLogError, match="comes after records of the room log"):
        replayed([*week * (CHUNK_RECORDS // len(week) + 1), *left])
