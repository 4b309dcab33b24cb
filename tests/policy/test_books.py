"""A partition's switches: the same book at every offset, however the log is cut, restarted or replayed."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import pytest

from tests.policy.chained import POLICY, ROOTS, SECOND, Row, Topic, a_key
from tests.support.engine import START_MS, room_log
from worker.partition.books import UnknownBook
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.chain import Listed
from worker.policy.feed import PolicyFeed
from worker.policy.judge import Judge
from worker.policy.signing import Signer
from worker.policy.switch import SWITCH_KEY, Switch, write_switch
from worker.policy.wire import as_document
from worker.records import OutRecord
from worker.resources import POLICIES_DIR
from worker.state.codec import Write
from worker.state.rooms import RoomStore
from worker.tools.policyfiles import read_policies
from worker.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, POLICIES_TOPIC, VIOLATIONS_TOPIC

PARTITION = 1
WX = (POLICIES_DIR / "wechat_channels.yaml").read_text(encoding="utf-8")
LETTERS = tuple[str, str]


def version(number: int, severity: int) -> str:
    text = WX.replace("version: 1\n", f"version: {number}\n")
    return text.replace("severity: 4", f"severity: {severity}")


@cache
def events() -> tuple[Row, ...]:
    records = room_log(7, rooms=12, steps=2_400)
    return tuple(Row(i, at_ms, key, value) for i, (key, value, at_ms) in enumerate(records))


class Scene:
    """A signed chain with versions 2 (severity 5) and 3 (severity 2) of one policy, and a room log to switch in."""

    def __init__(self, *, signed: bool = True) -> None:
        self.topic = Topic()
        self.topic.time_ms = START_MS
        self.signer = POLICY if signed else None
        if signed:
            self.topic.keyring(1, a_key())
        self.topic.baseline(signer=self.signer)
        self.places: list[Switch] = []
        for number, severity in ((2, 5), (3, 2)):
            row = self.topic.policy(version(number, severity), self.signer)
            self.places.append(Switch(offset=row.offset, chain=self.topic.head, partition=PARTITION))

    def feed(self, upto: int | None = None) -> PolicyFeed:
        feed = PolicyFeed(read_policies(), ROOTS)
        for row in self.topic.rows[:upto]:
            feed.take(row, topic=POLICIES_TOPIC)
        return feed

    def log(self, *switches: tuple[int, Row]) -> list[Row]:
        """The room log with records put in before those at the places that are given."""
        put, rows = dict[int, list[Row]](), list[Row]()
        for at, row in switches:
            put.setdefault(at, []).append(row)
        for index, event in enumerate(events()):
            for row in (*put.get(index, ()), event):
                rows.append(row._replace(offset=len(rows), timestamp=event.timestamp))
        return rows


def a_switch(switch: Switch, signer: Signer | None = POLICY) -> Row:
    value, headers = write_switch(switch, signer)
    return Row(0, 0, SWITCH_KEY, value, headers)


def a_processor(feed: PolicyFeed | None, rooms: MemoryRooms | RoomStore | None = None) -> PartitionProcessor:
    judge = Judge(feed.book if feed else read_policies())
    kept = MemoryRooms() if rooms is None else rooms
    return PartitionProcessor(topic=EVENTS_TOPIC, partition=PARTITION, rooms=kept, judge=judge, feed=feed)


def run(processor: PartitionProcessor, rows: Sequence[Row], step: int = 500) -> dict[str, list[OutRecord]]:
    found: dict[str, list[OutRecord]] = {VIOLATIONS_TOPIC: [], DEAD_LETTERS_TOPIC: []}
    for first in range(0, len(rows), step):
        out = processor.process(rows[first : first + step])
        for topic in found:
            found[topic] += out.of(topic)
    assert processor.counts.balanced()
    return found


def severities(violations: Sequence[OutRecord]) -> Iterator[tuple[int, int, str]]:
    """(offset of the log, severity, trust) of the rules that the versions differ in."""
    for record in violations:
        value = json.loads(record.value or b"")
        if value["policy"]["id"] == "wechat_channels" and value["transition"] == "opened":
            yield value["log"]["last_offset"], value["policy"]["version"], value["control"]["trust"]


def letters(found: dict[str, list[OutRecord]]) -> list[tuple[str, str]]:
    """(reason, message) of the letters about switches."""
    named = [dict(record.headers) for record in found[DEAD_LETTERS_TOPIC] if record.key == SWITCH_KEY]
    return [((n["dlq.error.class"] or b"").decode(), (n["dlq.error.message"] or b"").decode()) for n in named]


def test_a_partition_goes_by_the_book_that_its_last_switch_names() -> None:
    scene = Scene()
    rows = scene.log((800, a_switch(scene.places[0])), (1_600, a_switch(scene.places[1])))
    by_book: dict[int, set[tuple[int, str]]] = {0: set(), 1: set(), 2: set()}
    for offset, number, trust in severities(run(a_processor(scene.feed()), rows)[VIOLATIONS_TOPIC]):
        by_book[(offset > 800) + (offset > 1_601)].add((number, trust))
    assert by_book == {0: {(1, "open")}, 1: {(2, "signed")}, 2: {(3, "signed")}}


@pytest.mark.parametrize("step", [1, 7, 801, 5_000])
def test_batches_of_any_size_give_the_same_bytes(step: int) -> None:
    scene = Scene()
    rows = scene.log((800, a_switch(scene.places[0])), (801, a_switch(scene.places[1])))[:1_400]
    assert run(a_processor(scene.feed()), rows, step) == run(a_processor(scene.feed()), rows)


def test_what_is_published_later_changes_nothing_that_was_switched_before() -> None:
    """A worker that has read the topic only so far, and a replay a week later that has read all of it."""
    scene = Scene()
    rows = scene.log((800, a_switch(scene.places[0])))
    early, late = scene.feed(scene.places[0].offset + 1), scene.feed()
    assert early.next_offset < late.next_offset
    assert run(a_processor(early), rows) == run(a_processor(late), rows)


@pytest.mark.parametrize("cut", [400, 801, 900, 2_000])
def test_a_worker_that_starts_again_goes_on_by_the_same_book(cut: int) -> None:
    scene = Scene()
    rows = scene.log((800, a_switch(scene.places[0])), (1_600, a_switch(scene.places[1])))
    whole = run(a_processor(scene.feed()), rows)
    store = RoomStore("changelog", PARTITION)
    first = run(a_processor(scene.feed(), store), rows[:cut])
    writes = store.capture(cut, rows[cut - 1].timestamp, 0, -1)
    heir = RoomStore("changelog", PARTITION)
    heir.apply(Row(i, 0, write.key, write.value, write.headers) for i, write in enumerate(writes))
    second = run(a_processor(scene.feed(), heir), rows[cut:])
    for topic, records in whole.items():
        assert first[topic] + second[topic] == records


def test_a_new_application_a_week_later_begins_with_the_book_that_receipts_name() -> None:
    scene = Scene()
    rows = scene.log((800, a_switch(scene.places[0])), (1_600, a_switch(scene.places[1])))
    for place, at in zip(scene.places, (800, 1_601), strict=True):
        scene.topic.receipt(scene.topic.rows[place.offset], place.chain, {PARTITION: at}, POLICY)
    for first, wanted in ((5, None), (800, None), (801, scene.places[0]), (1_602, scene.places[1])):
        processor = a_processor(scene.feed())
        processor.books.begin(first)
        assert processor.rooms.switch == wanted
    whole, late = run(a_processor(scene.feed()), rows), run(a_processor(scene.feed()), rows[801:])
    wanted_numbers = {number for offset, number, _ in severities(whole[VIOLATIONS_TOPIC]) if offset > 801}
    assert {number for _, number, _ in severities(late[VIOLATIONS_TOPIC])} == wanted_numbers == {2, 3}


def test_state_of_a_book_that_is_not_known_stops_the_partition() -> None:
    scene = Scene()
    rows = scene.log((800, a_switch(scene.places[0])))
    store = RoomStore("changelog", PARTITION)
    run(a_processor(scene.feed(), store), rows[:900])
    stranger = PolicyFeed(read_policies(), {})
    for row in scene.topic.rows:
        stranger.take(row, topic=POLICIES_TOPIC)
    with pytest.raises(UnknownBook, match="STREAM_AUDIT_ROOT_KEYS"):
        a_processor(stranger, store).process(rows[900:])


Forge = Callable[[Scene], Row]
FORGED: dict[str, tuple[Forge, LETTERS]] = {
    "unsigned": (lambda s: a_switch(s.places[1], None), ("bad_signature", "is not signed")),
    "another's key": (lambda s: a_switch(s.places[1], SECOND), ("bad_signature", "does not list")),
    "another partition's": (
        lambda s: a_switch(Switch(offset=s.places[1].offset, chain=s.places[1].chain, partition=0)),
        ("unknown_policies", "of another partition"),
    ),
    "moved here": (
        lambda s: a_switch(Switch(offset=s.places[1].offset, chain=s.places[1].chain, partition=0))._replace(
            value=a_switch(s.places[1]).value
        ),
        ("bad_signature", "false signature"),
    ),
    "a head that is not there": (
        lambda s: a_switch(Switch(offset=s.places[1].offset, chain="0" * 64, partition=PARTITION)),
        ("unknown_policies", "another chain"),
    ),
    "what is not published": (
        lambda s: a_switch(Switch(offset=99, chain="0" * 64, partition=PARTITION)),
        ("unknown_policies", "has nothing"),
    ),
    "rubbish": (lambda s: Row(0, 0, SWITCH_KEY, b"{"), ("unknown_policies", "the value is none")),
    "an event": (lambda s: Row(0, 0, SWITCH_KEY, events()[5].value), ("unknown_policies", "the value is none")),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_switch_moves_nothing_and_a_thousand_of_them_trip_no_breaker(name: str) -> None:
    scene = Scene()
    forge, (reason, words) = FORGED[name]
    genuine = (800, a_switch(scene.places[0]))
    clean = run(a_processor(scene.feed()), scene.log(genuine))
    flood = [(900, forge(scene))] * 1_000
    found = run(a_processor(scene.feed()), scene.log(genuine, *flood))
    assert [number for _, number, _ in severities(found[VIOLATIONS_TOPIC])] == [
        number for _, number, _ in severities(clean[VIOLATIONS_TOPIC])
    ]
    told = letters(found)
    assert len(told) == 1_000
    assert {(why, words in message) for why, message in told} == {(reason, True)}


def test_an_old_switch_sent_again_does_nothing_and_is_no_letter() -> None:
    scene = Scene()
    both = ((800, a_switch(scene.places[0])), (1_600, a_switch(scene.places[1])))
    processor = a_processor(scene.feed())
    again = run(processor, scene.log(*both, (1_700, a_switch(scene.places[1])), (1_700, a_switch(scene.places[0]))))
    clean = run(a_processor(scene.feed()), scene.log(*both))
    assert len(again[VIOLATIONS_TOPIC]) == len(clean[VIOLATIONS_TOPIC])
    assert letters(again) == []
    assert processor.rooms.switch == scene.places[1]


def test_a_worker_on_files_alone_writes_letters_for_switches() -> None:
    scene = Scene()
    found = run(a_processor(None), scene.log((800, a_switch(scene.places[0]))))
    assert {number for _, number, _ in severities(found[VIOLATIONS_TOPIC])} == {1}
    assert [reason for reason, _ in letters(found)] == ["unknown_policies"]


def test_without_a_keyring_switches_count_and_records_say_that_trust_is_open() -> None:
    scene = Scene(signed=False)
    found = run(a_processor(scene.feed()), scene.log((800, a_switch(scene.places[0], None))))
    assert {(number, trust) for _, number, trust in severities(found[VIOLATIONS_TOPIC])} == {(1, "open"), (2, "open")}


def test_a_baseline_changes_no_record() -> None:
    """What an earlier release has published goes on under its offset, before and after the migration."""
    text = WX.replace("version: 1\n", "version: 2\n").replace("from_ms: 0\n", f"from_ms: {START_MS + 600_000}\n")
    document = as_document("p.yaml", text)
    legacy = Row(0, START_MS, b"wechat_channels", document.encode())
    topic = Topic()
    topic.append_raw(legacy)
    topic.rows[0] = legacy
    feeds = []
    for migrated in (False, True):
        if migrated:
            topic.baseline(Listed(0, START_MS, document))
        feed = PolicyFeed(read_policies(), ROOTS)
        for row in topic.rows:
            feed.take(row, topic=POLICIES_TOPIC)
        feeds.append(feed)
    found = [run(a_processor(feed), events()) for feed in feeds]
    assert found[0] == found[1]
    assert {number for _, number, _ in severities(found[0][VIOLATIONS_TOPIC])} == {1, 2}


def test_the_meta_of_a_partition_keeps_its_switch() -> None:
    store = RoomStore("changelog", PARTITION)
    (write,) = store.capture(1, 1, 0, -1)
    assert isinstance(write, Write)
    store.switch = Switch(offset=7, chain="a" * 64, partition=PARTITION)
    (write,) = store.capture(2, 1, 0, -1)
    heir = RoomStore("changelog", PARTITION)
    heir.apply([Row(0, 0, write.key, write.value)])
    assert heir.switch == store.switch
