"""Small room logs that exercise every kind of state, and policies that speak quickly about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from random import Random

from tests.policy.build import a_policy, a_rule
from tests.support.engine import Sent
from worker.audit import speech
from worker.audit.sessions import SILENCE_MS
from worker.policy.judge import Judge
from worker.policy.load import load_policies

START_MS = 1_750_000_000_000
HOUR_MS = 3_600_000
REMEMBERED_MS = SILENCE_MS - HOUR_MS // 2
"""What is older never comes again: to a worker that has forgotten the room it is news, to the core it is not. For the
same reason a room that was silent for longer comes back on time (ARCHITECTURE.md, the exceptions of invariant 1)."""
SCHEDULES = 10
HOSTS = ("h1", "h2")
RULES = (
    a_rule(
        "S-AVATAR-01", when="ai_presenter.certainty >= POSSIBLE && !label.visible", cooldown="1m", clear_after="1m",
        escalate_after="2m", caps="{per_hour: 3, on_exceed: park}",
    ),
    a_rule("S-CHALLENGE-01", when='level("CHALLENGE") >= WATCH', cooldown="1m", clear_after="1m"),
    a_rule("S-LOOP-01", when='level("PLAY") >= WATCH || level("AI") >= WATCH', cooldown="1m", clear_after="1m"),
    a_rule("S-FLEET-01", when="fleet.size >= 2 && !fleet.permitted", cooldown="1m", clear_after="1m"),
    a_rule("S-TAMPER-01", when="tamper.certainty >= POSSIBLE", cooldown="1m", clear_after="1m"),
)  # fmt: skip
KINDS = {
    "room.heartbeat": 12, "viewer.comment": 12, "viewer.liked": 8, "host.speech": 24, "host.reply": 4,
    "watermark.read": 8, "label.state": 8, "challenge.issued": 6, "challenge.result": 6, "detector.score": 12,
    "provenance.read": 3, "room.paused": 1, "room.resumed": 2, "room.closed": 2,
}  # fmt: skip


def a_judge() -> Judge:
    return Judge(load_policies({"p.yaml": a_policy(*RULES)}, run_tests=False))


@contextmanager
def small_speech_ring() -> Iterator[None]:
    """Speech rings of 8 chunks of 4 segments, so that short logs fill them and write over what is old."""
    before = speech.CAPACITY, speech.CHUNK
    speech.CAPACITY, speech.CHUNK = 32, 4
    try:
        yield
    finally:
        speech.CAPACITY, speech.CHUNK = before


def number_of(seed: int) -> int:
    """The corpus of a schedule: making and judging one takes as long as a schedule, so several share it."""
    return seed // SCHEDULES


def is_matched(number: int) -> bool:
    """Whether an identity agent runs, too. What it answers stands among a corpus' records, elsewhere in each schedule,
    so the core must judge each; where there is none, schedules share what the core says."""
    return number % 3 == 0


@lru_cache(maxsize=2)
def logs_of(number: int) -> list[list[Sent]]:
    """The room logs of a corpus, by partition: one to three."""
    rng = Random(number)
    return room_logs(rng, rng.randint(1, 3), brief=is_matched(number))


def registrations(number: int) -> list[tuple[bytes, bytes]]:
    """What the registry says of the hosts of a corpus: (key, value) of one, both or none."""
    rng = Random(f"registry {number}")
    return [
        (host.encode(), json.dumps({
            "host_id": host, "platform": "wechat_channels", "avatar_registered": rng.random() < 0.5,
            "driver_verified": True, "likeness_consent": True, "updated_at_ms": START_MS,
            "permitted_rooms": rng.randint(1, 3),
        }).encode())
        for host in HOSTS
        if rng.random() < 0.5
    ]  # fmt: skip


def room_logs(rng: Random, partitions: int, *, brief: bool = False) -> list[list[Sent]]:
    """By partition, the records of 1–6 rooms: 20–200 events, duplicates, disorder within lateness, late ones, rubbish,
    hours of silence, and holes in the offsets as control records leave them.

    `brief`: less than half an hour in all. In longer logs identities are forgotten when a flush finds partitions so far
    apart, which no oracle can know.
    """
    rooms = rng.randint(1, 6)
    logs: list[list[Sent]] = [[] for _ in range(partitions)]
    steps = 20 + int(180 * rng.random() ** 3)
    for number, (key, value, timestamp) in enumerate(_events(rng, rooms, steps, brief)):
        partition = number % partitions if key is None else key[-1] % partitions
        log = logs[partition]
        offset = log[-1].offset + 1 + (rng.random() < 0.03) if log else 0
        log.append(Sent(partition, offset, timestamp, key, value, ()))
    return logs


def _events(rng: Random, rooms: int, steps: int, brief: bool) -> Iterator[tuple[bytes | None, bytes | None, int]]:
    now_ms = START_MS
    sessions = [0] * rooms
    opens = [True] * rooms
    spoke_ms = [now_ms] * rooms
    said: list[tuple[bytes | None, bytes | None, int]] = []
    pace_ms = rng.choice((2_000, 6_000) if brief else (2_000, 15_000, 40_000))
    away = -1
    for step in range(steps):
        if rng.random() < 0.01 and not brief:
            # 7 h are more than a session lives on without a word, and a room is kept. One may stay away for longer.
            now_ms += rng.choice((5, 7)) * HOUR_MS
            away = rng.randrange(-1, rooms)
        now_ms += rng.randrange(2 * pace_ms)
        number = rng.randrange(rooms)
        if number == away:
            number = (number + 1) % rooms
        room_id = f"r:{number}"
        kind = "room.heartbeat" if opens[number] else rng.choices(list(KINDS), list(KINDS.values()))[0]
        opens[number] = kind == "room.closed"
        sessions[number] += kind == "room.closed"
        behind_ms = rng.choices((rng.randrange(4_000), rng.randrange(59_000), 3 * HOUR_MS), (90, 8, 2))[0]
        if now_ms - spoke_ms[number] > REMEMBERED_MS:
            behind_ms = 0
        spoke_ms[number] = max(spoke_ms[number], now_ms - behind_ms)
        head = {
            "type": kind, "id": f"e{step}", "room_id": room_id, "at_ms": now_ms - behind_ms,
            "session_id": f"s{sessions[number]}",
        }  # fmt: skip
        event = {**head, **_body(rng, kind, step, now_ms, sessions[number], number)}
        record: tuple[bytes | None, bytes | None, int] = (room_id.encode(), json.dumps(event).encode(), now_ms)
        chance = rng.random()
        if chance < 0.02:
            record = (rng.choice((None, record[0])), rng.choice((None, b"{", b"[]")), now_ms)
        elif chance < 0.08 and (lately := [one for one in said[-30:] if now_ms - one[2] < REMEMBERED_MS]):
            record = rng.choice(lately)
        said.append(record)
        yield record


def _body(rng: Random, kind: str, step: int, now_ms: int, session: int, room: int) -> dict[str, object]:
    if kind == "room.heartbeat":
        return {
            "platform": "wechat_channels", "region": "CN", "host_id": HOSTS[room % 2],
            "started_at_ms": START_MS + session, "selling": True, "viewers": rng.randrange(100),
            "operator_id": f"o{room % 4}", "device_id": f"d{session}",
        }  # fmt: skip
    if kind == "host.speech":  # a recording of 12 segments, or something new
        text = f"第{step % 12}号链接家人们看过来今天只要九块九" if rng.random() < 0.7 else f"欢迎新来的朋友{step}"
        return {
            "segment_id": f"g{step}", "start_ms": now_ms - 2_000, "end_ms": now_ms, "text": text,
            "voice_id": f"v{step % 5}",
        }  # fmt: skip
    if kind == "detector.score":
        return {
            "detector": "d", "version": "1", "modality": rng.choice(("voice", "face")),
            "score": rng.choice((0.2, 0.99)), "look_ms": 10_000,
        }  # fmt: skip
    bodies: dict[str, dict[str, object]] = {
        "viewer.comment": {"viewer_id": f"v{rng.randrange(9)}", "comment_id": f"c{step}", "text": f"多少钱{step}？"},
        "viewer.liked": {"count": rng.randrange(9)},
        "host.reply": {"medium": "voice", "comment_id": f"c{step - 3}"},
        "watermark.read": {"scheme": "w", "detector": "d", "outcome": rng.choice(("detected", "not_detected"))},
        "label.state": {"kind": "digital_human", "visible": rng.random() < 0.5, "by": "host"},
        "challenge.issued": {"challenge_id": f"q{rng.randrange(9)}", "kind": "wave", "deadline_ms": now_ms + 45_000},
        "challenge.result": {
            "challenge_id": f"q{rng.randrange(9)}",
            "outcome": rng.choice(("failed", "failed", "passed")),
        },
        "provenance.read": {"source": "c2pa", "trusted": True, "tampered": rng.random() < 0.5},
    }
    return bodies.get(kind, {})
