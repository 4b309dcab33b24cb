"""A partition's rooms survive in the changelog: written at each flush, recovered undecoded, the newest winning."""

import msgspec
import pytest

from tests.state.conftest import HOUR_MS, Changelog, Logged, flush, keep, room_at, speak
from worker.audit import snapshot, speech
from worker.audit.episode import Episode
from worker.audit.facts import History
from worker.audit.history import REMEMBERED_MS
from worker.audit.room import Phase, Room
from worker.audit.windows import open_pane
from worker.state import codec
from worker.state.chunks import VERSIONS_MAX, Versions
from worker.state.codec import ChangelogError
from worker.state.rooms import RoomStore


def same(a: Room | None, b: Room | None) -> bool:
    """Equal in everything that is saved."""
    assert a is not None and b is not None
    stores = [None if room.session.speech is None or room.session.speech.store is None else
              (room.session.speech.store.bands, room.session.speech.store.times) for room in (a, b)]  # fmt: skip
    return snapshot.encode(a) == snapshot.encode(b) and stores[0] == stores[1]


def test_a_room_comes_back_as_it_was(changelog: Changelog) -> None:
    store, room = RoomStore("changelog", 3), room_at(7, said=300)
    keep(store, room)
    changelog.append(flush(store, applied=8))
    again = changelog.recover()
    assert same(again.load("douyin:1"), room)
    assert again.meta is not None and again.meta.applied_offset == 8


def test_only_dirty_rooms_and_changed_chunks_are_written(changelog: Changelog) -> None:
    store = RoomStore("changelog", 3)
    quiet, loud = room_at(1, room_id="quiet"), room_at(2, room_id="loud", said=300)
    keep(store, quiet)
    keep(store, loud)
    assert [w.key for w in flush(store)] == [b"loud#c0", b"loud#c1", b"loud#c2", b"loud", b"quiet", b"#meta"]
    assert [w.key for w in flush(store)] == [b"#meta"]
    speak(loud, 1)
    keep(store, loud)
    assert [w.key for w in flush(store)] == [b"loud#c2", b"loud", b"#meta"]


def test_the_partition_meta_is_always_last(changelog: Changelog) -> None:
    store = RoomStore("changelog", 3)
    for i in range(20):
        keep(store, room_at(i, room_id=f"room{i}"))
    assert flush(store)[-1].key == b"#meta"


def test_recovered_rooms_stay_bytes_until_they_are_needed(changelog: Changelog) -> None:
    store = RoomStore("changelog", 3)
    for i in range(10):
        keep(store, room_at(i, room_id=f"room{i}"))
    changelog.append(flush(store))
    again = changelog.recover()
    assert (len(again), len(again.live)) == (10, 0)
    assert again.load("room4") is again.live["room4"]
    assert again.load("absent") is None
    assert (len(again), len(again.live)) == (10, 1)


def test_a_compacted_changelog_gives_the_same_rooms(changelog: Changelog) -> None:
    store = RoomStore("changelog", 3)
    room = room_at(0, said=100)
    for offset in range(1, 40):
        room.offset = offset
        speak(room, 20)
        keep(store, room)
        changelog.append(flush(store, applied=offset + 1))
    assert len(changelog.compacted()) < len(changelog.records) / 4
    assert same(changelog.recover(changelog.compacted()).load("douyin:1"), room)
    assert same(changelog.recover().load("douyin:1"), room)


def test_the_larger_offset_wins_whatever_the_order(changelog: Changelog) -> None:
    owner, zombie = RoomStore("changelog", 3), RoomStore("changelog", 3)
    newer, older = room_at(20, said=200), room_at(10, said=150)
    keep(owner, newer)
    keep(zombie, older)
    changelog.append(flush(owner, applied=21))
    changelog.append(flush(zombie, applied=11))
    again = changelog.recover()
    assert again.stale == 2  # the zombie's room and its meta
    assert again.meta is not None and again.meta.applied_offset == 21
    assert same(again.load("douyin:1"), newer)


def test_what_a_zombie_overwrote_is_written_again(changelog: Changelog) -> None:
    owner, zombie = RoomStore("changelog", 3), RoomStore("changelog", 3)
    newer = room_at(20, said=200)
    keep(owner, newer)
    keep(zombie, room_at(10, said=150))
    changelog.append(flush(owner, applied=21))
    changelog.append(flush(zombie, applied=11))
    again = changelog.recover()
    changelog.append(flush(again, applied=21))
    assert same(changelog.recover(changelog.compacted()).load("douyin:1"), newer)


def test_a_room_that_is_read_before_the_next_flush_is_still_written_again(changelog: Changelog) -> None:
    owner, zombie = RoomStore("changelog", 3), RoomStore("changelog", 3)
    newer = room_at(20, said=200)
    keep(owner, newer)
    keep(zombie, room_at(10, said=150))
    changelog.append([*flush(owner, applied=21), *flush(zombie, applied=11)])
    again = changelog.recover()
    again.load("douyin:1")
    changelog.append(flush(again, applied=21))
    assert same(changelog.recover(changelog.compacted()).load("douyin:1"), newer)


def test_another_owner_s_newer_room_replaces_a_live_one_with_all_its_speech(changelog: Changelog) -> None:
    mine = RoomStore("changelog", 3)
    keep(mine, room_at(10, said=300))
    changelog.append(flush(mine, applied=11))
    other = changelog.recover()
    room = other.load("douyin:1")
    assert room is not None
    speak(room, 10)
    room.offset = 20
    keep(other, room)
    read = len(changelog.records)
    changelog.append(flush(other, applied=21))
    mine.apply(changelog.records[read:])
    assert same(mine.load("douyin:1"), room)


def test_reading_one_s_own_flush_again_changes_nothing(changelog: Changelog) -> None:
    store, room = RoomStore("changelog", 3), room_at(10, said=300)
    keep(store, room)
    changelog.append(flush(store, applied=11))
    store.apply(changelog.records)
    assert store.live["douyin:1"] is room
    assert (store.stale, len(store.dirty)) == (0, 0)


# ---- forgetting


def test_a_room_idle_for_six_hours_and_committed_is_forgotten(changelog: Changelog) -> None:
    store = RoomStore("changelog", 3)
    keep(store, room_at(5, room_id="idle", max_at_ms=HOUR_MS, said=200))
    keep(store, room_at(6, room_id="busy", max_at_ms=7 * HOUR_MS))
    changelog.append(flush(store, watermark_ms=8 * HOUR_MS, committed=0))
    assert len(store) == 2, "not committed yet"
    changelog.append(flush(store, watermark_ms=8 * HOUR_MS, committed=7))
    assert (list(store), store.expired) == (["busy"], 1)
    left = {r.key for r in changelog.compacted() if r.value is not None}
    assert left == {b"busy", b"#meta"}
    assert changelog.recover().load("idle") is None


def test_a_recovered_room_expires_with_all_of_its_chunks(changelog: Changelog) -> None:
    store = RoomStore("changelog", 3)
    keep(store, room_at(5, said=200))
    changelog.append(flush(store))
    again = changelog.recover()
    written = flush(again, watermark_ms=8 * HOUR_MS, committed=6)
    assert [w.key for w in written if w.value is None] == [b"douyin:1", b"douyin:1#c0", b"douyin:1#c1"]
    assert len(again) == 0


def test_a_room_of_which_people_decided_something_is_kept_for_half_a_year(changelog: Changelog) -> None:
    """Its history starts the next broadcast's ladder, and an appeal must find what it is about."""
    store, room = RoomStore("changelog", 3), room_at(5, max_at_ms=HOUR_MS, said=200)
    room.history = History({"T-ONE-01": [HOUR_MS]})
    keep(store, room)
    changelog.append(flush(store))
    again = changelog.recover()
    for hour in (8, 9, 30 * 24):
        assert [w.key for w in flush(again, watermark_ms=hour * HOUR_MS, committed=6)] == [b"#meta"]
    end_ms = HOUR_MS + REMEMBERED_MS + 7 * HOUR_MS
    gone = flush(again, watermark_ms=end_ms, committed=6)
    assert [w.key for w in gone if w.value is None] == [b"douyin:1", b"douyin:1#c0", b"douyin:1#c1"]


def test_a_room_in_which_a_rule_opened_waits_for_what_people_say(changelog: Changelog) -> None:
    store, room = RoomStore("changelog", 3), room_at(5, max_at_ms=HOUR_MS)
    room.episodes = {"T-ONE-01": Episode("T-ONE-01", "cleared", HOUR_MS, 0, HOUR_MS)}
    keep(store, room)
    flush(store, watermark_ms=30 * 24 * HOUR_MS, committed=6)
    assert len(store) == 1
    flush(store, watermark_ms=HOUR_MS + REMEMBERED_MS + 7 * HOUR_MS, committed=6)
    assert len(store) == 0


def test_a_session_that_ended_leaves_no_speech_in_the_changelog(changelog: Changelog) -> None:
    store, room = RoomStore("changelog", 3), room_at(5, said=300)
    keep(store, room)
    changelog.append(flush(store))
    room.offset, room.session.speech, room.session.phase = 6, None, Phase.CLOSED
    store.dirty.add(room.room_id)
    written = flush(store)
    assert [(w.key, w.value is None) for w in written] == [
        (b"douyin:1", False), (b"douyin:1#c2", True), (b"douyin:1#c1", True), (b"douyin:1#c0", True), (b"#meta", False),
    ]  # fmt: skip
    assert not store.live, "a closed room rests as bytes"
    for torn in range(1, len(written) + 1):  # whatever of the flush was lost, the room is there, and the rest follows
        log = Changelog()
        log.records = list(changelog.records)
        log.append(written[:torn])
        again = log.recover()
        assert same(again.load("douyin:1"), room)
        again.dirty.add("douyin:1")
        log.append(flush(again))
        assert {r.key for r in log.compacted() if r.value is not None} == {b"douyin:1", b"#meta"}


def test_the_next_session_speaks_into_chunks_that_were_tombstones(changelog: Changelog) -> None:
    store, room = RoomStore("changelog", 3), room_at(5, said=300)
    keep(store, room)
    changelog.append(flush(store))
    room.offset, room.session.speech = 6, speech.new_ring()
    speak(room, 20)
    store.dirty.add(room.room_id)
    changelog.append(flush(store))
    assert {r.key for r in changelog.compacted() if r.value is not None} == {b"douyin:1", b"douyin:1#c0", b"#meta"}
    assert same(changelog.recover(changelog.compacted()).load("douyin:1"), room)


def test_a_late_flush_from_before_the_end_of_a_session_loses_its_speech_too(changelog: Changelog) -> None:
    owner, zombie = RoomStore("changelog", 3), RoomStore("changelog", 3)
    room = room_at(20, said=200)
    keep(owner, room)
    changelog.append(flush(owner, applied=21))
    room.offset, room.session.speech, room.session.phase = 30, None, Phase.CLOSED
    owner.dirty.add(room.room_id)
    changelog.append(flush(owner, applied=31))
    keep(zombie, room_at(20, said=200))
    changelog.append(flush(zombie, applied=21))
    again = changelog.recover()
    changelog.append(flush(again, applied=31))
    assert {r.key for r in changelog.compacted() if r.value is not None} == {b"douyin:1", b"#meta"}
    assert same(changelog.recover(changelog.compacted()).load("douyin:1"), room)


def test_a_kept_room_that_fell_silent_without_a_word_rests_with_its_speech(changelog: Changelog) -> None:
    """Its session ends at its next event, and what is open then folds as if nobody had put it away."""
    store, room = RoomStore("changelog", 3), room_at(5, max_at_ms=HOUR_MS, said=300)
    room.episodes = {"T-ONE-01": Episode("T-ONE-01", "cleared", HOUR_MS, 0, HOUR_MS)}
    keep(store, room)
    changelog.append(flush(store))
    assert list(store.live) == ["douyin:1"]
    assert [w.key for w in flush(store, watermark_ms=8 * HOUR_MS, committed=6)] == [b"#meta"]
    assert (list(store.live), list(store)) == ([], ["douyin:1"])
    assert same(store.load("douyin:1"), room)


def test_a_late_tombstone_does_not_take_a_room_that_lives_on(changelog: Changelog) -> None:
    owner, room = RoomStore("changelog", 3), room_at(20, said=10)
    keep(owner, room)
    zombie = RoomStore("changelog", 3)
    keep(zombie, room_at(10, said=10))
    flush(zombie)
    changelog.append(flush(owner, applied=21))
    changelog.append(flush(zombie, applied=11, watermark_ms=9 * HOUR_MS, committed=11))
    again = changelog.recover()
    assert same(again.load("douyin:1"), room)
    changelog.append(flush(again, applied=21))
    assert same(changelog.recover(changelog.compacted()).load("douyin:1"), room)


# ---- never silent


def test_a_corrupt_room_is_an_error_that_names_partition_offset_and_key(changelog: Changelog) -> None:
    store = RoomStore("changelog", 3)
    keep(store, room_at(5))
    changelog.append(flush(store))
    good = changelog.records[0]
    bad = Logged(41, good.key, (good.value or b"")[:-3])
    with pytest.raises(ChangelogError, match=r"changelog\[3\] offset 41, key douyin:1"):
        changelog.recover([bad]).load("douyin:1")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"douyin:1", b""),
        (b"douyin:1", codec.prefixed(0, b"\xff rubbish")),  # a version from the future
        (b"douyin:1#c0", b"short"),
        (b"douyin:1#d", bytes(16)),
        (b"", bytes(16)),
        (None, bytes(16)),
        (b"\xff", bytes(16)),
        (b"#meta", b"\xff"),
        (b"#meta", None),
        (b"#meta", codec.prefixed(5, msgspec.msgpack.encode([codec.META_VERSION + 1, 5, 5, 5]))),
        (b"douyin:1", None),  # a tombstone without its offset
    ],
)
def test_what_cannot_be_read_is_an_error_at_once(changelog: Changelog, key: bytes | None, value: bytes | None) -> None:
    with pytest.raises(ChangelogError, match=r"changelog\[3\] offset 9, key"):
        changelog.recover([Logged(9, key, value)])


def test_offsets_that_lead_the_state_are_an_error(changelog: Changelog) -> None:
    store = RoomStore("changelog", 3)
    store.check_committed(None)
    store.check_committed(0)
    with pytest.raises(ChangelogError, match="has no state"):
        store.check_committed(5)
    flush(store, applied=10)
    store.check_committed(10)
    with pytest.raises(ChangelogError, match="reaches only offset 10"):
        store.check_committed(11)


def test_a_quiet_room_is_kept_as_bytes_and_one_that_speaks_decoded() -> None:
    """After a flush; the bytes are what was written, so nothing is lost by it."""
    store = RoomStore("changelog", 0)
    quiet, speaking = room_at(1, room_id="quiet"), room_at(1, room_id="speaking", said=1)
    open_pane(quiet, 1)
    for room in (quiet, speaking):
        keep(store, room)
    flush(store)
    assert list(store.live) == ["speaking"]
    assert set(store) == {"quiet", "speaking"}
    assert store.load("quiet") == quiet


@pytest.mark.parametrize("said", [20, 200])
def test_a_flush_torn_where_the_next_session_begins_leaves_the_last_one_whole(changelog: Changelog, said: int) -> None:
    store, room = RoomStore("changelog", 3), room_at(5, said=300)
    keep(store, room)
    changelog.append(flush(store, applied=6))
    before = changelog.recover().load("douyin:1")
    room.offset, room.session.speech = 9, speech.new_ring()
    speak(room, said)
    store.dirty.add(room.room_id)
    written = flush(store, applied=10)
    core = next(i for i, write in enumerate(written) if write.key == b"douyin:1")
    assert core == 1 + said // 128, "chunks come first"
    for _ in range(2 * VERSIONS_MAX):  # torn again and again
        changelog.append(written[:core])
        assert same(changelog.recover().load("douyin:1"), before)
    changelog.append(written)
    assert same(changelog.recover().load("douyin:1"), room)


def test_versions_of_a_chunk_are_bounded_and_the_one_that_counts_stays() -> None:
    versions = Versions({5: b"counts"})
    for offset in range(9, 40):
        versions.hold(offset, b"torn", core_offset=7)
    assert len(versions) == VERSIONS_MAX
    assert versions.as_of(7) == b"counts"
    assert versions.as_of(39) == b"torn"
    versions.drop_older(39)
    assert versions == {39: b"torn"}
