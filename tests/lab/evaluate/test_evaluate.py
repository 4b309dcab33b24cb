"""`evaluate`: what it counts as seen, as an alarm, as a challenge; and what it prints."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing, suppress
from itertools import islice
from math import inf, isclose, isfinite
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import orjson
import pytest
from click.testing import CliRunner

from worker.audit.askers import Askers
from worker.audit.evidence import DESIGNS, Level, new_family, step
from worker.audit.signals import bots
from worker.cli import cli
from worker.lab.evaluate.collect import collect
from worker.lab.evaluate.pieces import DISCOUNTED, FACTUAL, STRATA, do, full_pieces, honest_pieces
from worker.lab.evaluate.results import Results
from worker.lab.evaluate.rooms import DISCOUNTS, Job, judge_room, nobody_bets_on, nothing_discounts
from worker.lab.evaluate.summary import Measurement, summarise
from worker.lab.evaluate.tables import sheets
from worker.lab.evaluate.watch import GUARDED, MASS, Outcome, Watch
from worker.lab.simulate import FULL, SPARSE, simulate, truth
from worker.tools import roomlog

MINUTE_MS = 60_000


def _run(*args: str) -> dict[str, Any]:
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
    outcome = judge_room(Job("loop", 3, 0.75, challenged=False))
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
        summary = summarise(Measurement(challenged=[outcome, other]), synthetic=True)
        assert sum(count for stratum in summary.strata for *_, count in stratum.alarms) == sum(
            alarm.count for alarm in summary.alarms
        )
        return sum(alarm.count for alarm in summary.alarms)

    assert (alarms("avatar_driven"), alarms("responsive")) == (0, 1)


@pytest.mark.parametrize(
    ("archetype", "signal", "family"), [("llm_avatar", "voice", "AI"), ("loop", "fail", "CHALLENGE")]
)
def test_a_signal_that_nobody_bets_on_is_worth_nothing_and_leaves_the_others_alone(
    archetype: str, signal: str, family: str
) -> None:
    job = Job(archetype, 3, 2)
    with_it, without_it = judge_room(job), judge_room(msgspec.structs.replace(job, without=signal))

    def minutes(outcome: Outcome) -> dict[str, float]:
        return {f: at for (kind, f, level), at in outcome.delay_min.items() if (kind, level) == (MASS, Level.WATCH)}

    late, early = minutes(without_it).pop(family, inf), minutes(with_it).pop(family, inf)
    assert early < late
    if signal == "fail":
        assert not isfinite(late)


def test_no_bet_is_the_counterfactual_that_evidence_itself_keeps() -> None:
    """`Family.without[k]` is the same process without signal k; a family without bets on k is another way to it."""
    values = ((1.0, 0.6), (0.9, None), (0.2, 0.7), (None, 1.0))
    whole = new_family("AI", 0)
    for i, y in enumerate(values):
        step(whole, (i + 1) * 300_000, y)
    with nobody_bets_on("visual"):
        bare = new_family("AI", 0)
        for i, y in enumerate(values):
            step(bare, (i + 1) * 300_000, y)
    assert isclose(bare.mass(), whole.mass_without(1))
    assert any(any(bet) for bet in DESIGNS["AI"].bets)


def test_a_host_who_shows_a_film_again_owes_peace_to_the_allowance() -> None:
    job = Job("film", 1, 1.5, challenged=False, sparse=True)
    assert not judge_room(job).alarms
    assert judge_room(msgspec.structs.replace(job, without="allowance")).alarms[MASS, "PLAY", Level.WATCH] >= 1
    assert not judge_room(job).alarms, "the allowance is back"


def test_a_discount_taken_away_is_not_given_and_comes_back() -> None:
    def copies_discounted() -> int:
        askers = Askers()
        return sum(bots.take(askers, viewer, viewer * 7_000, "这个东西有没有现货呀") for viewer in range(64))

    def mass_after_two_high_blocks() -> float:
        family = new_family("AI", 0)
        for block in (1, 2):
            step(family, block * 300_000, (1.0, 1.0))
        return family.mass()

    with_it = copies_discounted(), mass_after_two_high_blocks()
    with nothing_discounts("fake_viewers"):
        assert (copies_discounted(), mass_after_two_high_blocks()) == (0, with_it[1])
    with nothing_discounts("envelope"):
        assert copies_discounted() == with_it[0] > 0
        assert mass_after_two_high_blocks() > with_it[1]
    assert (copies_discounted(), mass_after_two_high_blocks()) == with_it


def test_the_document_shows_what_honest_rooms_owe_to_discounts_and_nulls_without_the_envelope() -> None:
    pieces = full_pieces(seeds=range(1, 2), hours=0.2, ablation_seeds=1, honest_hours=0)
    mine = [p for p in pieces if p.name.startswith(("discounts/", "bound/8/envelope/0000", "bound/8/0000"))]
    assert len(mine) == len(DISCOUNTED) * (1 + len(DISCOUNTS)) + 2
    small = [msgspec.structs.replace(p, runs=min(p.runs, 5)) for p in mine]
    summary = summarise(collect((piece, do(piece)) for piece in small), synthetic=True)
    text = "\n".join(f"{sheet.title}: {sheet.rows}" for sheet in sheets(summary))
    assert "Honest rooms without a discount" in text
    assert all(name in text for name in DISCOUNTED)
    assert "AI at its norm, AR(1), without the envelope" in text


def test_what_one_event_gives_away_opens_a_rule_at_that_event() -> None:
    for archetype in FACTUAL:
        assert judge_room(Job(archetype, 2, 0.25)).events_to_rule == 1


@pytest.mark.parametrize("archetype", STRATA)
def test_a_sparse_room_has_a_third_of_the_events_and_enough_for_every_signal(archetype: str) -> None:
    full, sparse = (list(simulate(archetype, 5, duration_ms=60 * MINUTE_MS, pace=pace)) for pace in (FULL, SPARSE))
    assert len(sparse) < 0.5 * len(full)
    kinds = Counter(str(e["type"]) for e in sparse)
    if archetype != "sign_language":  # nobody speaks, and voice detectors hear nothing
        assert kinds["host.speech"] > 30
        assert kinds["detector.score"] > 12 * 6 * (1 if archetype == "on_break" else 2)
    if archetype != "quiet":
        assert kinds["viewer.comment"] + kinds["viewer.gift"] + kinds["viewer.order"] > 12 * 10


def test_a_run_that_was_stopped_goes_on_where_it_was_and_sums_up_to_the_same(tmp_path: Path) -> None:
    pieces = list(islice(honest_pieces(), 3))
    small = [
        msgspec.structs.replace(p, jobs=tuple(msgspec.structs.replace(j, hours=0.2) for j in p.jobs)) for p in pieces
    ]
    path = tmp_path / "r.sqlite"
    with Results(path) as results:
        for piece in small[:2]:
            results.add(piece, do(piece))
    with Results(path) as results:
        assert [piece for piece, _ in results.finished(small)] == small[:2]
        assert results.finished(pieces) == [], "the same name, and not the same work"
        results.add(small[2], do(small[2]))
        kept = collect(results.finished(small))
    assert kept.honest == collect((piece, do(piece)) for piece in small).honest
    assert {tally.archetype for tally in kept.honest} == set(STRATA)
    assert {tally.rooms for tally in kept.honest} == {3}


def test_results_of_other_code_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, piece = tmp_path / "r.sqlite", next(honest_pieces())
    with Results(path) as results:
        results.add(piece, b"\x90")
        assert (len(results.finished([piece])), results.outdated([piece])) == (1, 0)
    monkeypatch.setattr("worker.lab.evaluate.results.fingerprint", lambda kind: "0123456789abcdef")
    with Results(path) as results:
        assert (results.finished([piece]), results.outdated([piece])) == ([], 1)
    answer = CliRunner().invoke(cli, ["evaluate", "--honest-hours", "1", "--results", str(path), "--report", "--json"])
    assert "1 results were made by other code and are left out" in answer.stderr
    assert json.loads(answer.stdout)["rooms"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_a_long_run_stops_when_told_to_and_keeps_what_is_done(how: str, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    rooms = ["--full", "--seeds", "1000", "--hours", "0.1"]  # thousands of pieces, each done in a moment
    command = [sys.executable, "-m", "worker", "evaluate", *rooms, "--results", str(path), "--jobs", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as running:
        while not path.exists() or not _count(path):
            with suppress(subprocess.TimeoutExpired):
                running.wait(0.2)
                pytest.fail(f"ended with {running.returncode}")
        running.send_signal(getattr(signal, how))
        assert running.wait(60) == 1
    assert _count(path) >= 1


def _count(path: Path) -> int:
    with closing(sqlite3.connect(path, timeout=30)) as db:
        made = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'results'").fetchone()[0]
        return int(db.execute("SELECT count(*) FROM results").fetchone()[0]) if made else 0


def test_labelled_logs_lead_to_the_same_as_the_rooms_that_they_were_taken_from(tmp_path: Path) -> None:
    log, known = str(tmp_path / "rooms.jsonl.gz"), str(tmp_path / "truth.jsonl")
    args = ["simulate", "tampered", "quiet", "--minutes", "12", "-o", log, "--truth", known]
    assert CliRunner().invoke(cli, args).exit_code == 0
    found = _run("--log", log, "--truth", known)
    assert (found["rooms"], found["synthetic"]) == (2, False)
    (tampered,) = found["challenged"]
    assert tampered["rules"]["detected"][0] == 1
    assert 4 <= tampered["rules"]["median_min"][0] < 6
    (quiet,) = found["strata"]
    assert (quiet["archetype"], quiet["alarms"], quiet["rules"]) == ("quiet", [], {})
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
    for args in (
        ["--archetypes", "robot"],
        ["--full", "--no-challenges"],
        ["--report", "--results", str(tmp_path / "none")],
    ):
        assert CliRunner().invoke(cli, ["evaluate", *args]).exit_code == 2
    lone = tmp_path / "log.jsonl"
    lone.write_bytes(orjson.dumps({"type": "x"}) + b"\n")
    assert CliRunner().invoke(cli, ["evaluate", "--log", str(lone)]).exit_code == 2
    result = CliRunner().invoke(cli, ["evaluate", "--log", str(lone), "--truth", str(lone)])
    assert (result.exit_code, "line 1 is no truth about a room" in result.stderr) == (1, True)
