"""Whatever comes, a room stays bounded: every list, ring and text, and what a snapshot takes."""

from collections.abc import Collection
from random import Random
from typing import Any

import msgspec
import pytest

from tests.audit.build import EVERY_TYPE, ROOM_ID, SECOND, T0, a_room, beat, beats, ev, feed, in_time, say
from tests.audit.rooms import random_log, sentence
from worker.audit import announce, clocks, elond, marks, packed, requests, sketch, snapshot, ties, timing
from worker.audit import events as e
from worker.audit import room as r
from worker.audit.lifecycle import settle
from worker.audit.markers import fleet
from worker.audit.room import Room
from worker.audit.signals import detectors, latency
from worker.audit.speech import CAPACITY, RECENT

EVENTS = 100_000
SNAPSHOT_MAX = 20 * 1024
"""Bytes of a room whose texts are short, for each of its sessions: one set aside has its speech ring with it.
The largest of 100 seeds takes 14,028: seven panes are full at once."""
BOUNDS = {
    "reviews": r.REVIEWS_MAX,
    "seen_viewer": r.SEEN_MAX,
    "seen_other": r.SEEN_MAX,
    "episodes": 0,  # no rules look here
    "aside": r.ASIDE_MAX,
    "strangers": r.STRANGERS_MAX,
    "past": 0,
    "answers": 0,
}
SESSION_BOUNDS = {
    "panes": 32,  # lateness, the longest hold, and the panes that are being filled
    "prompts": r.PROMPTS_MAX,
    "answered_due_ms": r.PROMPTS_MAX,
    "challenges": 12,
    "posed": 8,
    "arrived": 3,
    "told": 8,
    "likenesses": marks.LIKENESSES_MAX,
    "mentions": r.MENTIONS_MAX,
    "excerpts": r.EXCERPTS_MAX,
    "breaks": r.BREAKS_MAX,
    "blind": r.BLIND_MAX,
    "claims": r.CLAIMS_MAX,
    "break_marks": r.PAUSES_MAX + 1,
    "inputs": 3,
    "closed": clocks.CLOSED_MAX,
    "aliases": r.ALIASES_MAX,
    "described": 2,
    "beaten": 2,
    "episodes": 0,  # no rules look here
    "marks": 0,
    "failures": 0,
    "families": 6,
    "shop_ids": 64,
    "detectors": detectors.DETECTORS_MAX,
}
PANE_BOUNDS = {
    "prompts": r.PROMPTS_PER_PANE,
    "replies": r.REPLIES_PER_PANE,
    "challenges": r.CHALLENGES_PER_PANE,
    "issued": r.CHALLENGES_PER_PANE,
    "looks": detectors.DETECTORS_MAX,
    "named": r.REPLIES_PER_PANE,
}
TEXTS = ("多少钱？", "hello", "无人直播软件下单", "无人直播软件都是骗人的", "谢谢礼物", "好")


BLOCK_BOUNDS = {
    "questions": 2,
    "detectors": detectors.DETECTORS_MAX,
    "unheard_ms": 128,
    "delays": latency.PER_BLOCK_MAX,
    "unclear": 3,
}
ARRIVED_BOUNDS = {"speech_s": clocks.BAND_S + 1, "gateway_s": clocks.BAND_S + 1}
ASKING_BOUNDS = {"asked": requests.PER_HOUR_WATCHED, "suspicion": 3, "seen": 3, "pending": requests.PENDING_MAX}
TIES_BOUNDS = {
    "seen": announce.SEEN_MAX,
    "withdrawn": announce.WITHDRAWN_MAX,
    "fleets": fleet.FLEETS_MAX,
    "allowed": len(elond.FAMILIES),
}


def random_event(rng: Random, at_ms: int) -> Any:
    """Any type, with fields that move the room about."""
    kind = rng.choice(EVERY_TYPE)
    fields: dict[str, Any] = {}
    if kind is e.RoomClosed and rng.random() < 0.99:
        kind = e.HostSpeech
    if kind in (e.ViewerComment, e.HostSpeech):
        fields["text"] = rng.choice(TEXTS) if rng.random() < 0.3 else sentence(rng)
        if kind is e.HostSpeech:
            fields["voice_id"] = f"voice{rng.randint(0, 99)}"
    elif kind is e.LabelState:
        fields = {"visible": rng.random() < 0.5, "by": rng.choice(["host", "platform"])}
    elif kind is e.ChallengeResult:
        fields["outcome"] = rng.choice(["passed", "failed", "no_response", "void"])
    elif kind is e.FrameMeasured:
        fields = {"person_present": rng.random() < 0.5, "same_source_audio": rng.random() < 0.1}
    elif kind is e.FleetMatched:
        fields = {"identity": f"i{rng.randint(0, 99)}", "size": rng.randint(0, 9)}
    elif kind is e.RestrictionTested:
        fields = {"family": rng.choice(elond.FAMILIES), "allowed": True}
    elif kind is e.DetectorScore:
        fields = {"version": str(rng.randint(0, 12)), "detector": rng.choice(["voice-audit", "face-audit"])}
        fields["modality"] = rng.choice(["voice", "face", "script"])
    elif kind is e.ReviewDecided:
        fields["violation_id"] = f"v{rng.randint(0, 99)}"
    elif kind in (e.RoomOpened, e.RoomHeartbeat) and rng.random() < 0.01:
        fields = {"session_id": f"s{at_ms}", "started_at_ms": at_ms}
        fields["device_id"] = f"d{at_ms}"
    if "session_id" not in fields and rng.random() < 0.9:
        fields["session_id"] = None
    return ev(kind, at_ms, **fields)


def _sent(room: Room) -> None:
    """Requests leave a room with the batch in which they fell due."""
    if room.session.asking is not None:
        requests.take(room.session.asking)


def check(room: Room) -> None:
    """Every container of the room against its bound; a list without one fails."""
    for owner, bounds in ((room, BOUNDS), *((session, SESSION_BOUNDS) for session in (room.session, *room.aside))):
        for name in owner.__struct_fields__:
            value = getattr(owner, name)
            if isinstance(value, list | dict | bytearray):
                assert len(value) <= bounds[name], name
    for pane in room.session.panes.values():
        for name, most in PANE_BOUNDS.items():
            assert len(getattr(pane, name)) <= most, name
        assert packed.count(pane.speech) <= r.SPEECH_PER_PANE
    for name, most in BLOCK_BOUNDS.items():
        assert len(getattr(room.session.block, name)) <= most, name
    for arrived in room.session.arrived.values():
        for name, most in ARRIVED_BOUNDS.items():
            assert len(getattr(arrived, name)) <= most, name
    if room.session.asking is not None:
        for name, most in ASKING_BOUNDS.items():
            assert len(getattr(room.session.asking, name)) <= most, name
    if room.session.delays is not None:
        assert room.session.delays.count <= timing.DELAYS_MAX and len(room.session.delays.taken) <= timing.TAKEN_MAX
    if room.session.pauses is not None:
        assert room.session.pauses.count <= timing.PAUSES_MAX
    if room.session.sketch is not None:
        assert len(room.session.sketch.bins) == 4 * sketch.BINS
        assert (
            len(room.session.sketch.before + room.session.sketch.latest)
            <= sketch.SPANS * sketch.KEYS * sketch.KEY_BYTES
        )
    if room.session.said is not None:
        assert len(room.session.said.now) == len(room.session.said.before) == 512
    if room.session.speech is not None and room.session.speech.store is not None:
        assert len(room.session.speech.recent) <= RECENT
        assert len(room.session.speech.store.times) <= 4 * CAPACITY
        assert all(len(band) <= 2 * CAPACITY for band in room.session.speech.store.bands)
    assert all(len(x.text) <= 120 for x in room.session.excerpts)
    if room.session.label is not None:
        assert len(room.session.label.marks) <= marks.LABEL_MARKS_MAX
    assert len(room.session.likenesses) <= marks.LIKENESSES_MAX
    if room.session.ties is not None:
        for name, most in TIES_BOUNDS.items():
            assert len(getattr(room.session.ties, name)) <= most, name


@pytest.mark.parametrize("pace_ms", [1, 300, 20_000])
def test_a_hundred_thousand_events_of_every_type_keep_every_bound(pace_ms: int) -> None:
    rng, room, at_ms, largest = Random(pace_ms), Room(ROOM_ID), T0, 0
    for i in range(EVENTS // (1 if pace_ms == 300 else 4)):
        at_ms += rng.randint(0, 2 * pace_ms)
        feed(room, [random_event(rng, at_ms - rng.randint(0, 70_000))])
        if i % 97 == 0:
            check(room)
            _sent(room)
            largest = max(largest, len(snapshot.encode(room)) // (1 + len(room.aside)))
    assert largest <= SNAPSHOT_MAX, largest


@pytest.mark.slow
@pytest.mark.parametrize("pace_ms", [1, 10])
def test_no_seed_of_a_hundred_breaks_the_bound_of_a_snapshot(pace_ms: int) -> None:
    """At these paces panes fill up; 10,000 events reach what 25,000 do."""
    for seed in range(100):
        rng, room, at_ms = Random(seed), Room(ROOM_ID), T0
        for i in range(EVENTS // 10):
            at_ms += rng.randint(0, 2 * pace_ms)
            feed(room, [random_event(rng, at_ms - rng.randint(0, 70_000))])
            if i % 97 == 0:
                _sent(room)
                taken = len(snapshot.encode(room)) // (1 + len(room.aside))
                assert taken <= SNAPSHOT_MAX, (seed, i, taken)


def test_a_container_of_each_part_is_known_to_this_test() -> None:
    parts: tuple[tuple[type, Collection[str]], ...] = (
        (Room, BOUNDS),
        (r.Session, SESSION_BOUNDS),
        (r.Pane, PANE_BOUNDS),
        (r.Block, BLOCK_BOUNDS),
        (r.Arrived, ARRIVED_BOUNDS),
        (ties.Ties, TIES_BOUNDS),
        (marks.LabelMarks, {"marks"}),
        (requests.Asking, ASKING_BOUNDS),
        (timing.Delays, {"taken"}),
        (timing.Pauses, set()),
        (sketch.Sketch, set()),
    )
    for kind, known in parts:
        found = {
            field.name
            for field in msgspec.structs.fields(kind)
            if any(word in str(field.type) for word in ("list[", "dict[", "bytearray", "tuple["))
        }
        assert found == set(known)


def test_a_quiet_rooms_snapshot_takes_less_than_two_kilobytes() -> None:
    """An hour of heartbeats, frames, likes, and now and then a question."""
    log = in_time(
        beats(60 * 60 * SECOND), [ev(e.FrameMeasured, at * SECOND) for at in range(0, 3_600, 30)],
        [ev(e.ViewerComment, at * SECOND, text="多少钱？") for at in range(0, 3_600, 200)],
    )  # fmt: skip
    room = a_room(log)
    assert len(snapshot.encode(room)) <= 2 * 1024


@pytest.mark.parametrize("seed", range(6))
def test_a_busy_rooms_snapshot_takes_less_than_thirteen_kilobytes(seed: int) -> None:
    room, largest = Room(ROOM_ID), 0
    for i, event in enumerate(random_log(seed, minutes=30)):
        feed(room, [event])
        if i % 50 == 0:
            _sent(room)
            largest = max(largest, len(snapshot.encode(room)))
    assert largest <= 13 * 1024


def test_the_text_of_the_longest_segments_is_all_that_can_make_a_snapshot_large() -> None:
    """Eight segments a pane of 2,000 characters, every pane: bounded, and the bound is known."""
    log = [beat(0)] + [say(i * 1_000, sentence(Random(i)) * 200) for i in range(100)]
    for event in log[1:]:
        event.text = event.text[:2_000]
    assert len(snapshot.encode(a_room(log))) <= r.SPEECH_PER_PANE * 8 * 2_000 * 3 + 8 * 1024


@pytest.mark.parametrize("seed", range(6))
def test_a_room_whose_session_ended_takes_less_than_four_kilobytes_and_no_speech(seed: int) -> None:
    """Half a year of rooms that somebody may still decide about must fit; what only a running session needs is gone."""
    log = random_log(seed, minutes=30)
    room = a_room([*log, ev(e.RoomClosed, max(event.at_ms for event in log) - T0)])
    settle(room)
    _sent(room)
    assert room.session.speech is None
    assert len(snapshot.encode(room)) <= 4 * 1024
