"""An honest host, recorded in each format: no judge may say more than "watch" of the room."""

import json
from pathlib import Path
from random import Random

import pytest

from tests.lab.importers.chat_samples import CHATS
from tests.lab.importers.made_up import srt_cue
from worker.audit.evidence import Level
from worker.lab.importers import Job, import_recording
from worker.policy.judge import Judge
from worker.tools.policyfiles import read_policies
from worker.tools.replay import Replay
from worker.tools.roomlog import LogRecord

MESSAGES = 900
ANSWERS = ("M码还有的", "M码没有了，L码可以", "M码只剩两件", "这个码数是有的", "M码下一批明天到")
FILLERS = (
    "料子是纯棉的，洗了不会缩水", "喜欢的朋友可以先拍", "我身高一米六五穿的就是这个", "颜色有三种，米白最好卖",
    "领口是松的，不勒", "今天下单明天就发", "袖子到这里，刚好遮住手臂", "配牛仔裤特别好看", "之前买过的可以说说",
)  # fmt: skip


def speech() -> str:
    """What an honest host says: answers to what is asked now, and never twice the same."""
    rng, cues = Random(7), []
    for number, at in enumerate(range(3, MESSAGES, 4), 1):
        said = f"第{at - 1}件{rng.choice(ANSWERS)}，{rng.randrange(39, 300)}块钱，{rng.choice(FILLERS)}"
        begin, end = (f"00:{s // 60:02}:{s % 60:02},{rng.randrange(0, 900):03}" for s in (at, at + 3))
        cues.append(srt_cue(number, begin, end, said))
    return "".join(cues)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHATS)
def test_no_recording_of_an_honest_host_reaches_more_than_watch(tmp_path: Path, name: str) -> None:
    chat, said, out = tmp_path / "chat", tmp_path / "speech.srt", tmp_path / "room.jsonl"
    chat.write_text(CHATS[name](MESSAGES), encoding="utf-8")
    said.write_text(speech(), encoding="utf-8")
    summary = import_recording(Job(chat=chat, speech=said, out=out, selling=True))
    assert summary.formats["chat"] == name
    lines = out.read_bytes().splitlines()
    run = Replay(Judge(read_policies()))
    records = (
        LogRecord(0, at, (event := json.loads(line))["at_ms"], event["room_id"].encode(), line)
        for at, line in enumerate(lines)
    )
    for _ in run.run(records):
        pass
    rooms = run.rooms()
    assert len(rooms) == 1
    assert max(rooms[0].peaks.values(), default=0) <= Level.WATCH, rooms[0].peaks
    assert not rooms[0].rules, rooms[0].rules
