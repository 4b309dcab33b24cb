"""JSON of speech recognisers: every writer's shape, what is repaired, what is refused."""

import json
from typing import Any

import pytest

from tests.lab.importers.made_up import Importer, whisper
from tests.lab.importers.subtitle_samples import ALL
from tests.lab.importers.transcript_samples import SAMPLES
from worker.lab.importers import ImportRefusedError
from worker.lab.importers.catalogue import names


def coats(count: int = 25, **more: Any) -> list[dict[str, Any]]:
    """`count` segments of 4 s, one each 5 s."""
    return [{"start": n * 5.0, "end": n * 5.0 + 4, "text": f"第{n}款外套"} | more for n in range(count)]


def test_no_number_where_a_probability_is_costs_no_segment(run: Importer) -> None:
    text = json.dumps({"text": "", "segments": coats(avg_logprob=-0.25)})
    for wrong in ("NaN", "-Infinity", "nan", "-nan(ind)", "inf"):
        damaged = text.replace("-0.25", wrong, 2)
        room = run(speech=damaged)
        assert len(room.of("host.speech")) == 25
        assert room.summary.changed == {"number that is none (NaN, Infinity), read as missing": 2}
        assert room.summary.unreadable == 0


def test_a_broken_byte_costs_one_character(run: Importer) -> None:
    data = json.dumps({"segments": coats()}, ensure_ascii=False).encode()
    at = data.index("第7".encode())
    room = run(speech=data[:at] + data[at + 2 :])
    said = [segment["text"] for segment in room.of("host.speech")]
    assert len(said) == 25
    assert said[7] == "\ufffd7款外套"
    assert room.summary.changed == {"broken character in the text (written as U+FFFD)": 1}


@pytest.mark.parametrize(("logprob", "kept"), [(-0.25, 100), (-1.2, 10), (None, 100)])
def test_speech_over_music_is_kept_unless_the_words_are_doubted_too(
    run: Importer, logprob: float | None, kept: int
) -> None:
    doubted = [segment | {"no_speech_prob": 0.7, "avg_logprob": logprob} for segment in coats(100)]
    for n in range(0, 100, 10):
        doubted[n] |= {"no_speech_prob": 0.3}
    assert len(run(speech=json.dumps({"segments": doubted})).of("host.speech")) == kept


def test_confidence_is_the_recognisers_own(run: Importer) -> None:
    room = run(speech=whisper({"start": 0.0, "end": 1.0, "text": "hello", "avg_logprob": -0.5}))
    assert room.of("host.speech")[0]["confidence"] == pytest.approx(0.6065)
    spoken = {"start": 0.0, "end": 1.0, "text": "hello", "words": [{"probability": 0.5}, {"probability": 0.9}, {}]}
    assert run(speech=json.dumps([spoken])).of("host.speech")[0]["confidence"] == pytest.approx(0.7)
    assert "confidence" not in run(speech=json.dumps(coats())).of("host.speech")[0]


def test_a_long_text_before_the_segments_does_not_hide_them(run: Importer) -> None:
    text = json.dumps({"task": "transcribe", "text": "字" * 90_000, "segments": coats()}, ensure_ascii=False)
    room = run(speech=text)
    assert room.summary.formats == {"speech": "openai"}
    assert len(room.of("host.speech")) == 25


def test_segments_without_times_go_between_their_neighbours(run: Importer) -> None:
    segments: list[dict[str, Any]] = coats()
    del segments[3]["start"], segments[3]["end"]
    segments[9] |= {"start": float("nan"), "end": None}
    room = run(speech=json.dumps({"segments": segments, "word_segments": []}))
    spans = [(s["start_ms"] - room.summary.start_ms, s["end_ms"] - room.summary.start_ms)
             for s in room.of("host.speech")]  # fmt: skip
    assert len(spans) == 25
    assert (spans[3], spans[9]) == ((14_000, 20_000), (44_000, 50_000))
    assert room.summary.changed["times missing: placed between its neighbours"] == 2


def test_a_segment_without_times_in_a_long_pause_is_unreadable(run: Importer) -> None:
    late = [segment | {"start": segment["start"] + 60, "end": segment["end"] + 60} for segment in coats()]
    room = run(speech=json.dumps({"segments": [*coats(), {"text": "199"}, *late[12:]]}))
    assert room.summary.unreadable == 1
    assert "no times" in room.summary.unreadable_first[0]["why"]


def test_one_bad_entry_costs_itself_and_a_cut_tail_costs_the_last(run: Importer) -> None:
    text = json.dumps({"segments": coats()})
    room = run(speech=text.replace('"start": 30.0, ', '"start": 30.0" ', 1))
    assert len(room.of("host.speech")) == 24
    assert room.summary.unreadable_first[0]["why"].startswith("segment 7: ")
    cut = run(speech=text[:-20])
    assert len(cut.of("host.speech")) == 24
    assert any("cut off" in warning for warning in cut.summary.warnings)


def test_more_than_a_twentieth_unreadable_is_refused_with_the_first_place(run: Importer) -> None:
    text = json.dumps({"segments": coats()}, indent=1).replace('"start": 30', '"start" 30').replace("45.0", "4 5.0")
    with pytest.raises(
        ImportRefusedError,
        match=r"2 of 25 entries are unreadable, more than 5% \(line 34: segment 7: .*line 49: segment 10",
    ):
        run(speech=text)


def test_a_file_in_another_encoding_is_refused_not_imported_as_noise(run: Importer) -> None:
    data = json.dumps({"segments": coats()}, ensure_ascii=False).encode().replace("款".encode(), b"\xe6\xac")
    with pytest.raises(ImportRefusedError, match="broken characters, the first in line 1, character"):
        run(speech=data)


def test_half_a_surrogate_pair_in_a_result_of_text_alone_is_repaired(run: Importer) -> None:
    room = run(speech='{"Data": {"Result": "[0:1.200,0:3.000]  a\\ud800b\\n"}}')
    assert [segment["text"] for segment in room.of("host.speech")] == ["a\ufffdb"]


def test_an_entry_that_is_none_does_not_hide_the_format(run: Importer) -> None:
    room = run(speech=json.dumps({"segments": [None, *coats()]}))
    assert len(room.of("host.speech")) == 25
    assert room.summary.unreadable == 1


def test_a_word_in_the_text_is_no_mark_of_a_format(run: Importer) -> None:
    for text in (
        '{"note": "segments, transcription, \\"segments\\": ["}',
        '{"comments": [{"text": "\\"segments\\""}]}',
    ):
        with pytest.raises(ImportRefusedError, match="JSON of an unknown kind"):
            run(speech=text)


def test_text_without_times_is_refused_with_the_reason(run: Importer) -> None:
    with pytest.raises(ImportRefusedError, match="a transcript without times"):
        run(speech='{"text": "hello", "usage": {}}')


LINES = [(n * 5_000 + 200, n * 5_000 + 4_000, f"先看这件外套第{'零一二三四五六七八九'[n % 10]}款。") for n in range(25)]
WRITTEN = [(name, number) for name, writers in SAMPLES.items() for number in range(len(writers))]


@pytest.mark.parametrize(("name", "number"), WRITTEN)
def test_every_sample_of_every_format_is_recognised_and_read(run: Importer, name: str, number: int) -> None:
    room = run(speech=SAMPLES[name][number](LINES))
    said = [
        (s["start_ms"] - room.summary.start_ms, s["end_ms"] - room.summary.start_ms, s["text"])
        for s in room.of("host.speech")
    ]
    assert room.summary.formats == {"speech": name}
    assert [(start, text) for start, _, text in said] == [(start, text) for start, _, text in LINES]
    assert [end for _, end, _ in said[:-1]] == [end for _, end, _ in LINES[:-1]]
    assert abs(said[-1][1] - LINES[-1][1]) <= 2_000  # an end that the file leaves out is estimated
    assert room.summary.unreadable == 0


@pytest.mark.parametrize(("name", "number"), WRITTEN)
def test_a_broken_byte_and_a_cut_end_cost_an_entry_of_any_format(run: Importer, name: str, number: int) -> None:
    data = SAMPLES[name][number](LINES).encode()
    wound = "外套".encode()
    if wound in data:
        at = data.rindex(wound)
        broken = data[:at] + data[at + 1 :]
        if not data.startswith(b"[{'"):  # Python's own text is read whole
            assert len(run(speech=broken).of("host.speech")) >= 24
    if name not in ("jianying-draft", "funasr-text") and not data.startswith(b"[{'"):
        ends = [at for at in range(len(data)) if data.startswith(b"}", at)] or [len(data)]
        cut = run(speech=data[: ends[len(ends) * 2 // 3] - 2])
        assert len(cut.of("host.speech")) >= 1


def test_the_catalogue_lists_every_format_that_has_samples(run: Importer) -> None:
    assert set(SAMPLES) | set(ALL) | {"webvtt", "srt"} == set(names("speech"))
