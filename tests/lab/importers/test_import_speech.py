"""WebVTT, SRT and Whisper's JSON."""

import pytest

from tests.lab.importers.made_up import Importer, srt_cue, tweet, twitch, whisper
from worker.lab.importers import Limits
from worker.lab.importers.readable import BROKEN_BYTES

ROLLING = """\ufeffWEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.869 align:start position:0%
\x20
hello<00:00:00.480><c> and</c><00:00:00.640><c> welcome</c>

00:00:02.869 --> 00:00:02.879 align:start position:0%
hello and welcome
\x20

00:00:02.879 --> 00:00:05.270 align:start position:0%
hello and welcome
to<00:00:03.120><c> my</c><00:00:03.280><c> room</c>

00:00:05.270 --> 00:00:05.280 align:start position:0%
to my room
\x20

00:00:05.280 --> 00:00:07.000 align:start position:0%
to my room
to<00:00:05.500><c> my</c><00:00:06.000><c> room</c>

00:00:07.000 --> 00:00:07.010 align:start position:0%
to my room
\x20

00:00:07.010 --> 00:00:09.000 align:start position:0%
to my room
[Music]
"""


def texts(run: Importer, speech: str | bytes, **job: object) -> list[str]:
    return [segment["text"] for segment in run(speech=speech, **job).of("host.speech")]


def test_rolling_captions_give_each_text_once_and_a_true_repetition_twice(run: Importer) -> None:
    assert texts(run, ROLLING) == ["hello and welcome", "to my room", "to my room"]


def test_what_rolling_captions_lose_is_counted(run: Importer) -> None:
    assert run(speech=ROLLING).summary.dropped == {
        "rolling caption that repeats the one before": 3,
        "caption of a sound, not of speech": 1,
    }


def test_a_host_who_repeats_a_sentence_in_plain_subtitles_keeps_every_one(run: Importer) -> None:
    # Repetition is evidence for the judge; only rolling captions repeat for layout.
    cues = "".join(srt_cue(n, f"00:00:0{n},000", f"00:00:0{n},900", "はい、こんばんは") for n in range(1, 6))
    assert texts(run, cues) == ["はい、こんばんは"] * 5


def test_captions_that_overlap_by_design_are_clipped_and_claim_no_second_voice(run: Importer) -> None:
    vtt = "WEBVTT\n\n00:00.000 --> 00:05.000\none\n\n00:02.000 --> 00:07.000\ntwo\n\n00:04.500 --> 00:09.000\nthree\n"
    room = run(speech=vtt)
    spans = [
        (s["start_ms"] - room.summary.start_ms, s["end_ms"] - room.summary.start_ms) for s in room.of("host.speech")
    ]
    assert spans == [(0, 2_000), (2_000, 4_500), (4_500, 9_000)]
    assert not any("voice_id" in s for s in room.of("host.speech"))


def test_a_vtt_without_hours_and_with_entities_is_read(run: Importer) -> None:
    assert texts(run, "WEBVTT\n\n59:59.000 --> 01:00:01.000\nbuy &amp; <i>smile</i>\n") == ["buy & smile"]


@pytest.mark.parametrize(
    ("point", "newline", "bom"), [(",", "\n", ""), (".", "\r\n", "\ufeff"), (",", "\r\n", "\ufeff")]
)
def test_srt_with_bom_crlf_and_points_in_times_is_read(run: Importer, point: str, newline: str, bom: str) -> None:
    text = srt_cue(1, "00:00:01,000", "00:00:02,500", "第一件") + srt_cue(2, "01:00:01,000", "01:00:02,500", "第二件")
    room = run(speech=(bom + text.replace(",", point).replace("\n", newline)).encode())
    assert room.offsets("host.speech") == [2_500, 3_602_500]


def test_cues_with_broken_times_are_counted_with_their_line(run: Importer) -> None:
    cues = [srt_cue(n, f"00:00:{n:02},000", f"00:00:{n:02},900", f"t{n}") for n in range(1, 40)]
    room = run(speech="".join([*cues, "40\n00:00:xx,000 --> 00:00:41,000\nlost\n\n"]))
    assert room.summary.unreadable_first[0] == {"line": 39 * 4 + 2, "why": "is no pair of cue times"}


def test_whisper_silence_artefacts_never_become_speech(run: Importer) -> None:
    # "you" every 30 s: to a detector of loops a perfect loop.
    doubts = {"no_speech_prob": 0.8, "avg_logprob": -1.4}
    silence = [{"start": n * 30.0, "end": n * 30.0 + 30, "text": " you"} | doubts for n in range(15)]
    room = run(speech=whisper(*silence, {"start": 450.0, "end": 455.0, "text": " Welcome everybody."}))
    assert [s["text"] for s in room.of("host.speech")] == ["Welcome everybody."]
    assert room.summary.dropped == {"Whisper heard no speech (no_speech_prob > 0.6 and avg_logprob < -1)": 15}


def test_whisper_repeating_itself_is_trimmed_or_left_out(run: Importer) -> None:
    stuck = {"start": 0.0, "end": 9.0, "text": " So nice. " + "Thank you. " * 30, "compression_ratio": 9.0}
    stuck_cjk = {"start": 10.0, "end": 19.0, "text": "谢谢大家" * 20, "compression_ratio": 9.0}
    garbled = {"start": 20.0, "end": 29.0, "text": " a b c d e f g h", "compression_ratio": 3.0}
    room = run(speech=whisper(stuck, stuck_cjk, garbled))
    assert [s["text"] for s in room.of("host.speech")] == ["So nice. Thank you.", "谢谢大家"]
    assert room.summary.dropped == {"Whisper repeats itself (compression_ratio > 2.4)": 1}
    assert sum(room.summary.changed.values()) == 2


def test_a_seller_who_repeats_himself_below_the_threshold_is_left_alone(run: Importer) -> None:
    assert texts(run, whisper({"start": 0.0, "end": 3.0, "text": "买它 买它 买它", "compression_ratio": 1.9})) == [
        "买它 买它 买它"
    ]


def test_overlapping_whisper_segments_are_clipped(run: Importer) -> None:
    room = run(speech=whisper({"start": 0.0, "end": 6.0, "text": "a"}, {"start": 5.0, "end": 9.0, "text": "b"}))
    assert room.offsets("host.speech") == [5_000, 9_000]
    assert room.summary.changed == {"overlapping segment (clipped)": 1}
    assert room.summary.speech_ratio == 1.0


def test_the_offset_shifts_speech_against_chat(run: Importer) -> None:
    chat, speech = twitch(tweet(60)), whisper(
        {"start": 1.0, "end": 2.0, "text": "too early"}, {"start": 50.0, "end": 52.0, "text": "kept"}
    )  # fmt: skip
    room = run(chat, speech, speech_offset_ms=-10_000)
    assert room.offsets("host.speech") == [42_000]
    assert room.offsets("viewer.comment") == [60_000]
    assert room.summary.dropped == {"sent before the recording began": 1}


def test_an_answer_that_shares_no_word_is_kept_as_speech_and_no_reply_is_invented(run: Importer) -> None:
    chat = twitch(tweet(10, "来电话了"), tweet(20, "斗鱼"))
    speech = srt_cue(1, "00:00:12,000", "00:00:14,000", "好的呢知道了。") + srt_cue(
        2, "00:00:22,000", "00:00:24,000", "对啊斗鱼你们去过吗？"
    )
    room = run(chat, speech)
    story = [e["text"] for e in room.events if e["type"] in {"viewer.comment", "host.speech"}]
    assert story == ["来电话了", "好的呢知道了。", "斗鱼", "对啊斗鱼你们去过吗？"]
    assert room.of("host.reply") == []


@pytest.mark.parametrize("head", ["", "WEBVTT\n\n"])
def test_a_character_cut_in_two_costs_itself_only(run: Importer, head: str) -> None:
    cues = "".join(srt_cue(n, f"00:00:{n:02}.000", f"00:00:{n:02}.900", f"第{n}个价格") for n in range(10, 30))
    room = run(speech=(head + cues).encode().replace("第12个".encode(), "第12个".encode()[:-1]))
    assert [s["text"] for s in room.of("host.speech")][1:4] == ["第11个价格", "第12\ufffd价格", "第13个价格"]
    assert room.summary.changed == {BROKEN_BYTES: 1}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gb18030"])
@pytest.mark.parametrize("head", ["", "WEBVTT\n\n"])
def test_subtitles_are_read_in_every_encoding_that_their_bytes_tell(run: Importer, head: str, encoding: str) -> None:
    cues = "".join(srt_cue(n, f"00:00:{n:02}.000", f"00:00:{n:02}.900", f"这个{n}块钱") for n in range(10, 30))
    room = run(speech=(head + cues).encode(encoding))
    assert [s["text"] for s in room.of("host.speech")] == [f"这个{n}块钱" for n in range(10, 30)]
    assert not room.summary.changed


@pytest.mark.parametrize("head", ["", "WEBVTT\n\n"])
def test_one_cue_with_impossible_times_costs_itself_only(run: Importer, head: str) -> None:
    cues = [srt_cue(n, f"00:00:{n:02}.000", f"00:00:{n:02}.900", f"text {n}") for n in range(10, 40)]
    cues[3] = srt_cue(13, "00:99:99.000", "00:99:99.900" if head else "9" * 6 + ":00:00.000", "lost")
    room = run(speech=head + "".join(cues))
    assert len(room.of("host.speech")) >= 29


@pytest.mark.timeout(20)
@pytest.mark.parametrize("filling", ["1", "1\n", "\n", "<", "[", "00:00:01,000 --> ", "1\n00:00:01,000 -->\n\n"])
@pytest.mark.parametrize("head", ["", "WEBVTT\n\n"])
def test_a_hostile_subtitle_file_is_read_in_linear_time(run: Importer, head: str, filling: str) -> None:
    # A quadratic reader needs minutes for half a megabyte of digits.
    first = head + srt_cue(1, "00:00:01.000", "00:00:02.000", "ok")
    assert texts(run, first + filling * (500_000 // len(filling)), limits=Limits(bad_ratio=1.0))[0].startswith("ok")


def test_srt_keeps_blank_lines_within_a_cue_and_reads_times_without_hours(run: Importer) -> None:
    cues = "1\n00:01,000 --> 00:02,000\nfirst\n\nstill first\n\n2\n00:03,000 --> 00:04,000\n42\nis the price\n"
    assert texts(run, cues) == ["first still first", "42 is the price"]


def test_silence_artefacts_in_subtitles_without_probabilities_never_become_speech(run: Importer) -> None:
    cues = [
        srt_cue(n, f"00:0{n // 2}:{n % 2 * 30:02},000", f"00:0{n // 2}:{n % 2 * 30 + 29:02},999", "you")
        for n in range(8)
    ]
    room = run(speech="".join(cues) + srt_cue(9, "00:05:00,000", "00:05:02,000", "you"))
    assert room.offsets("host.speech") == [302_000]
    assert room.summary.dropped == {"one word held for 20 s again and again: silence": 8}


def test_times_too_large_to_calculate_with_are_unreadable(run: Importer) -> None:
    far = whisper(
        *({"start": n * 1.0, "end": n + 0.5, "text": "ok"} for n in range(40)),
        {"start": 1e308, "end": 1e308, "text": "x"},
    )
    assert run(speech=far).summary.unreadable == 1
