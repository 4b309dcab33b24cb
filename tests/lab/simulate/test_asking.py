"""The platform's policy of asking: entry, spot checks, mounting failures, passive suspicion, breaks."""

from itertools import pairwise

from worker.lab.simulate.asking import ANSWER_MS, Platform
from worker.lab.simulate.stage import MINUTE_MS, SECOND_MS, Plan, Stage

START_MS = 1_772_413_200_000


def _issued(
    *,
    fails: float,
    minutes: int,
    suspicious_from: int | None = None,
    pause: tuple[int, int] | None = None,
    seed: int = 1,
) -> list[float]:
    """When challenges were issued, minutes from the start, by a platform that knows how suspicious the room looks."""
    plan = Plan(room_id="r:1", platform="other", started_at_ms=START_MS, duration_ms=minutes * MINUTE_MS, seed=seed)
    stage: Stage

    def suspicion() -> float:
        return 3.0 if suspicious_from is not None and stage.now_ms >= START_MS + suspicious_from * MINUTE_MS else 0.0

    stage = Stage(plan, suspicion)
    Platform(stage, fails=fails, human=False)
    if pause:
        stage.after(pause[0] * MINUTE_MS, lambda: stage.pause(pause[1] * MINUTE_MS))
    return [(int(str(e["at_ms"])) - START_MS) / MINUTE_MS for e in stage.run() if e["type"] == "challenge.issued"]


def test_two_come_at_the_entry_five_minutes_apart() -> None:
    first, second, *_ = _issued(fails=0, minutes=60)
    assert 2 <= first <= 4
    assert round(second - first, 6) == 5


def test_while_failures_mount_the_next_comes_two_minutes_after_the_last_and_twelve_an_hour_are_the_most() -> None:
    asked = _issued(fails=1, minutes=180)
    assert [round(later - earlier, 6) for earlier, later in pairwise(asked[:12])] == [2] * 11
    assert all(later - earlier > 59.999 for earlier, later in zip(asked, asked[12:], strict=False))


def test_suspicion_is_asked_about_at_once_and_then_at_growing_gaps_while_passed() -> None:
    for seed in range(5):
        asked = [at for at in _issued(fails=0, minutes=240, suspicious_from=60, seed=seed) if at >= 60]
        assert asked[0] - 60 <= (30 * SECOND_MS + 10 * SECOND_MS + ANSWER_MS) / MINUTE_MS
        gaps = [round(later - earlier) for earlier, later in pairwise(asked)]
        assert gaps[:5] == [6, 12, 24, 48, 48]


def test_without_suspicion_checks_are_rare() -> None:
    counts = [len(_issued(fails=0, minutes=360, seed=seed)) - 2 for seed in range(20)]
    assert 0.5 < sum(counts) / (20 * 6) < 1.3


def test_nobody_is_asked_on_a_break() -> None:
    asked = _issued(fails=1, minutes=120, pause=(10, 60))
    assert [at for at in asked if at < 10]
    assert not [at for at in asked if 10 <= at < 70]
    assert [at for at in asked if at >= 70]
