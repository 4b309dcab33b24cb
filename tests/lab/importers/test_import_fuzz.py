"""Damaged recordings: a refusal in words, or a room log that the decoder takes; nothing else, and in bounded time."""

import json
from collections import Counter
from random import Random

import pytest

from tests.lab.importers.made_up import START_MS, Importer, bililive, blrec, srt_cue, tweet, twitch, whisper, youtube
from tests.support.mutate import mutated
from worker.ingress.decode import decode
from worker.ingress.reject import Reject
from worker.lab.importers import ImportRefusedError

FAR_FUTURE_MS = 5_000_000_000_000
ROUNDS = 250


def said(at_s: int) -> str:
    """A comment as both recorders of Bilibili write it."""
    return f'<d p="{at_s}.0,1,25,16777215,{START_MS + at_s * 1_000},0,90{at_s},0" uid="90{at_s}" user="某">多少钱</d>'


CHATS = {
    "yt-dlp": "".join(youtube(at * 1_000) for at in range(8)),
    "yt-dlp live": "".join(youtube(at * 1_000, live=True) for at in range(8)),
    "bililive-recorder": bililive(*(said(at) for at in range(8))),
    "blrec": blrec(*(said(at) for at in range(8))),
    "twitchdownloader": twitch(*(tweet(at) for at in range(8))),
}  # fmt: skip
SPEECHES = {
    "webvtt": "WEBVTT\n\n" + "".join(f"00:00:0{at}.000 --> 00:00:0{at + 1}.000\nhello {at}\n\n" for at in range(8)),
    "srt": "".join(srt_cue(at + 1, f"00:00:0{at},000", f"00:00:0{at + 1},000", f"hello {at}") for at in range(8)),
    "whisper": whisper(*({"start": float(at), "end": at + 1.0, "text": f"hello {at}"} for at in range(8))),
}
STARTED = CHATS["yt-dlp"]  # speech alone has no clock of its own


@pytest.mark.parametrize("name", [*CHATS, *SPEECHES])
def test_a_damaged_recording_is_refused_in_words_or_becomes_a_sound_room_log(run: Importer, name: str) -> None:
    texts = CHATS if name in CHATS else SPEECHES
    whole, others = texts[name].encode(), [text.encode() for text in (CHATS | SPEECHES).values()]
    rng = Random(sum(name.encode()))
    became: Counter[str] = Counter()
    for round_ in range(ROUNDS):
        damaged = mutated(rng, whole, others)
        try:
            imported = run(damaged) if name in CHATS else run(STARTED, damaged)
        except ImportRefusedError as refused:
            assert len(str(refused)) > 10
            became["refused"] += 1
            continue
        except Exception as error:
            raise AssertionError(f"{name}, round {round_}: {damaged!r}") from error
        became["imported"] += 1
        for event in imported.events:
            outcome = decode(event["room_id"].encode(), json.dumps(event).encode(), FAR_FUTURE_MS)
            assert not isinstance(outcome, Reject), f"{name}, round {round_}: {outcome}"
    assert became["imported"] > 5, became
