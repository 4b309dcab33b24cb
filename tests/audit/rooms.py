"""Random rooms that reach every statistic: seeds in, logs out."""

from random import Random
from typing import Any

from tests.audit.build import MINUTE, SECOND, beat, ev, in_time
from worker.audit import events as e

QUESTIONS = (
    "这件衣服多少钱？",
    "有没有黑色的呀",
    "身高一米六穿几号",
    "what size should I buy",
    "发什么快递呢",
    "包邮吗",
)
CHATTER = ("好看", "主播好", "666", "hello", "来了来了", "买了")
ANSWERS = (
    "黑色的还有最后十件大家抓紧",
    "一米六建议穿小码的姐妹们",
    "谢谢大家送的礼物感谢支持",
    "欢迎新进直播间的朋友们",
    "快递统一发顺丰速运到家",
    "buy the medium size please",
)
_SYLLABLES = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨露结为霜金生丽水玉出昆冈"


def sentence(rng: Random) -> str:
    """A sentence that nobody has said before."""
    return "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(6, 24)))


def random_log(seed: int, *, minutes: int = 50) -> list[Any]:
    """A room's log by event time; it asks, answers, falls silent, loops, is looked at and challenged."""
    rng = Random(seed)
    events: list[Any] = [beat(at, viewers=rng.randint(1, 90)) for at in range(0, minutes * MINUTE + 1, 20 * SECOND)]
    events += _viewers(rng, minutes) + _host(rng, minutes) + _markers(rng, minutes)
    log = in_time(_pauses(rng, minutes), events)  # of one millisecond, the break comes first
    return _detailed(_consistent(log), Random(seed + 1))


def _times(rng: Random, minutes: int, mean_s: float) -> list[int]:
    at, found = 0.0, []
    while (at := at + rng.expovariate(1 / mean_s) * SECOND) < minutes * MINUTE:
        found.append(int(at) if rng.random() < 0.7 else int(at) // 10_000 * 10_000)  # often exactly on a boundary
    return found


def _viewers(rng: Random, minutes: int) -> list[Any]:
    events = []
    for at in _times(rng, minutes, rng.choice([0.6, 2, 10, 25, 60])):
        kind = rng.random()
        if kind < 0.6:
            events.append(ev(e.ViewerComment, at, text=rng.choice(QUESTIONS if rng.random() < 0.7 else CHATTER)))
        elif kind < 0.7:
            events.append(ev(e.ViewerGift, at))
        elif kind < 0.8:
            events.append(ev(e.ViewerOrder, at))
        else:
            events.append(ev(e.ViewerLiked, at, count=3))
    return events


def _host(rng: Random, minutes: int) -> list[Any]:
    events: list[Any] = []
    if rng.random() < 0.1:
        return events
    loop = rng.choice([0, 0, 240, 420])  # seconds after which everything is said again
    script: dict[int, str] = {}
    answering = rng.random() < 0.5
    pace = rng.choice([4, 9, 20])
    for second in range(0, minutes * 60, pace):
        if answering and rng.random() < 0.04:
            text = rng.choice(ANSWERS)
        elif loop:
            text = script.setdefault(second % (loop - loop % pace), sentence(rng))
        else:
            text = sentence(rng)
        events.append(ev(e.HostSpeech, second * SECOND + rng.randint(0, 900), text=text))
    for at in _times(rng, minutes, 600):
        events.append(ev(e.HostReply, at) if rng.random() < 0.5 else ev(e.HostAction, at, kind="thank_gift"))
    return events


def _markers(rng: Random, minutes: int) -> list[Any]:
    events: list[Any] = []
    share = rng.choice([0.05, 0.3, 0.9])
    for modality, detector in (("voice", "voice-audit"), ("face", "face-audit")):
        for at in _times(rng, minutes, rng.choice([7, 15, 60])):
            score = 0.99 if rng.random() < share else 0.1
            version = "9" if rng.random() < 0.05 else "1"
            events.append(ev(e.DetectorScore, at, detector=detector, modality=modality, score=score, version=version))
    events += _challenges(rng, minutes)
    visible = False
    for at in _times(rng, minutes, 900):
        visible = not visible
        events.append(ev(e.LabelState, at, visible=visible, by="platform"))
    return events


def _challenges(rng: Random, minutes: int) -> list[Any]:
    """Some are judged twice, some were never issued, some have no result."""
    events: list[Any] = []
    for number, at in enumerate(_times(rng, minutes, 200)):
        name = f"c{number}"
        if rng.random() < 0.9:
            events.append(ev(e.ChallengeIssued, at, challenge_id=name))
        for _ in range(rng.choice([0, 1, 1, 1, 1, 2])):
            outcome = rng.choice(("passed", "failed", "no_response", "void"))
            after_ms = rng.choice([0, rng.randint(1, 45_000)])
            events.append(ev(e.ChallengeResult, at + after_ms, challenge_id=name, outcome=outcome))
    return events


def _pauses(rng: Random, minutes: int) -> list[Any]:
    events: list[Any] = []
    at = rng.randint(1, 20) * MINUTE + rng.choice([0, 290_000, 1])
    while at < minutes * MINUTE and rng.random() < 0.7:
        end = at + rng.choice([1, 9_000, 50_000, 300_000, 400_001])
        events += [ev(e.RoomPaused, at), ev(e.RoomResumed, end)]
        at = end + rng.randint(1, 15) * MINUTE
    return events


def _detailed(log: list[Any], rng: Random) -> list[Any]:
    """Comments have names, replies name them, and speech says when it began and ended."""
    asked = [event for event in log if isinstance(event, e.ViewerComment)]
    for i, event in enumerate(asked):
        event.comment_id = f"c{i}"
    for event in log:
        if isinstance(event, e.HostReply) and asked and rng.random() < 0.8:
            event.comment_id = rng.choice([c for c in asked if c.at_ms <= event.at_ms][-6:] or asked).comment_id
        elif isinstance(event, e.HostSpeech) and rng.random() < 0.9:
            event.end_ms = event.at_ms - rng.randint(0, 500)
            event.start_ms = event.end_ms - rng.randint(500, 9_000)
    return log


def _consistent(log: list[Any]) -> list[Any]:
    """Heartbeats say whether the room is in a break."""
    paused = False
    for event in log:
        if isinstance(event, e.RoomPaused | e.RoomResumed):
            paused = isinstance(event, e.RoomPaused)
        elif isinstance(event, e.RoomHeartbeat):
            event.paused = paused
    return log
