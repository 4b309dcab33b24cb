"""One corpus for every system: seeded events of six types as gateways send them, Chinese text, mean 314 bytes."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import orjson

T0_MS = 1_790_000_000_000
ROOMS = 1000
EVENTS_PER_SECOND = 2000  # of event time, over all rooms
MIX = (
    ["viewer.liked"] * 38
    + ["viewer.comment"] * 30
    + ["room.heartbeat"] * 14
    + ["viewer.gift"] * 8
    + ["host.speech"] * 5
    + ["detector.score"] * 5
)
ZH = (
    "主播今天卖的这个东西真的好用家人们冲啊老铁双击关注点亮小红心感谢送出的礼物加微信领福利不要再刷了这个价格太离谱了"
    "退款联系客服哈哈哈笑死我了来了来了前排围观直播间抽奖马上开始"
)
ASKS = ("这个多少钱", "怎么退款", "什么时候发货", "有没有大码", "好用吗", "在哪里拍", "敏感肌能用吗")
QUESTIONS = 0.17  # of comments, as measured on answered comments of Chinese selling rooms


def _text(rng: random.Random, length: int) -> str:
    start = rng.randrange(len(ZH) - 30)
    return (ZH[start : start + 30] * 4)[:length]


def _hex(rng: random.Random, digits: int) -> str:
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def _body(kind: str, rng: random.Random, at_ms: int, host: str) -> dict[str, Any]:
    viewer = {"viewer_id": "u" + _hex(rng, 16)}
    device = {"device": {"os": "android", "fp": _hex(rng, 16)}}
    if kind == "viewer.liked":
        return {**viewer, "count": rng.randrange(1, 40), **device, "trace": _hex(rng, 24)}
    if kind == "viewer.comment":
        text = _text(rng, rng.randrange(4, 36))
        if rng.random() < QUESTIONS:
            text = rng.choice(ASKS) + text[: rng.randrange(12)]
        return {"comment_id": "c" + _hex(rng, 16), **viewer, "text": text, "lang": "zh", "reply_to": None, **device}
    if kind == "room.heartbeat":
        return {
            "platform": "wechat_channels", "region": "CN", "host_id": host, "started_at_ms": T0_MS, "selling": True,
            "shop_ids": [{"system": "wechat_shop", "id": "shop" + host[1:]}], "viewers": rng.randrange(10**6),
            "bitrate_kbps": rng.randrange(800, 6000), "fps": 30, "codec": "h265",
        }  # fmt: skip
    if kind == "viewer.gift":
        return {
            **viewer, "gift_id": f"g{rng.randrange(3000)}", "value": rng.randrange(1, 30000), "currency": "CNY",
            "combo": rng.randrange(99), "order": _hex(rng, 24), "level": rng.randrange(60),
        }  # fmt: skip
    if kind == "host.speech":
        text = "".join(rng.choices(ZH, k=rng.randrange(30, 80)))
        return {
            "segment_id": "s" + _hex(rng, 12), "start_ms": at_ms - 4000, "end_ms": at_ms, "text": text,
            "confidence": round(0.8 + rng.random() / 5, 3),
        }  # fmt: skip
    return {
        "detector": "face-audit", "version": "1", "modality": "face", "score": round(rng.random() * 0.62, 4),
        "look_ms": 10_000, "frame": "f/" + _hex(rng, 24), "gpu": f"a10-{rng.randrange(64):02d}",
    }  # fmt: skip


def steady(per_second: int) -> Callable[[int], int]:
    """Event time in ms of the nth event, where so many come a second over all rooms."""
    return lambda i: i * 1000 // per_second


USUAL_CLOCK = steady(EVENTS_PER_SECOND)


def corpus(
    events: int, rooms: int = ROOMS, seed: int = 7, *, clock_ms: Callable[[int], int] = USUAL_CLOCK
) -> Iterator[tuple[int, bytes, bytes]]:
    """(record timestamp, key, value) of each event, in the order of the log; times jitter by ±300 ms."""
    rng = random.Random(seed)
    for i in range(events):
        number = rng.randrange(rooms)
        room = f"wechat:room-{number:08d}"
        now_ms = T0_MS + 1000 + clock_ms(i)
        at_ms = now_ms + rng.randrange(-300, 300)
        kind = MIX[rng.randrange(100)]
        event = {
            "type": kind,
            "id": "01J" + _hex(rng, 22).upper(),
            "room_id": room,
            "at_ms": at_ms,
            "session_id": f"live-{number:08d}",
            **_body(kind, rng, at_ms, f"h{number:08d}"),
        }
        yield now_ms + 300, room.encode(), orjson.dumps(event)
