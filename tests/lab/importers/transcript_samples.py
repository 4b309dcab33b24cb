"""Transcripts as each tool writes them: at least three a format, in the shapes of its versions. All text is made up.

A writer here takes lines of (start ms, end ms, text) and returns the file. None of them uses the importer.
"""

import json
from collections.abc import Callable
from typing import Any

Line = tuple[int, int, str]
Writer = Callable[[list[Line]], str]
LOGPROB = -0.25


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def clock(ms: int, point: str = ",") -> str:
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1_000 % 60:02}{point}{ms % 1_000:03}"


def seconds(lines: list[Line], **more: Any) -> list[dict[str, Any]]:
    """Segments in seconds, as Whisper has them."""
    return [{"start": start / 1_000, "end": end / 1_000, "text": text} | more for start, end, text in lines]


def full(lines: list[Line]) -> list[dict[str, Any]]:
    """Segments with everything that Whisper says of them."""
    doubts = {"tokens": [50364, 8], "temperature": 0.0, "avg_logprob": LOGPROB, "compression_ratio": 0.9,
              "no_speech_prob": 0.02}  # fmt: skip
    return [{"id": n, "seek": 0} | segment for n, segment in enumerate(seconds(lines, **doubts))]


def whole(lines: list[Line]) -> str:
    return "".join(text for _, _, text in lines)


def with_words(lines: list[Line], key: str, score: str) -> list[dict[str, Any]]:
    """Segments whose doubts are in their words alone."""
    return [
        segment | {"words": [{key: segment["text"][:1], "start": segment["start"], "end": segment["end"], score: 0.9}]}
        for segment in seconds(lines)
    ]


def milliseconds(lines: list[Line], start: str, end: str, text: str, **more: Any) -> list[dict[str, Any]]:
    return [{start: begin, end: stop, text: said} | more for begin, stop, said in lines]


def cpp(lines: list[Line], **more: Any) -> list[dict[str, Any]]:
    return [
        {"timestamps": {"from": clock(start), "to": clock(end)}, "offsets": {"from": start, "to": end}, "text": text}
        | more
        for start, end, text in lines
    ]


def cpp_file(lines: list[Line], **more: Any) -> str:
    head = {"systeminfo": "AVX = 1", "model": {"type": "large"}, "params": {"model": "m.bin", "language": "zh"},
            "result": {"language": "zh"}}  # fmt: skip
    return json.dumps(head | {"transcription": cpp(lines, **more)}, ensure_ascii=False, indent="\t")


def cpp_tokens() -> list[dict[str, Any]]:
    offsets = {"timestamps": {"from": "00:00:00,000", "to": "00:00:00,000"}, "offsets": {"from": 0, "to": 0}}
    return [{"text": "[_BEG_]", **offsets, "id": 50365, "p": 0.2, "t_dtw": -1},
            {"text": "看", **offsets, "id": 11, "p": 0.8, "t_dtw": -1}]  # fmt: skip


def characters(lines: list[Line]) -> list[list[int]]:
    """A time for each character of text that has no Latin letters or digits, as FunASR gives it."""
    times = []
    for start, end, text in lines:
        letters = [c for c in text if c not in "，。"]
        times += [[start + (end - start) * n // len(letters), start + (end - start) * (n + 1) // len(letters)]
                  for n in range(len(letters))]  # fmt: skip
    return times


def funasr(lines: list[Line], key: str = "text", **more: Any) -> list[dict[str, Any]]:
    sentences = [
        {key: text, "start": start, "end": end, "timestamp": characters([(start, end, text)]), "spk": 0} | more
        for start, end, text in lines
    ]
    return [{"key": "rec", "text": whole(lines), "timestamp": characters(lines), "sentence_info": sentences}]


def stamp(line: Line) -> dict[str, Any]:
    start, end, text = line
    return {"text_seg": " ".join(text.rstrip("，。")), "punc": text[len(text.rstrip("，。")) :],
            "start": start, "end": end, "ts_list": characters([line])}  # fmt: skip


def tencent(lines: list[Line], wrap: bool = True) -> dict[str, Any]:
    detail = [
        {"FinalSentence": text, "SliceSentence": " ".join(text), "StartMs": start, "EndMs": end, "WordsNum": len(text),
         "Words": [{"Word": text[0], "OffsetStartMs": 0, "OffsetEndMs": 200}], "SpeechSpeed": 3.1, "SpeakerId": 0}
        for start, end, text in lines
    ]  # fmt: skip
    data = {"TaskId": 7, "Status": 2, "StatusStr": "success", "Result": "", "ResultDetail": detail, "ErrorMsg": ""}
    return {"Response": {"RequestId": "r", "Data": data}} if wrap else {"Data": data, "RequestId": "r"}


def tencent_text(lines: list[Line]) -> str:
    def at(ms: int) -> str:
        return f"{ms // 60_000}:{ms % 60_000 / 1_000:.3f}"

    result = "".join(f"[{at(start)},{at(end)},0]  {text}\n" for start, end, text in lines)
    return dumps({"Response": {"Data": {"TaskId": 7, "Result": result, "ResultDetail": None}, "RequestId": "r"}})


def aliyun(lines: list[Line], channels: int = 1, **more: Any) -> str:
    sentences = milliseconds(lines, "begin_time", "end_time", "text", **more)
    transcripts = [{"channel_id": n, "text": whole(lines), "sentences": sentences} for n in range(channels)]
    return dumps({"file_url": "u", "properties": {"channels": [0]}, "transcripts": transcripts})


def isi(lines: list[Line], **more: Any) -> str:
    sentences = milliseconds(lines, "BeginTime", "EndTime", "Text", ChannelId=0, SpeechRate=190, **more)
    return dumps({"TaskId": "t", "StatusText": "SUCCESS", "BizDuration": 9, "Result": {"Sentences": sentences}})


def draft(lines: list[Line], extra: bool = False, subtitle: str = "subtitle") -> str:
    texts = [{"id": f"T{n}", "type": subtitle, "content": dumps({"styles": [{"range": [0, 2]}], "text": text})}
             for n, (_, _, text) in enumerate(lines)]  # fmt: skip
    shown = [{"material_id": f"T{n}", "target_timerange": {"start": start * 1_000, "duration": (end - start) * 1_000}}
             for n, (start, end, _) in enumerate(lines)]  # fmt: skip
    tracks: list[dict[str, Any]] = [{"type": "video", "segments": [{"material_id": "V", "target_timerange": None}]}]
    tracks.append({"attribute": 0, "segments": shown, "type": "text"})
    if extra:
        texts.append({"id": "H", "type": "text", "content": dumps({"text": "今日特价"})})
        tracks.append({"type": "text", "segments": [{"material_id": "H", "target_timerange": {"start": 0}}]})
    return dumps({"duration": 9, "materials": {"videos": [], "texts": texts}, "new_version": "5.9.0", "tracks": tracks})


def bilibili(lines: list[Line], **more: Any) -> list[dict[str, Any]]:
    return [{"from": start / 1_000, "to": end / 1_000, "content": text} | more for start, end, text in lines]


def chunks(lines: list[Line], *, ended: bool = True) -> list[dict[str, Any]]:
    pairs = [{"timestamp": [start / 1_000, end / 1_000], "text": text} for start, end, text in lines]
    if not ended:
        pairs[-1]["timestamp"] = [lines[-1][0] / 1_000, None]
    return pairs


def utterances(lines: list[Line], text: str, **more: Any) -> list[dict[str, Any]]:
    return milliseconds(lines, "start_time", "end_time", text, **more)


def captions(lines: list[Line], **more: Any) -> dict[str, Any]:
    rows = milliseconds(lines, "start_time", "end_time", "original_subtitle", **more)
    return {str(n): row for n, row in enumerate(rows, 1)}


def jsonl(values: list[Any]) -> str:
    return "".join(dumps(value) + "\n" for value in values)


SENSE = "<|zh|><|HAPPY|><|Speech|><|withitn|>"

SAMPLES: dict[str, tuple[Writer, ...]] = {
    "whisper": (
        lambda ls: dumps({"text": whole(ls), "segments": full(ls), "language": "zh"}),
        lambda ls: json.dumps({"segments": full(ls), "language": "zh", "text": ""}),  # in ASCII, keys in another order
        lambda ls: dumps({"language": "zh", "segments": with_words(ls, "word", "probability")}),
    ),
    "openai": (
        lambda ls: dumps({"task": "transcribe", "language": "chinese", "duration": 9.0, "text": whole(ls) * 90,
                          "segments": full(ls), "usage": {"type": "duration", "seconds": 9}}),
        lambda ls: dumps({"task": "transcribe", "duration": "9.0", "text": "", "words": [], "segments": full(ls)}),
        lambda ls: json.dumps({"segments": full(ls), "x_groq": {"id": "r"}, "task": "transcribe"}, indent=2),
    ),
    "faster-whisper": (
        lambda ls: dumps(full(ls)),
        lambda ls: dumps([segment | {"words": None} for segment in seconds(ls)]),
        lambda ls: jsonl(full(ls)),
    ),
    "whisperx": (
        lambda ls: dumps({"segments": full(ls), "word_segments": [], "language": "zh"}),
        lambda ls: dumps({"segments": with_words(ls, "word", "score"), "word_segments": [{"word": "看"}]}),
        lambda ls: dumps({"word_segments": [{"word": "9"}],
                          "segments": [segment | {"speaker": "SPEAKER_00"} for segment in full(ls)]}),
    ),
    "stable-ts": (
        lambda ls: dumps({"text": "", "segments": full(ls), "ori_dict": {"segments": full(ls)},
                          "nonspeech_sections": [{"start": 900.0, "end": 910.0}]}),
        lambda ls: dumps({"ori_dict": {"text": "", "segments": full(ls[:1])}, "segments": full(ls), "language": "zh"}),
        lambda ls: dumps({"segments": with_words(ls, "word", "probability"), "ori_dict": {}, "regroup_history": ""}),
    ),
    "whisper.cpp": (
        cpp_file,
        lambda ls: cpp_file(ls, tokens=cpp_tokens()).replace('"p": 0.2', '"p": -nan'),
        lambda ls: dumps({"transcription": cpp(ls, speaker="0", speaker_turn_next=False)}),
    ),
    "whisper.cpp-csv": (
        lambda ls: "start,end,text\n" + "".join(f'{a},{b}," {text}"\n' for a, b, text in ls),
        lambda ls: "start,end,speaker,text\n" + "".join(f'{a},{b},0,"{text}"\n' for a, b, text in ls),
        lambda ls: "start,end,text\r\n" + "".join(f'{a}, {b}, "{text}"\r\n' for a, b, text in ls),
    ),
    "hf-chunks": (
        lambda ls: dumps({"speakers": [], "chunks": chunks(ls), "text": whole(ls)}),
        lambda ls: dumps({"text": whole(ls), "chunks": chunks(ls, ended=False)}),
        lambda ls: json.dumps({"chunks": [{"text": c["text"], "timestamp": c["timestamp"]} for c in chunks(ls)]}),
    ),
    "funasr": (
        lambda ls: dumps(funasr(ls)),
        lambda ls: dumps(funasr([(a, b, SENSE + t) for a, b, t in ls], timestamp=None)),
        lambda ls: dumps(funasr(ls, key="sentence")),
        lambda ls: str(funasr(ls)) + "\n",
        lambda ls: dumps(funasr(ls)[0]),
        lambda ls: dumps(funasr(ls, start=ls[-1][1])),  # the start is that of the last word
    ),
    "funasr-http": (
        lambda ls: dumps({"text": whole(ls), "sentences": milliseconds(ls, "start", "end", "text"), "code": 0}),
        lambda ls: dumps({"code": 0, "sentences": [{"start": a, "sentence": t, "end": b} for a, b, t in ls]}),
        lambda ls: json.dumps({"sentences": [{"text": t, "start": a, "end": b, "spk": 1} for a, b, t in ls]}, indent=1),
    ),
    "funasr-onnx": (
        lambda ls: dumps({"mode": "offline", "stamp_sents": [stamp(line) for line in ls], "text": whole(ls)}),
        lambda ls: jsonl([{"mode": "offline", "stamp_sents": [stamp(line)], "text": line[2]} for line in ls]),
        lambda ls: jsonl([value for line in ls for value in (
            {"mode": "2pass-online", "text": line[2][:1], "is_final": False},
            {"mode": "2pass-offline", "text": line[2], "stamp_sents": [stamp(line)], "is_final": False})]),
    ),
    "funasr-text": (
        lambda ls: dumps([{"key": "rec", "text": whole(ls), "timestamp": characters(ls)}]),
        lambda ls: dumps([{"key": "rec", "text": "".join(SENSE + t for _, _, t in ls), "timestamp": characters(ls)}]),
        lambda ls: jsonl([{"mode": "2pass-offline", "wav_name": "mic", "text": line[2],
                           "timestamp": json.dumps(characters([line]))} for line in ls]),
    ),
    "aliyun": (
        aliyun,
        lambda ls: aliyun(ls, channels=2),
        lambda ls: aliyun(ls, sentence_id=1, speaker_id=0, words=[{"begin_time": 1, "end_time": 2, "text": "看"}]),
    ),
    "aliyun-isi": (
        isi,
        lambda ls: isi(ls, EmotionValue=6.1, SilenceDuration=0),
        lambda ls: dumps({"Result": {"Words": [], "Sentences": milliseconds(ls, "BeginTime", "EndTime", "Text")}}),
    ),
    "tencent": (
        lambda ls: dumps(tencent(ls)),
        lambda ls: dumps(tencent(ls, wrap=False)),
        tencent_text,
    ),
    "volcengine": (
        lambda ls: dumps({"audio_info": {"duration": 9},
                          "result": {"utterances": utterances(ls, "text", definite=True)}}),
        lambda ls: dumps({"result": [{"text": whole(ls), "utterances": utterances(ls, "text", words=[])}]}),
        lambda ls: dumps({"result": {"text": "", "utterances": [
            {"definite": False, "start_time": 0, "end_time": 9, "text": "半"},
            *utterances(ls, "text", definite=True)]}}),
    ),
    "bcut": (
        lambda ls: dumps({"utterances": utterances(ls, "transcript", words=[], confidence=0), "version": "20.0"}),
        lambda ls: dumps({"version": "20.0", "utterances": utterances(ls, "transcript", words=[{"label": "看"}])}),
        lambda ls: json.dumps({"utterances": utterances(ls, "transcript", confidence=93)}),
    ),
    "jianying-asr": (
        lambda ls: dumps({"ret": "0", "data": {"utterances": utterances(ls, "text", words=[])}}),
        lambda ls: dumps({"data": {"duration": 9, "utterances": utterances(ls, "text", attribute={})}, "errmsg": ""}),
        lambda ls: json.dumps({"data": {"utterances": utterances(ls, "text")}}, indent=4),
    ),
    "jianying-draft": (
        draft,
        lambda ls: draft(ls, extra=True),
        lambda ls: json.dumps(json.loads(draft(ls)), indent=2),
    ),
    "videocaptioner": (
        lambda ls: dumps(captions(ls, translated_subtitle="")),
        lambda ls: json.dumps(captions(ls), indent=2),
        lambda ls: json.dumps(captions(ls, translated_subtitle="coat", words=[])),
    ),
    "bilibili-subtitle": (
        lambda ls: dumps({"font_size": 0.4, "type": "AIsubtitle", "body": bilibili(ls, sid=1, location=2, music=0.01)}),
        lambda ls: dumps({"font_color": "#FFFFFF", "Stroke": "none", "body": bilibili(ls, location=2)}),
        lambda ls: dumps({"lang": "zh", "body": [
            *bilibili(ls), {"from": 900, "to": 901, "content": "♪ 音乐 ♪", "music": 1}]}),
    ),
}  # fmt: skip
"""Format → writers. The first two of most are shaped like files seen, the last after the tool's documentation."""
