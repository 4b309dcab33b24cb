"""The room log itself: order, ids, people, heartbeats, bytes."""

import gzip
import json
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lab.importers.made_up import Importer, srt_cue, tweet, twitch, whisper, youtube
from worker.audit.events import Event
from worker.lab.importers import Job, import_recording

DECODER = msgspec.json.Decoder(Event)


def test_the_log_opens_beats_every_twenty_seconds_and_closes(run: Importer) -> None:
    room = run(twitch(tweet(1), tweet(65)))
    assert room.events[0]["type"] == "room.opened"
    assert room.events[-1]["type"] == "room.closed"
    assert room.offsets("room.heartbeat") == [20_000, 40_000, 60_000]
    assert room.offsets("room.closed") == [65_000]


def test_silence_has_heartbeats_too(run: Importer) -> None:
    beats = run(twitch(tweet(1), tweet(3_600))).offsets("room.heartbeat")
    assert beats == [n * 20_000 for n in range(1, 181)]


def test_a_heartbeat_counts_who_was_active_in_the_last_five_minutes(run: Importer) -> None:
    room = run(twitch(tweet(1, uid="a"), tweet(2, uid="b"), tweet(2, "x", uid="b"), tweet(700, uid="c")))
    viewers = dict(zip(room.offsets("room.heartbeat"), (b["viewers"] for b in room.of("room.heartbeat")), strict=True))
    assert viewers[20_000] == viewers[300_000] == 2
    assert viewers[320_000] == viewers[680_000] == 0


def test_type_stands_first_in_every_line(run: Importer) -> None:
    assert all(line.startswith('{"type":') for line in run(youtube(1)).text.splitlines())


def test_no_name_and_no_raw_id_leaves_the_importer(run: Importer) -> None:
    log = (
        run(youtube(1_000), host_id="raw-host-id").text + run(twitch(tweet(1), video={"title": "MadeUpHost live"})).text
    )
    for secret in (
        "Made-up Name",
        "UC-made-up-viewer",
        "raw-host-id",
        "madeupname",
        "MadeUpName",
        "MadeUpHost",
        "m1000",
    ):
        assert secret not in log


def test_one_salt_gives_the_same_bytes_and_another_salt_other_people(run: Importer, tmp_path: Path) -> None:
    first = run(youtube(1_000))
    assert run(youtube(1_000)).text == first.text
    other = tmp_path / "other"
    other.write_text("another salt of sixteen bytes")
    salted, random = run(youtube(1_000), salt=other), run(youtube(1_000), salt=None)
    viewers = {room.of("viewer.comment")[0]["viewer_id"] for room in (first, salted, random)}
    assert len(viewers) == 3


def test_a_person_is_one_viewer_through_the_whole_log_whatever_the_kind(run: Importer) -> None:
    room = run(twitch(tweet(1), tweet(2, "Cheer1", bits_spent=1), tweet(3, uid="other")))
    comments = [c["viewer_id"] for c in room.of("viewer.comment")]
    assert comments[0] == comments[1] == room.of("viewer.gift")[0]["viewer_id"]
    assert comments[2] != comments[0]


def test_the_user_describes_the_room_where_the_files_do_not(run: Importer) -> None:
    room = run(youtube(1), platform="other", region="US", room_id="my:room-1", selling=True, started_at_ms=10**12)
    opened = room.of("room.opened")[0]
    assert (opened["platform"], opened["region"], opened["room_id"]) == ("other", "US", "my:room-1")
    assert (opened["selling"], opened["started_at_ms"], opened["at_ms"]) == (True, 10**12, 10**12)


def test_text_longer_than_the_contract_is_cut_and_counted(run: Importer) -> None:
    room = run(twitch(tweet(1, "长" * 3_000)))
    assert len(room.of("viewer.comment")[0]["text"]) == 2_000
    assert room.summary.changed == {"text cut to 2000 characters": 1}


def test_an_event_that_the_contract_forbids_is_left_out_and_counted(run: Importer) -> None:
    room = run(twitch(tweet(1, "ok"), tweet(2, "Cheer", bits_spent=10**15)))
    assert room.of("viewer.gift") == []
    assert room.summary.dropped == {"viewer.gift that is no valid event": 1}
    ids = [event["id"].rsplit(":", 1)[1] for event in room.events]
    assert ids == [str(n) for n in range(len(ids))]


def test_speech_that_ends_long_before_the_chat_is_said(run: Importer) -> None:
    room = run(twitch(tweet(600)), srt_cue(1, "00:00:01,000", "00:00:02,000", "hi"))
    assert any("speech ends 10 min before the chat" in warning for warning in room.summary.warnings)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_compressed_output_holds_the_same_lines_and_the_same_bytes_each_time(tmp_path: Path, ending: str) -> None:
    (tmp_path / "chat").write_text(youtube(1_000))
    (tmp_path / "salt").write_text("a salt of at least sixteen bytes")
    outs = [tmp_path / "a.jsonl", tmp_path / f"b.jsonl{ending}", tmp_path / f"c.jsonl{ending}"]
    for out in outs:
        import_recording(Job(chat=tmp_path / "chat", salt=tmp_path / "salt", out=out))
    plain, one, two = (out.read_bytes() for out in outs)
    unpacked = gzip.decompress(one) if ending == ".gz" else zstandard.ZstdDecompressor().decompressobj().decompress(one)
    assert unpacked == plain
    assert one == two


COMMENTS = st.lists(
    st.builds(
        lambda offset, body, uid, bits: tweet(offset, body, uid, bits_spent=bits),
        st.one_of(st.floats(-10, 500), st.integers(-10, 500).map(float), st.floats(1e6, 1e12)),
        st.text(st.characters(codec="utf-8"), max_size=30) | st.just("字" * 2_500),
        st.sampled_from(["1", "2", "77", ""]),
        st.sampled_from([0, 0, 0, 5, 10**13]),
    ),
    max_size=30,
)
SEGMENTS = st.lists(
    st.fixed_dictionaries({
        "start": st.floats(-10, 500), "end": st.floats(-10, 500),
        "text": st.text(st.characters(codec="utf-8"), max_size=20),
        "no_speech_prob": st.floats(0, 1), "compression_ratio": st.floats(0, 5),
    }),
    max_size=30,
)  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(COMMENTS, SEGMENTS, st.integers(-600_000, 600_000))
def test_any_log_is_sorted_its_ids_are_unique_and_every_line_decodes(
    comments: list[dict[str, Any]], segments: list[dict[str, Any]], offset_ms: int
) -> None:
    from worker.lab.importers import Limits

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "chat").write_text(twitch(tweet(1), *comments))
        (folder / "speech").write_text(whisper({"start": 700.0, "end": 701.0, "text": "x"}, *segments))
        out = folder / "room.jsonl"
        summary = import_recording(
            Job(chat=folder / "chat", speech=folder / "speech", out=out, speech_offset_ms=offset_ms,
                limits=Limits(bad_ratio=1.0))
        )  # fmt: skip
        lines = out.read_bytes().splitlines()
    events = [DECODER.decode(line) for line in lines]
    times = [event.at_ms for event in events]
    assert times == sorted(times)
    assert len({event.id for event in events}) == len(events)
    assert {(event.room_id, event.session_id) for event in events} == {(events[0].room_id, events[0].session_id)}
    assert sum(summary.events.values()) == len(lines)
    speech = sorted((e["start_ms"], e["end_ms"]) for e in map(json.loads, lines) if e["type"] == "host.speech")
    assert all(start <= end for start, end in speech)
    assert all(before[1] <= after[0] for before, after in pairwise(speech))
