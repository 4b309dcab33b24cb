"""Room logs: what is written is read again, to the byte; what is broken is named with file and line."""

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from worker.tools import roomlog
from worker.tools.roomlog import Faults, LogRecord, RoomLogError, Writer, read

EVENT = {"type": "viewer.joined", "id": "e1", "room_id": "r:1", "at_ms": 1_700_000_000_000, "viewer_id": "v"}


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_events_written_are_read_with_the_coordinates_a_bare_event_gets(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"room.jsonl{suffix}"
    events = [{**EVENT, "id": f"e{i}", "at_ms": 1_700_000_000_000 + i} for i in range(3_000)]
    assert roomlog.write(path, events) == 3_000
    records = list(read(path, partition=4))
    assert [json.loads(r.value or b"") for r in records] == events
    assert [r.offset for r in records] == list(range(3_000))
    assert {(r.partition, r.key) for r in records} == {(4, b"r:1")}
    assert records[17].timestamp == 1_700_000_000_017


@pytest.mark.parametrize(
    "value",
    [b'{"type": "x",  "spaced":1 }', b'{"a":\n1}', b"no json", b"\xff\xfe", b"", None],
    ids=["spaces", "line break", "no json", "no utf-8", "empty", "null"],
)
def test_any_record_of_a_topic_comes_back_to_the_byte(tmp_path: Path, value: bytes | None) -> None:
    path = tmp_path / "export.jsonl"
    record = LogRecord(3, 17, 1_700_000_000_000, b"r:1", value, (("trace", b"abc"), ("null", None)))
    with Writer(path) as log:
        log.record(record)
    assert list(read(path)) == [record]


def test_a_file_of_two_zstd_frames_is_read_to_its_end(tmp_path: Path) -> None:
    part = tmp_path / "part.jsonl.zst"
    roomlog.write(part, [EVENT])
    both = tmp_path / "both.jsonl.zst"
    both.write_bytes(part.read_bytes() * 2)
    assert len(list(read(both))) == 2


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_log_that_was_cut_off_is_an_error_and_not_a_shorter_log(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"room.jsonl{suffix}"
    roomlog.write(whole, [{**EVENT, "id": f"e{i * 7919}"} for i in range(2_000)])
    cut = tmp_path / f"cut.jsonl{suffix}"
    cut.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(RoomLogError, match=r"cut\.jsonl.*cannot be read after line \d+"):
        list(read(cut))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("<xml>", "neither an event nor a record"),
        ("[1]", "neither an event nor a record"),
        ('{"offset": 3, "event": {}}', "needs partition, offset and timestamp_ms"),
        ('{"offset": "3", "event": {}}', "neither an event nor a record"),
        ('{"partition":0,"offset":18446744073709551615,"timestamp_ms":0}', "neither an event nor a record"),
        ('{"partition":0,"offset":-1,"timestamp_ms":0}', "neither an event nor a record"),
        ('{"partition":4294967296,"offset":0,"timestamp_ms":0}', "neither an event nor a record"),
        ('{"partition":0,"offset":0,"timestamp_ms":99999999999999999999}', "neither an event nor a record"),
        ('{"partition":0,"offset":0,"timestamp_ms":0,"value_base64":"%"}', "value_base64 is not base64"),
        ('{"text":"' + "x" * roomlog.LINE_BYTES_MAX + '"}', "longer than"),
    ],
)
def test_a_line_that_is_no_room_log_is_named_with_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "room.jsonl"
    path.write_text(json.dumps(EVENT) + "\n\n" + line + "\n")
    with pytest.raises(RoomLogError, match=rf"room\.jsonl:3: .*{message}"):
        list(read(path))


def test_a_bad_event_is_no_error_of_the_log(tmp_path: Path) -> None:
    """The processor must see and count it, so it becomes a record, with whatever coordinates can be read."""
    path = tmp_path / "room.jsonl"
    for at_ms in ('"soon"', "99999999999999999999"):
        event = f'{{"type":"nonsense","room_id":7,"at_ms":{at_ms}}}'
        path.write_text(event + "\n")
        assert list(read(path)) == [LogRecord(0, 0, 0, None, event.encode())]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RoomLogError, match=r"nowhere\.jsonl"):
        list(read(tmp_path / "nowhere.jsonl"))


def test_equal_logs_give_equal_gzip_files(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        roomlog.write(tmp_path / name, [EVENT])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).endswith(b"}\n")


BAD_LINES = ("<xml>", "[1]", '{"offset": 3, "event": {}}', '{"text":"' + "x" * 3 * roomlog.LINE_BYTES_MAX + '"}')


def test_bad_lines_are_counted_and_passed_over_and_the_first_are_named(tmp_path: Path) -> None:
    path = tmp_path / "room.jsonl"
    good = [json.dumps({**EVENT, "id": f"e{i}"}) for i in range(3)]
    path.write_text("\n".join([good[0], *BAD_LINES, good[1], *BAD_LINES, good[2]]) + "\n")
    faults = Faults()
    records = list(read(path, faults=faults))
    assert [json.loads(record.value or b"")["id"] for record in records] == ["e0", "e1", "e2"]
    assert [record.offset for record in records] == [0, 5, 10], "a bad line keeps its number"
    assert (faults.bad, faults.cut, faults.empty) == (8, [], [])
    assert [what.split(": ")[0] for what in faults.first] == [f"{path}:{n}" for n in (2, 3, 4, 5, 7)]


def test_a_file_of_bad_lines_alone_is_no_room_log(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    for count in (1, 1_000):
        path.write_bytes(b"\xff\xd8\n" * count)
        faults = Faults()
        with pytest.raises(RoomLogError, match=r"photo\.jpg:\d+: neither an event nor a record"):
            list(read(path, faults=faults))
        assert faults.bad == min(count, Faults.HOPELESS), "hopeless files are not read to their end"


@pytest.mark.parametrize("text", ["photo", "photo\nphoto", '<xml>\n{"half', '[{"type": 1}]'])
def test_a_file_that_is_no_room_log_is_not_taken_for_one_that_was_cut_off(tmp_path: Path, text: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_text(text)
    with pytest.raises(RoomLogError, match=r"photo\.jpg:\d: neither an event nor a record"):
        list(read(path, faults=Faults()))


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_log_that_a_crash_cut_off_is_read_to_its_last_whole_line(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"room.jsonl{suffix}"
    with Writer(whole) as log:
        for i in range(2_000):
            log.event({**EVENT, "id": f"e{i * 7919}"})
            if i == 1_000:
                log.flush()
    cut = tmp_path / f"cut.jsonl{suffix}"
    cut.write_bytes(whole.read_bytes()[:-20])
    faults = Faults()
    records = list(read(cut, faults=faults))
    assert len(records) >= 1_001
    assert [json.loads(record.value or b"")["id"] for record in records] == [
        f"e{i * 7919}" for i in range(len(records))
    ]
    assert (faults.bad, faults.cut) == (0, [f"{cut}:{len(records) + 1}"])
    with pytest.raises(RoomLogError, match=r"cut\.jsonl"):
        list(read(cut))


def test_a_whole_last_line_needs_no_line_break(tmp_path: Path) -> None:
    path = tmp_path / "room.jsonl"
    path.write_text(json.dumps(EVENT))
    faults = Faults()
    assert len(list(read(path, faults=faults))) == 1
    assert not faults.cut


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_byte_order_mark_is_skipped(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"room.jsonl{suffix}"
    with Writer(path) as log:
        log.line(b"\xef\xbb\xbf" + json.dumps(EVENT).encode())
        log.event(EVENT)
    first, second = read(path)
    assert first.value == json.dumps(EVENT).encode()
    assert second.offset == 1


@pytest.mark.parametrize("text", [b"", b"\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_an_empty_log_is_named(tmp_path: Path, suffix: str, text: bytes) -> None:
    path = tmp_path / f"room.jsonl{suffix}"
    if suffix == ".gz" and text:
        text = gzip.compress(text)
    elif suffix == ".zst" and text:
        text = zstandard.ZstdCompressor().compress(text)
    path.write_bytes(text)
    faults = Faults()
    assert list(read(path, faults=faults)) == []
    assert faults.empty == [str(path)]
