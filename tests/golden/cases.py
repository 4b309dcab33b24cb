"""The golden rooms: which simulated rooms they were taken from, and what the policies say must come out.

`python -m tests.golden.cases` writes rooms that are missing. A room that exists is never written again: it is an
input, and stays as it is when the simulator changes.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from worker.lab.simulate import STARTED_AT_MS, at_ms_of, simulate
from worker.policy.judge import Judge
from worker.tools import roomlog
from worker.tools.policyfiles import read_policies
from worker.tools.replay import Replay
from worker.tools.roomlog import LogRecord
from worker.topics import VIOLATIONS_TOPIC

ROOMS = Path(__file__).with_name("rooms")
ZST = ".jsonl.zst"
DAY_MS = 24 * 3_600_000
LABELLED: dict[str, object] = {"type": "label.state", "kind": "ai_generated", "visible": True, "by": "platform"}
AFTER_ARTICLE_50_MS = 1_786_954_800_000  # 2026-08-17 09:00 UTC
Added = tuple[int, dict[str, object]]
"""Seconds after the start, and an event without its envelope."""


class Case(NamedTuple):
    """One golden room. `opened` are the rules that must open: rule ids, shadow ones with a `~` before them."""

    name: str
    archetype: str
    seed: int
    minutes: float
    opened: tuple[str, ...] = ()
    loop_minutes: int = 20
    suffix: str = ".jsonl"
    platform: str | None = None  # where it is not the archetype's own
    region: str | None = None
    started_at_ms: int = STARTED_AT_MS
    upheld: str = ""  # a rule that a person upholds in this broadcast; a day later the room broadcasts again
    climbs: tuple[str, ...] = ()  # "rule step action…" of each step that a live rule must take, in order
    adds: tuple[Added, ...] = ()  # what no archetype emits

    @property
    def log(self) -> Path:
        return ROOMS / f"{self.name}{self.suffix}"

    @property
    def expected(self) -> Path:
        return ROOMS / f"{self.name}.expected.jsonl"

    @property
    def requests(self) -> Path:
        """What the worker asks of the platform; written for the rooms in `ASKED`."""
        return ROOMS / f"{self.name}.requests.jsonl"


def _product(at_s: int, product_id: str, *, synthetic: bool, misleading: bool) -> Added:
    return at_s, {"type": "product.media", "product_id": product_id, "synthetic": synthetic, "misleading": misleading}


CASES: tuple[Case, ...] = (
    # 视频号. An avatar breaks its rules whether the shop is still on 视频号小店 (even seeds) or on 微信小店.
    Case("wx_avatar_watermark_channels_shop", "avatar_watermark", 12, 7, ("WX-AVATAR-01", "CN-LABEL-01", "~CN-DVH-01")),
    Case("wx_avatar_watermark_wechat_shop", "avatar_watermark", 13, 5, ("WX-AVATAR-01",)),  # over before a label is due
    Case("wx_llm_avatar", "llm_avatar", 11, 100, ("WX-AVATAR-01", "CN-LABEL-01", "~CN-DVH-01"), suffix=".jsonl.zst"),
    Case("wx_loop", "loop", 11, 70, ("WX-REPLAY-01",), loop_minutes=6, suffix=".jsonl.zst"),
    Case("wx_empty_phone", "empty", 11, 22, ("~WX-IDLE-01",)),
    Case("wx_software_seller", "software_seller", 11, 7, ("WX-SOFT-01",)),
    Case("wx_software_warning", "software_warning", 11, 8),
    Case("wx_responsive", "responsive", 11, 8),
    Case("wx_quiet", "quiet", 12, 15),
    Case("wx_scripted_human", "scripted_human", 11, 60, suffix=".jsonl.zst"),
    Case("wx_on_break", "on_break", 14, 60, suffix=".jsonl.zst"),
    # Douyin. An avatar is allowed when labelled, registered, its user verified, and driven live by a person.
    Case("dy_avatar_driven", "avatar_driven", 11, 12),
    Case("dy_avatar_unregistered", "avatar_unregistered", 11, 24, ("DY-REG-01", "DY-DRIVE-01")),
    Case("dy_persona_foreign", "persona_foreign", 11, 7, ("DY-PERSONA-01",)),
    Case("dy_persona_attractive", "persona_attractive", 11, 7, ("DY-PERSONA-02",)),
    Case("dy_persona_elite", "persona_elite", 11, 7, ("DY-PERSONA-03",)),
    Case("dy_tampered", "tampered", 11, 5, ("CN-TAMPER-01",)),
    Case("dy_sign_language", "sign_language", 11, 12),
    Case("dy_overloaded", "overloaded", 11, 4),
    Case("dy_bot_viewers", "bot_viewers", 11, 8),
    # Bots ask what a recording answers next: that is no interaction. An honest host's bought viewers are nothing.
    Case("wx_fed_recording", "fed_recording", 11, 60, suffix=ZST),
    # A plug-in avatar climbs the three steps. Limits on selling are a person's to decide: the third leaves as review.
    Case(
        "wx_plugin_avatar_ladder",
        "plugin_avatar",
        12,
        70,
        ("WX-AVATAR-01", "CN-LABEL-01", "~CN-DVH-01"),
        suffix=ZST,
        climbs=(
            "WX-AVATAR-01 0 reduce_live_recommendation",
            "WX-AVATAR-01 1 reduce_account_recommendation",
            "WX-AVATAR-01 2 review",
        ),
    ),
    # What a person upheld yesterday starts today's ladder at its second step, which says so.
    Case(
        "wx_plugin_avatar_again",
        "plugin_avatar",
        14,
        5,
        ("WX-AVATAR-01", "WX-AVATAR-01", "CN-LABEL-01", "CN-LABEL-01", "~CN-DVH-01", "~CN-DVH-01"),
        upheld="WX-AVATAR-01",
        climbs=("WX-AVATAR-01 0 reduce_live_recommendation", "WX-AVATAR-01 1 reduce_account_recommendation"),
    ),
    # Registered and labelled is not enough on Douyin: somebody must drive.
    Case("dy_avatar_undriven", "avatar_undriven", 11, 24, ("DY-DRIVE-01",), suffix=ZST),
    # A label and a driver do not stand in for the consent of the person whose face it is.
    Case("dy_deepfake", "deepfake", 11, 7, ("CN-LIKE-01",), suffix=ZST),
    # The same declared avatar of a founder: nothing on JD, against the rules of 视频号.
    Case("jd_founder_avatar", "founder_avatar", 11, 20, suffix=ZST),
    Case("wx_founder_avatar", "founder_avatar", 11, 20, ("WX-AVATAR-01",), suffix=ZST, platform="wechat_channels"),
    Case("tb_six_avatars", "six_avatars", 11, 20, suffix=ZST),
    Case("tb_empty_phone", "empty", 12, 22, ("~TB-IDLE-01",), suffix=ZST, platform="taobao"),
    Case("jd_empty_phone", "empty", 12, 22, ("~JD-IDLE-01",), suffix=ZST, platform="jd"),
    Case("ali_empty_phone", "empty", 12, 22, ("~ALI-IDLE-01",), suffix=ZST, platform="alibaba_1688"),
    # Kuaishou's ratios of the frame; the platform's own avatars keep them and still get no boost.
    Case("ks_avatar_compliant", "avatar_compliant", 11, 8, ("KS-TRAFFIC-01",), suffix=ZST),
    Case("ks_avatar_small", "avatar_small", 11, 8, ("KS-FRAME-01", "KS-TRAFFIC-01"), suffix=ZST),
    Case("ks_borrowed_sound", "borrowed_sound", 11, 18, ("KS-REPLAY-01",), suffix=ZST),
    # The others: an unlabelled avatar with its watermark still in the picture, and what each of them calls that.
    Case(
        "xhs_avatar_watermark",
        "avatar_watermark",
        13,
        30,
        ("CN-LABEL-01", "~CN-DVH-01", "~XHS-HOST-01"),
        suffix=ZST,
        platform="xiaohongshu",
    ),
    Case(
        "bili_avatar_watermark",
        "avatar_watermark",
        12,
        6,
        ("BILI-LABEL-01", "CN-LABEL-01", "~CN-DVH-01"),
        suffix=ZST,
        platform="bilibili",
    ),
    Case(
        "yt_avatar_watermark", "avatar_watermark", 12, 8, ("YT-DISC-01",), suffix=ZST, platform="youtube", region="US"
    ),
    Case(
        "tt_avatar_watermark_us",
        "avatar_watermark",
        12,
        6,
        ("TT-LABEL-01",),
        suffix=ZST,
        platform="tiktok_shop",
        region="US",
    ),
    Case(
        "tt_covered_screen",
        "covered_screen",
        11,
        18,
        ("TT-VOICE-01", "TT-COVER-01"),
        suffix=ZST,
        climbs=("TT-COVER-01 0 notify", "TT-COVER-01 1 deduct_points", "TT-VOICE-01 0 review"),
    ),
    Case("tw_deepfake", "deepfake", 12, 6, ("~TW-NCII-01",), suffix=ZST, platform="twitch", region="US"),
    # Media of products made by AI. Synthetic pictures that show the product as it is are no offence on Douyin, nor does
    # this rule look at bad ones that a person made; one that is both opens, and good products after it change nothing.
    Case(
        "dy_product_synthetic",
        "responsive",
        11,
        6,
        suffix=ZST,
        platform="douyin",
        adds=(
            _product(60, "p15", synthetic=True, misleading=False),
            _product(150, "p16", synthetic=False, misleading=True),
            _product(240, "p17", synthetic=True, misleading=False),
        ),
    ),
    Case(
        "dy_product_false",
        "responsive",
        13,
        6,
        ("DY-FALSE-01",),
        suffix=ZST,
        platform="douyin",
        climbs=("DY-FALSE-01 0 review",),
        adds=(
            _product(60, "p16", synthetic=True, misleading=True),
            _product(150, "p15", synthetic=True, misleading=False),
            _product(240, "p17", synthetic=False, misleading=False),
        ),
    ),
    # Declared: the platform's label is on screen all the time. It does not excuse what shows a product falsely.
    Case(
        "dy_product_false_declared",
        "responsive",
        15,
        6,
        ("DY-FALSE-01",),
        suffix=ZST,
        platform="douyin",
        climbs=("DY-FALSE-01 0 review",),
        adds=(
            (1, LABELLED),
            _product(150, "p16", synthetic=True, misleading=True),
        ),
    ),
    # What is declared and true is nothing.
    Case(
        "dy_product_synthetic_declared",
        "responsive",
        17,
        6,
        suffix=ZST,
        platform="douyin",
        adds=(
            (1, LABELLED),
            _product(150, "p15", synthetic=True, misleading=False),
        ),
    ),
    # The EU lies over the platform's own rules from the day on which Article 50 applies, and not before.
    Case(
        "eu_tt_avatar_watermark",
        "avatar_watermark",
        12,
        6,
        ("EU-50-01", "TT-LABEL-01"),
        suffix=ZST,
        platform="tiktok_shop",
        region="DE",
        started_at_ms=AFTER_ARTICLE_50_MS,
    ),
    Case(
        "eu_tt_avatar_before_article_50",
        "avatar_watermark",
        12,
        6,
        ("TT-LABEL-01",),
        suffix=ZST,
        platform="tiktok_shop",
        region="DE",
    ),
)

ASKED: tuple[str, ...] = ("wx_scripted_human", "dy_sign_language", "wx_loop")
"""Rooms whose requests are kept too: an honest one, one whose host signs, a recording."""


def _again(
    case: Case, first: list[dict[str, object]], second: Iterable[dict[str, object]]
) -> Iterator[dict[str, object]]:
    """A broadcast, a person's word on what it was found to do, and the next broadcast of the same room."""
    records = [
        LogRecord(0, n, STARTED_AT_MS, str(event["room_id"]).encode(), msgspec.json.encode(event))
        for n, event in enumerate(first)
    ]
    violations = [v for step in Replay(Judge(read_policies())).run(records) for v in step.of(VIOLATIONS_TOPIC)]
    found = (msgspec.json.decode(v.value or b"") for v in violations)
    upheld = next(v["violation_id"] for v in found if v["rule"]["id"] == case.upheld)
    yield from first
    envelope = {name: first[-1][name] for name in ("room_id", "at_ms", "session_id")}
    yield {"type": "review.decided", "id": "review", **envelope, "violation_id": upheld, "outcome": "upheld",
           "by": "reviewer"}  # fmt: skip
    for event in second:
        yield {**event, "id": f"{event['id']}.again"}


def _with_added(case: Case, simulated: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    """The simulated log with what the case adds to it, by event time."""
    events = list(simulated)
    envelope = {name: events[0][name] for name in ("room_id", "session_id")}
    for n, (at_s, event) in enumerate(case.adds):
        at_ms = case.started_at_ms + at_s * 1_000
        events.append({"type": event["type"], "id": f"added-{n}", "at_ms": at_ms, **envelope, **event})
    return sorted(events, key=at_ms_of)


def write_missing() -> list[Path]:
    """Simulates every room that has no file yet; returns what was written."""
    ROOMS.mkdir(exist_ok=True)
    missing = [case for case in CASES if not case.log.exists()]
    for case in missing:
        duration_ms, loop_ms = int(case.minutes * 60_000), case.loop_minutes * 60_000
        first, second = (
            simulate(
                case.archetype,
                case.seed,
                duration_ms=duration_ms,
                started_at_ms=case.started_at_ms + later_ms,
                platform=case.platform,
                region=case.region,
                loop_ms=loop_ms,
            )
            for later_ms in (0, DAY_MS)
        )
        log = _with_added(case, first)
        roomlog.write(case.log, _again(case, log, second) if case.upheld else log)
    return [case.log for case in missing]


if __name__ == "__main__":
    for path in write_missing():
        print(path)
