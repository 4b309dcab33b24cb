"""The golden rooms: which simulated rooms they were taken from, and what the policies say must come out.

`python -m tests.golden.cases` writes rooms that are missing. A room that exists is never written again: it is an
input, and stays as it is when the simulator changes.
"""

from pathlib import Path
from typing import NamedTuple

from worker.lab import roomlog
from worker.lab.simulate import simulate

ROOMS = Path(__file__).with_name("rooms")


class Case(NamedTuple):
    """One golden room. `opened` are the rules that must open: rule ids, shadow ones with a `~` before them."""

    name: str
    archetype: str
    seed: int
    minutes: float
    opened: tuple[str, ...] = ()
    loop_minutes: int = 20
    suffix: str = ".jsonl"

    @property
    def log(self) -> Path:
        return ROOMS / f"{self.name}{self.suffix}"

    @property
    def expected(self) -> Path:
        return ROOMS / f"{self.name}.expected.jsonl"


CASES: tuple[Case, ...] = (
    # 视频号. An avatar breaks its rules whether the shop is still on 视频号小店 (even seeds) or on 微信小店.
    Case("wx_avatar_watermark_channels_shop", "avatar_watermark", 12, 7, ("WX-AVATAR-01", "CN-LABEL-01", "~CN-DVH-01")),
    Case("wx_avatar_watermark_wechat_shop", "avatar_watermark", 13, 5, ("WX-AVATAR-01", "CN-LABEL-01", "~CN-DVH-01")),
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
)


def write_missing() -> list[Path]:
    """Simulates every room that has no file yet; returns what was written."""
    ROOMS.mkdir(exist_ok=True)
    missing = [case for case in CASES if not case.log.exists()]
    for case in missing:
        duration_ms, loop_ms = int(case.minutes * 60_000), case.loop_minutes * 60_000
        roomlog.write(case.log, simulate(case.archetype, case.seed, duration_ms=duration_ms, loop_ms=loop_ms))
    return [case.log for case in missing]


if __name__ == "__main__":
    for path in write_missing():
        print(path)
