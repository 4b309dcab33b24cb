"""The simulated platform: by itself it follows the policy of asking, and when somebody judges, it follows requests."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from worker.lab.simulate.challenges import Platform
from worker.lab.simulate.machines import Detectors, Looks
from worker.lab.simulate.stage import MINUTE_MS, SPARSE, Ask, Event, Plan, Stage

START_MS = 1_772_413_200_000


def _plan(minutes: int, seed: int) -> Plan:
    return Plan(room_id="r:1", platform="other", started_at_ms=START_MS, duration_ms=minutes * MINUTE_MS, seed=seed)


def _times(stage: Stage) -> list[float]:
    """When challenges were issued, minutes from the start."""
    return [(int(str(e["at_ms"])) - START_MS) / MINUTE_MS for e in stage.run() if e["type"] == "challenge.issued"]


def _issued(*, fails: float, minutes: int, pause: tuple[int, int] | None = None, seed: int = 1) -> list[float]:
    stage = Stage(_plan(minutes, seed))
    Platform(stage, fails=fails, human=False)
    if pause:
        stage.after(pause[0] * MINUTE_MS, lambda: stage.pause(pause[1] * MINUTE_MS))
    return _times(stage)


def test_two_come_at_the_entry_five_minutes_apart() -> None:
    first, second, *_ = _issued(fails=0, minutes=60)
    assert 2 <= first <= 4
    assert round(second - first, 6) == 5


def test_while_failures_mount_the_next_comes_two_minutes_after_the_last_and_twenty_an_hour_are_the_most() -> None:
    asked = _issued(fails=1, minutes=180)
    assert [round(later - earlier, 6) for earlier, later in pairwise(asked[:20])] == [2] * 19
    assert all(later - earlier > 59.999 for earlier, later in zip(asked, asked[20:], strict=False))


def test_without_suspicion_checks_are_rare() -> None:
    counts = [len(_issued(fails=0, minutes=360, seed=seed)) - 2 for seed in range(20)]
    assert 0.5 < sum(counts) / (20 * 6) < 1.3


def test_nobody_is_asked_on_a_break() -> None:
    asked = _issued(fails=1, minutes=120, pause=(10, 60))
    assert [at for at in asked if at < 10]
    assert not [at for at in asked if 10 <= at < 70]
    assert [at for at in asked if at >= 70]


def test_it_issues_what_it_is_asked_for_and_nothing_else() -> None:
    wanted = [7, 30]

    def asked() -> list[Ask]:
        due = [minute for minute in wanted if stage.now_ms >= START_MS + minute * MINUTE_MS]
        wanted[:] = [minute for minute in wanted if minute not in due]
        return [Ask("challenge", ("gesture", "show"), stage.now_ms)] * len(due)

    stage = Stage(_plan(60, 1), asked)
    Platform(stage, fails=1, human=False)
    first, second = _times(stage)
    poll_ms = stage.plan.pace.poll_ms
    assert 0 <= first - 7 <= poll_ms / MINUTE_MS
    assert 0 <= second - 30 <= poll_ms / MINUTE_MS


def _once(ask: Ask, at_minute: int, build: Callable[[Stage], object]) -> list[Event]:
    """An hour of a room whose platform is asked for one thing, once."""
    wanted = [ask]

    def asked() -> list[Ask]:
        due = wanted[:] if stage.now_ms >= START_MS + at_minute * MINUTE_MS else []
        del wanted[: len(due)]
        return due

    stage = Stage(_plan(60, 1), asked)
    build(stage)
    return list(stage.run())


def test_it_issues_a_kind_that_the_request_names_and_who_cannot_speak_fails_what_has_to_be_said() -> None:
    def outcome(*kinds: str) -> tuple[object, object]:
        log = _once(Ask("challenge", kinds, 0), 7, lambda stage: Platform(stage, fails=0, human=True, speaks=False))
        (issued,) = (e for e in log if e["type"] == "challenge.issued")
        (result,) = (e for e in log if e["type"] == "challenge.result")
        return issued["kind"], result["outcome"]

    assert outcome("show") == ("hold_up_item", "passed")
    assert outcome("gesture") in {("turn_head", "passed"), ("show_hand", "passed")}
    kind, result = outcome("say")
    assert kind == "say_number" and result in ("failed", "no_response")


def test_by_itself_it_never_asks_a_host_to_speak_who_never_does() -> None:
    stage = Stage(_plan(300, 1))
    Platform(stage, fails=1, human=True, speaks=False)
    kinds = {e["kind"] for e in stage.run() if e["type"] == "challenge.issued"}
    assert kinds == {"turn_head", "show_hand", "hold_up_item"}


def test_asked_for_more_looks_detectors_look_every_ten_seconds_until_then() -> None:
    until_ms = START_MS + 30 * MINUTE_MS

    def asked() -> list[Ask]:
        return [Ask("sample_more", ("voice",), until_ms)] if stage.now_ms > START_MS + 20 * MINUTE_MS else []

    stage = Stage(replace(_plan(60, 1), pace=SPARSE), asked)
    Platform(stage, fails=0, human=True)
    Detectors(stage, Looks())
    at = [int(str(e["at_ms"])) for e in stage.run() if e["type"] == "detector.score" and e["modality"] == "voice"]
    gaps = [(later - START_MS, later - earlier) for earlier, later in pairwise(at)]
    assert {gap for at_ms, gap in gaps if at_ms < 20 * MINUTE_MS} == {30_000}
    assert {gap for at_ms, gap in gaps if 21 * MINUTE_MS < at_ms < 30 * MINUTE_MS} == {10_000}
    assert {gap for at_ms, gap in gaps if at_ms > 31 * MINUTE_MS} == {30_000}
