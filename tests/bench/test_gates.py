"""No bar is passed over in silence."""

import pytest
from click.testing import CliRunner

from tests.bench import __main__ as command
from tests.bench.gates import BAR_SYSTEMS, GATES, unmeasured, verdicts
from tests.bench.throughput import names


def rows(cpu_s: float, *rounds: int) -> list[dict[str, float]]:
    return [{"round": number, "cpu_s_per_million": cpu_s} for number in rounds]


def test_the_gate_runs_every_system_that_a_bar_names() -> None:
    bars = [gate for gate in GATES if not gate.goal]
    assert {name for gate in bars for name in (gate.ours, gate.theirs)} == set(BAR_SYSTEMS) <= set(names())
    assert "Kafka Streams, memory, fastjson2" not in BAR_SYSTEMS


def test_a_bar_without_a_common_round_has_no_verdict_and_is_named() -> None:
    bar = GATES[0]
    apart = {bar.ours: rows(1.0, 0), bar.theirs: rows(30.0, 1)}
    assert verdicts(apart) == []
    assert unmeasured(apart) == [gate for gate in GATES if not gate.goal]
    together = {bar.ours: rows(1.0, 0, 1), bar.theirs: rows(30.0, 1)}
    assert [(verdict.gate, verdict.ratios, verdict.met) for verdict in verdicts(together)] == [(bar, [30.0], True)]
    assert bar not in unmeasured(together)


def test_a_system_that_did_not_run_fails_the_command_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    every = {name: rows(1.0, 0) for name in BAR_SYSTEMS} | {"Flink SQL hopping": []}
    found = {"systems": every, "missing": {"Flink SQL hopping": "missing: mvn: not found"}}
    monkeypatch.setattr(command, "measure", lambda *_, **__: found)
    done = CliRunner().invoke(command.main, ["gate"])
    assert done.exit_code == 1
    text = " ".join(done.output.split())
    assert "Flink SQL hopping is without a figure in at least one round: missing: mvn: not found" in text
    assert "engine, peers' job ÷ Flink SQL hopping (not measured)" in text
