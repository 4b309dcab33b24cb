"""What `stream-audit import` reads: one row a format, for `--formats`, messages and checks of options.

A reader adds its rows here and itself to `formats`; nothing else names formats.
"""

from dataclasses import dataclass
from typing import Literal

Option = Literal["chat", "speech"]


@dataclass(frozen=True, slots=True)
class Format:
    """`name` is what `--chat-format` and `--speech-format` take."""

    name: str
    option: Option
    writers: str
    times: str
    """What its times are worth."""
    lacks: str
    """What it cannot say that another format can."""


def _chat(name: str, writers: str, times: str, lacks: str) -> Format:
    return Format(name, "chat", writers, times, lacks)


def _speech(name: str, writers: str, times: str, lacks: str) -> Format:
    return Format(name, "speech", writers, times, lacks)


FORMATS: tuple[Format, ...] = (
    Format("yt-dlp", "chat", "yt-dlp (live_chat.json of YouTube)", "sent, 1 ms", "purchases"),
    Format("bililive-recorder", "chat", "BililiveRecorder", "sent, 1 ms", "purchases"),
    Format("blrec", "chat", "blrec", "sent, 1 ms", "purchases"),
    Format("bililive-tools", "chat", "biliLive-tools", "sent, 1 ms; Douyin 1 s", "purchases"),
    Format("biliup", "chat", "biliup", "arrived, 1 s", "people and gifts, unless saved in detail"),
    Format("stream-rec", "chat", "stream-rec", "sent, 1 ms; Douyin 1 s", "gifts"),
    Format("rust-srec", "chat", "rust-srec, mesio", "sent, 1 ms; Douyin 1 s", "ids of people (told apart by name)"),
    Format(
        "douyin-live-recorder", "chat", "DouyinLiveRecorder's danmu_recorder", "arrived, 10 ms", "ids of people, gifts"
    ),
    Format(
        "danmaku", "chat", "danmaku XML of a live room by another writer", "as its times allow", "its writer's meaning"
    ),
    Format("twitchdownloader", "chat", "TwitchDownloader (JSON)", "sent, 1 s", "purchases"),
    _chat("oba-live-tool", "oba-live-tool's WebSocket: Douyin, WeChat Channels, Kuaishou, Taobao, Xiaohongshu",
          "arrived, 1 ms", "gifts; ids of who comments or orders, on Douyin"),
    _chat("wxlivespy", "wxlivespy: WeChat Channels", "decoded, a poll at a time", "purchases; replies; a gift's price"),
    _chat("wechat-live-msg", "WeChat Channels' own /live/msg answers", "as logged with each", "purchases"),
    _chat("douyin-barrage-grab", "DouyinBarrageGrab (Data is text)", "by message id, 1 s, unless logged", "purchases"),
    _chat("barrage-grab", "BarrageGrab (Data is an object)", "by message id, 1 s, unless logged", "purchases"),
    _chat("douyin-live", "douyinLive, and others that write Douyin's own fields", "sent, 1 s", "purchases"),
    _chat("dycast", "dycast, dycast-desktop", "arrived, 1 ms; else by message id, 1 s", "purchases"),
    _chat("douyin-danmaku-catcher", "DouyinDanmakuCatcher", "sent, 1 s", "all but comments"),
    _chat("shadow-replay", "bili-shadowreplay (JSON lines)", "arrived, 1 ms", "all but comments"),
    _chat("kuaishou-push", "Kuaishou's web push", "gifts sent, 1 ms; others as logged", "prices; purchases"),
    _chat("blrec-raw", "blrec with raw on: Bilibili's own commands", "sent, 1 ms; gifts 1 s", "purchases"),
    _chat("chat-downloader", "chat-downloader: .json, .jsonl", "sent, 1 µs", "purchases"),
    _chat("tiktok-live", "TikTok-Live-Connector, TikTokLive", "sent, 1 ms", "prices in money; purchases"),
    _chat("chat-csv", "tables: DouyinBarrage, DouyinLiveWebFetcher, chat-downloader, scripts for TikTok",
          "arrived, 1 s", "as their columns say"),
    _chat("chat-text", "lines `ms:text`, and the text log of DouyinBarrageGrab", "arrived, 1 s", "all but comments"),
    _chat("danmaku-ass", "DanmakuFactory, DanmakuRender: a picture of the chat", "shown, 10 ms",
          "what collided; most people; gifts; purchases"),
    _speech("webvtt", "YouTube's and others' WebVTT", "start and end, 1 ms", "confidence"),
    _speech("srt", "SRT of any tool", "start and end, 1 ms", "confidence"),
    _speech("ass", "ASS, SSA of any tool", "start and end, 10 ms", "confidence"),
    _speech("lrc", "LRC of any tool", "start, 10 ms", "confidence, ends"),
    _speech("tsv", "Whisper's table", "start and end, 1 ms", "confidence"),
    _speech("labels", "Audacity's labels, WhisperX's .aud", "start and end, 1 ms", "confidence"),
    _speech("speaker-blocks", "blocks under a speaker and a time (Feishu, iFlytek)", "start, 1 s", "confidence, ends"),
    _speech("youtube-json3", "YouTube's captions (json3)", "start and end, 1 ms", "confidence"),
    _speech("youtube-srv3", "YouTube's captions (srv3)", "start and end, 1 ms", "confidence"),
    _speech("youtube-srv1", "YouTube's captions (srv1)", "start and end, 1 ms", "confidence"),
    _speech("ttml", "TTML of any tool", "start and end, 1 ms", "confidence"),
    _speech("whisper", "openai-whisper, mlx-whisper, whisper-ctranslate2, whisper.cpp's server", "10 ms", ""),
    _speech("openai", "OpenAI's verbose_json", "10 ms", ""),
    _speech("faster-whisper", "faster-whisper's segments: a list, or JSON lines", "10 ms", ""),
    _speech("whisperx", "WhisperX", "1 ms; numbers have none and are placed between neighbours", ""),
    _speech("stable-ts", "stable-ts", "1 ms, with silent stretches", ""),
    _speech("whisper.cpp", "whisper.cpp -oj, -ojf", "10 ms", "confidence without -ojf"),
    _speech("whisper.cpp-csv", "whisper.cpp -ocsv", "10 ms", "confidence"),
    _speech(
        "hf-chunks", "Hugging Face pipeline, insanely-fast-whisper, whisper-jax", "the last has no end", "confidence"
    ),
    _speech("funasr", "FunASR AutoModel with sentence_info, also printed by Python", "1 ms", "confidence"),
    _speech("funasr-http", "FunASR's HTTP server", "1 ms; old versions have no end", "confidence"),
    _speech("funasr-onnx", "FunASR's ONNX runtime and web socket with stamp_sents", "1 ms", "confidence"),
    _speech("funasr-text", "FunASR, SenseVoice: text with a time for each character", "1 ms", "confidence"),
    _speech("aliyun", "Aliyun Paraformer, Fun-ASR", "1 ms, first channel", "confidence"),
    _speech("aliyun-isi", "Aliyun ISI recording files", "1 ms", "confidence"),
    _speech("tencent", "Tencent Cloud ASR", "1 ms", "confidence"),
    _speech("volcengine", "Volcengine ASR", "1 ms", "confidence"),
    _speech("bcut", "Bcut", "1 ms", "confidence, mostly"),
    _speech("jianying-asr", "CapCut's (剪映) recogniser", "1 ms", "confidence, mostly"),
    _speech("jianying-draft", "CapCut's (剪映) draft_content.json, not encrypted", "of the edit", "confidence"),
    _speech("videocaptioner", "VideoCaptioner's JSON", "1 ms", "confidence"),
    _speech("bilibili-subtitle", "Bilibili's subtitles as JSON", "10 ms", "confidence"),
)  # fmt: skip
"""Chat first; then speech, the best-known first."""


def names(option: Option) -> tuple[str, ...]:
    """The names of the formats that `--chat` or `--speech` accepts."""
    return tuple(row.name for row in FORMATS if row.option == option)
