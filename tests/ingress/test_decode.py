"""Bytes → event or one closed reason: the checks around msgspec, and what must never be repeated in a detail."""

import json
from typing import Any

import pytest

from worker.audit.events import RoomClosed, ViewerComment, ViewerLiked
from worker.ingress import decode as module
from worker.ingress.decode import decode
from worker.ingress.reject import Reason, Reject

AT_MS = 1_718_672_400_000
LIKED: dict[str, Any] = {"type": "viewer.liked", "id": "e-1", "room_id": "jd:r1", "at_ms": AT_MS, "count": 3}
COMMENT = LIKED | {"type": "viewer.comment", "comment_id": "c", "viewer_id": "v", "text": "多少钱"}
KEY = b"jd:r1"


def wire(event: object) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()


def reason(value: bytes | None, *, key: bytes | None = KEY, timestamp_ms: int = AT_MS) -> Reason:
    rejected = decode(key, value, timestamp_ms)
    assert isinstance(rejected, Reject), rejected
    assert rejected.stage == "decode"
    return rejected.reason


def test_a_good_record_becomes_its_event() -> None:
    assert decode(KEY, wire(LIKED), AT_MS) == ViewerLiked(id="e-1", room_id="jd:r1", at_ms=AT_MS, count=3)


def test_the_tag_may_stand_last() -> None:
    last = {k: v for k, v in LIKED.items() if k != "type"} | {"type": "viewer.liked"}
    assert isinstance(decode(KEY, wire(last), AT_MS), ViewerLiked)


def test_unknown_fields_are_ignored_whatever_they_hold() -> None:
    assert isinstance(decode(KEY, wire(LIKED | {"mood": {"a": [1, None, "x"]}}), AT_MS), ViewerLiked)
    assert isinstance(decode(KEY, wire(LIKED | {"m": 0.5}).replace(b"0.5", b"1e999"), AT_MS), ViewerLiked)
    assert isinstance(decode(KEY, wire(LIKED | {"m": "caf~"}).replace(b"~", b"\xe9"), AT_MS), ViewerLiked)


def test_a_tombstone_is_no_event() -> None:
    assert reason(None) == Reason.NOT_JSON


# --- key ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, b"", b"jd:r2", b"jd:r1 ", b"\xff", b"jd:r1\x00"])
def test_the_key_must_be_the_room_id(key: bytes | None) -> None:
    assert reason(wire(LIKED), key=key) == Reason.KEY_MISMATCH


def test_a_known_key_does_not_excuse_another_room() -> None:
    assert isinstance(decode(KEY, wire(LIKED), AT_MS), ViewerLiked)
    assert reason(wire(LIKED | {"room_id": "jd:r2"})) == Reason.KEY_MISMATCH
    assert reason(wire(LIKED | {"room_id": "jd r1"})) == Reason.OUT_OF_RANGE


@pytest.mark.parametrize("room_id", ["a b", "房间", "r\n", "r/1", "r\x00", "é"])
def test_a_room_id_of_other_characters_is_refused_even_with_its_key(room_id: str) -> None:
    for _ in range(2):  # the second time must not find it among the known keys
        assert reason(wire(LIKED | {"room_id": room_id}), key=room_id.encode()) == Reason.OUT_OF_RANGE


def test_the_memory_of_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN_KEYS_MAX", 10)
    module._known_keys.clear()
    for i in range(100):
        assert isinstance(decode(b"r%d" % i, wire(LIKED | {"room_id": f"r{i}"}), AT_MS), ViewerLiked)
        assert len(module._known_keys) <= 10


# --- clock --------------------------------------------------------------------------------------------------------


def test_a_day_ahead_is_borne_and_a_millisecond_more_is_not() -> None:
    assert isinstance(decode(KEY, wire(LIKED), AT_MS - 86_400_000), ViewerLiked)
    assert reason(wire(LIKED), timestamp_ms=AT_MS - 86_400_001) == Reason.FUTURE_TIMESTAMP


def test_the_past_is_no_reason() -> None:
    assert isinstance(decode(KEY, wire(LIKED | {"at_ms": 0}), AT_MS), ViewerLiked)


# --- size and depth -----------------------------------------------------------------------------------------------


def padded_to(size: int) -> bytes:
    value = wire(LIKED | {"x": ""})
    return value[:-2] + b"x" * (size - len(value)) + value[-2:]


def test_64_kib_are_borne_and_a_byte_more_is_not() -> None:
    assert isinstance(decode(KEY, padded_to(65_536), AT_MS), ViewerLiked)
    assert reason(padded_to(65_537)) == Reason.TOO_LARGE


def nested(depth: int, opening: str = "[", closing: str = "]", core: str = "1") -> bytes:
    return wire(LIKED)[:-1] + f', "x": {opening * (depth - 1)}{core}{closing * (depth - 1)}}}'.encode()


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_256_levels_are_borne_and_one_more_is_not(opening: str, closing: str) -> None:
    assert isinstance(decode(KEY, nested(256, opening, closing), AT_MS), ViewerLiked)
    assert reason(nested(257, opening, closing)) == Reason.TOO_LARGE


@pytest.mark.parametrize("depth", [900, 5_000, 30_000])
def test_depth_beyond_the_interpreters_own_limit_is_the_same_reason(depth: int) -> None:
    assert reason(nested(depth)) == Reason.TOO_LARGE
    assert reason(wire(LIKED)[:-1] + b', "x": ' + b"[" * depth) == Reason.TOO_LARGE


def test_the_verdict_on_depth_does_not_depend_on_the_callers_stack() -> None:
    def at_depth(frames: int, value: bytes) -> object:
        return decode(KEY, value, AT_MS) if frames == 0 else at_depth(frames - 1, value)

    for value in (nested(256), nested(257)):
        assert at_depth(400, value) == decode(KEY, value, AT_MS)


def test_brackets_inside_texts_are_no_depth() -> None:
    value = wire(COMMENT | {"text": "[" * 900 + '\\"' + "{" * 900})
    assert isinstance(decode(KEY, value, AT_MS), ViewerComment)


def test_many_brackets_side_by_side_are_no_depth() -> None:
    assert isinstance(decode(KEY, wire(LIKED | {"x": [[]] * 2_000}), AT_MS), ViewerLiked)


# --- JSON's corners -----------------------------------------------------------------------------------------------


def test_the_last_of_a_repeated_key_counts_when_each_is_valid() -> None:
    event = decode(KEY, wire(LIKED)[:-1] + b', "count": 9}', AT_MS)
    assert isinstance(event, ViewerLiked)
    assert event.count == 9
    assert reason(wire(LIKED)[:-1] + b', "count": "9"}') == Reason.WRONG_TYPE
    assert reason(wire(LIKED)[:-1] + b', "count": -1, "count": 1}') == Reason.OUT_OF_RANGE


def test_two_different_tags_are_refused() -> None:
    assert reason(wire(LIKED)[:-1] + b', "type": "viewer.joined"}') == Reason.UNKNOWN_TYPE


def test_escaped_names_are_the_same_names() -> None:
    assert isinstance(decode(KEY, wire(LIKED).replace(b'"type"', b'"\\u0074ype"'), AT_MS), ViewerLiked)


@pytest.mark.parametrize("at", ["viewer_id", "unread"])
@pytest.mark.parametrize("half", ["\\ud800", "\\udc00", "\\ud800\\ud800", "\\ud800x"])
def test_half_a_surrogate_pair_is_no_json(at: str, half: str) -> None:
    assert reason(wire(LIKED | {at: "~ and more"}).replace(b"~", half.encode())) == Reason.NOT_JSON


def test_null_is_absence_for_optional_fields_only() -> None:
    closed = {"type": "room.closed", "id": "e", "room_id": "jd:r1", "at_ms": AT_MS, "session_id": "s", "reason": None}
    assert isinstance(decode(KEY, wire(closed), AT_MS), RoomClosed)
    assert reason(wire(closed | {"session_id": None})) == Reason.WRONG_TYPE


@pytest.mark.parametrize("digits", [19, 20, 23, 400, 5_000])
def test_integers_of_any_length_are_out_of_range_not_an_accident(digits: int) -> None:
    huge = b"9" * digits
    assert reason(wire(LIKED | {"count": 0}).replace(b'"count": 0', b'"count": ' + huge)) == Reason.OUT_OF_RANGE
    assert reason(wire(LIKED | {"count": 0}).replace(b'"count": 0', b'"count": -' + huge)) == Reason.OUT_OF_RANGE


# --- details repeat nothing of the record -------------------------------------------------------------------------

SECRET = "私信加微信abc"


@pytest.mark.parametrize(
    "event",
    [
        LIKED | {"type": SECRET},
        LIKED | {"type": f"{SECRET}' - at `$.{SECRET}`"},
        LIKED | {"type": "host.action", "kind": SECRET},
        LIKED | {"type": "host.action", "kind": f"x' - at `$.{SECRET}`"},
        LIKED | {"id": [SECRET]},
        LIKED | {"viewer_id": SECRET * 20},
        LIKED | {"room_id": SECRET},
        LIKED | {"count": SECRET},
        COMMENT | {"text": SECRET * 400},
        COMMENT | {"text": [SECRET]},
        COMMENT | {"text": {SECRET: SECRET}},
        COMMENT | {"room_id": "other", "text": SECRET},
        COMMENT | {"at_ms": AT_MS + 10**9, "text": SECRET},
        [SECRET],
        SECRET,
    ],
)
def test_a_detail_never_repeats_a_value(event: object) -> None:
    for value in (wire(event), wire(event)[:-1], wire(event) + SECRET.encode(), wire(event) + b"\xff"):
        rejected = decode(KEY, value, AT_MS)
        assert isinstance(rejected, Reject)
        assert not any(piece in rejected.detail for piece in (SECRET, SECRET[:3], "abc"))
        assert 0 < len(rejected.detail) <= 200


def test_a_detail_names_the_place_and_what_was_expected() -> None:
    rejected = decode(KEY, wire(LIKED | {"count": "3"}), AT_MS)
    assert rejected == Reject(Reason.WRONG_TYPE, "Expected `int`, got `str`, at `$.count`")
