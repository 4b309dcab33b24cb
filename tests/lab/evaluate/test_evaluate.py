"""`evaluate`: what it counts as seen, as an alarm, as a challenge; and what it prints."""

import json
from math import isfinite
from pathlib import Path
from xml.etree import ElementTree

import orjson
from click.testing import CliRunner

from worker.audit.evidence import Level
from worker.cli import cli
from worker.lab import roomlog
from worker.lab.evaluate.run import SOURCES, Job, dropped, judge_room
from worker.lab.evaluate.summary import summarise
from worker.lab.evaluate.watch import GUARDED, Outcome, Watch
from worker.lab.simulate import simulate, truth

MINUTE_MS = 60_000


def _run(*args: str) -> dict[str, object]:
    result = CliRunner().invoke(cli, ["evaluate", "--jobs", "1", *args, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_a_recording_is_seen_within_minutes_because_it_fails_its_challenges() -> None:
    outcome = judge_room(Job("loop", 3, 0.75))
    assert outcome.delay_of(GUARDED, Level.LIMIT) < 30
    assert outcome.delay_min[GUARDED, "CHALLENGE", Level.LIMIT] == outcome.delay_of(GUARDED, Level.LIMIT)
    assert outcome.honest_hours == 0
    assert not outcome.alarms


def test_without_challenges_nothing_is_seen_of_it_by_then() -> None:
    outcome = judge_room(Job("loop", 3, 0.75, without=("challenges",)))
    assert not isfinite(outcome.delay_of(GUARDED, Level.LIMIT))
    assert outcome.challenges == 0


def test_an_honest_room_counts_hours_and_challenges_and_no_delay() -> None:
    outcome = judge_room(Job("responsive", 3, 1))
    assert 0.98 < outcome.honest_hours == outcome.hours <= 1
    assert outcome.honest_challenges == outcome.challenges > 1
    assert not outcome.delay_min


def test_levels_before_a_switch_are_false_alarms_and_after_it_delays() -> None:
    fact = truth("human_then_loop", 1, switch_ms=10 * MINUTE_MS)
    watch = Watch(fact, started_at_ms=0)
    mark = (GUARDED, "AI", int(Level.WATCH))
    for minute, reached in ((5, True), (6, True), (7, False), (8, True), (9, False), (14, True)):
        watch._looked_ms = minute * MINUTE_MS
        watch._mark(mark, reached, not reached)
    outcome = watch.end()
    assert outcome.alarms == {mark: 2}
    assert outcome.delay_min == {mark: 4.0}
    assert outcome.honest_hours == 10 / 60


def test_what_a_declared_avatar_declares_is_no_false_alarm() -> None:
    def alarms(archetype: str) -> int:
        outcome = Outcome(truth(archetype, 1), hours=1, honest_hours=1, alarms={(GUARDED, "AI", 2): 1})
        other = Outcome(truth("quiet", 1), hours=1, honest_hours=1)
        return sum(alarm.count for alarm in summarise([outcome, other], synthetic=True).alarms)

    assert (alarms("avatar_driven"), alarms("responsive")) == (0, 1)


def test_a_source_switched_off_takes_its_own_events_and_no_others() -> None:
    events = list(simulate("llm_avatar", 1, duration_ms=10 * MINUTE_MS))
    for source in SOURCES:
        gone = {(str(e["type"]), e.get("modality")) for e in events if dropped(e, source)}
        assert gone
        assert not gone & {(str(e["type"]), e.get("modality")) for e in events if not dropped(e, source)}
    assert not any(dropped(e, "") for e in events)


def test_labelled_logs_lead_to_the_same_as_the_rooms_that_they_were_taken_from(tmp_path: Path) -> None:
    log, known = str(tmp_path / "rooms.jsonl.gz"), str(tmp_path / "truth.jsonl")
    args = ["simulate", "tampered", "quiet", "--minutes", "12", "-o", log, "--truth", known]
    assert CliRunner().invoke(cli, args).exit_code == 0
    found = _run("--log", log, "--truth", known)
    assert (found["rooms"], found["synthetic"]) == (2, False)
    (tampered,) = found["detections"]  # type: ignore[misc]
    assert tampered["rules"]["detected"][0] == 1
    assert 4 <= tampered["rules"]["median_min"][0] < 6
    (quiet,) = found["strata"]  # type: ignore[misc]
    assert (quiet["archetype"], quiet["alarms"], quiet["rules"]) == ("quiet", {}, {})
    assert found["events"] == sum(1 for _ in roomlog.read(log))


def test_the_document_says_synthetic_shows_its_command_and_plots_well_formed_svg(tmp_path: Path) -> None:
    out = tmp_path / "DETECTION.md"
    _run("--archetypes", "loop,quiet", "--seeds", "1", "--hours", "0.6", "--ablation-seeds", "1", "--out", str(out))
    text = out.read_text()
    assert "**Synthetic.**" in text
    assert f"stream-audit evaluate --archetypes loop,quiet --seeds 1 --hours 0.6 --ablation-seeds 1 --out {out}" in text
    for title in ("Guilty rooms", "False alarms in", "Honest rooms by stratum", "Ablation"):
        assert f"## {title}" in text
    plot = ElementTree.fromstring((tmp_path / "detection-delays.svg").read_bytes())
    assert "loop" in {node.text for node in plot.iter() if node.text}


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    for args in (["--archetypes", "robot"], ["--no-challenges", "--ablation-seeds", "1"]):
        assert CliRunner().invoke(cli, ["evaluate", *args]).exit_code == 2
    lone = tmp_path / "log.jsonl"
    lone.write_bytes(orjson.dumps({"type": "x"}) + b"\n")
    assert CliRunner().invoke(cli, ["evaluate", "--log", str(lone)]).exit_code == 2
    result = CliRunner().invoke(cli, ["evaluate", "--log", str(lone), "--truth", str(lone)])
    assert (result.exit_code, "line 1 is no truth about a room" in result.stderr) == (1, True)
