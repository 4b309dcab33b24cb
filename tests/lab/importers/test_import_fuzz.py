"""Damaged recordings: a refusal in words, or a room log that the decoder takes; nothing else, and in bounded time.

`IMPORT_FUZZ_ROUNDS=20000 pytest tests/lab/importers/test_import_fuzz.py` looks longer than the default, and
`IMPORT_FUZZ_SEED` begins elsewhere.
"""

import json
import os
from collections import Counter
from random import Random

import pytest

from tests.lab.importers.made_up import START_MS, Importer, bililive, blrec, srt_cue, tweet, twitch, whisper, youtube
from tests.support.mutate import SCRAPS, mutated
from worker.ingress.decode import decode
from worker.ingress.reject import Reject
from worker.lab.importers import ImportRefusedError, Limits

pytestmark = pytest.mark.slow

FAR_FUTURE_MS = 5_000_000_000_000
ROUNDS = int(os.environ.get("IMPORT_FUZZ_ROUNDS", "150"))
SEED = int(os.environ.get("IMPORT_FUZZ_SEED", "0"))
ENTRIES = 30
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "gb18030")


def said(at_s: int) -> str:
    """A comment as both recorders of Bilibili write it."""
    return f'<d p="{at_s}.0,1,25,16777215,{START_MS + at_s * 1_000},0,90{at_s},0" uid="90{at_s}" user="某">多少钱</d>'


CHATS = {
    "yt-dlp": "".join(youtube(at * 1_000) for at in range(ENTRIES)),
    "yt-dlp live": "".join(youtube(at * 1_000, live=True) for at in range(ENTRIES)),
    "bililive-recorder": bililive(*(said(at) for at in range(ENTRIES))),
    "blrec": blrec(*(said(at) for at in range(ENTRIES))),
    "twitchdownloader": twitch(*(tweet(at) for at in range(ENTRIES))),
}  # fmt: skip
SPEECHES = {
    "webvtt": "WEBVTT\n\n"
    + "".join(f"00:00:{at:02}.000 --> 00:00:{at + 1:02}.000\n价格 {at}\n\n" for at in range(ENTRIES)),
    "srt": "".join(
        srt_cue(at + 1, f"00:00:{at:02},000", f"00:00:{at + 1:02},000", f"价格 {at}") for at in range(ENTRIES)
    ),
    "whisper": whisper(*({"start": float(at), "end": at + 1.0, "text": f"hello {at}"} for at in range(ENTRIES))),
}
STARTED = CHATS["yt-dlp"]  # speech alone has no clock of its own


@pytest.mark.parametrize("name", [*CHATS, *SPEECHES])
def test_a_damaged_recording_is_refused_in_words_or_becomes_a_sound_room_log(run: Importer, name: str) -> None:
    texts = CHATS if name in CHATS else SPEECHES
    others = [text.encode() for text in (CHATS | SPEECHES).values()]
    rng = Random(sum(name.encode()) + SEED)
    became: Counter[str] = Counter()
    for round_ in range(ROUNDS):
        damaged = mutated(rng, texts[name].encode(rng.choice(ENCODINGS)), others)
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


@pytest.mark.parametrize("name", [name for name in CHATS if name != "yt-dlp live"])
def test_one_scrap_within_a_message_costs_no_more_than_a_neighbour(run: Importer, name: str) -> None:
    whole = CHATS[name].encode()
    inside = [
        at
        for at in range(len(whole) // 2, len(whole))
        if whole[at:].startswith((b"how much", "多少".encode(), b'"hi"'))
    ]
    for scrap in SCRAPS:
        at = inside[0] + 1
        room = run(whole[:at] + scrap + whole[at:], limits=Limits(bad_ratio=0.1))
        assert len(room.of("viewer.comment")) >= ENTRIES - 2, scrap
