"""Alerts: each fires and stays silent when it should, and a tired person finds what to do."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from tests.deploy.alert_cases import CASES, promtool_tests
from tests.deploy.files import ALERTS, DEPLOY, MONITORING, REPOSITORY, RULE_FILES

RUNBOOK = (MONITORING / "RUNBOOK.md").read_text(encoding="utf-8")
ENTRIES: dict[str, str] = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", RUNBOOK, re.M | re.S))
PARTS = ("Means", "Look at", "Do", "Wake")


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    cases: dict[str, set[bool]] = defaultdict(set)
    for case in CASES:
        cases[f"StreamAudit{case.alert}"].add(case.fires)
    assert cases == {alert: {True, False} for alert in ALERTS}


def test_every_alert_has_an_entry_in_the_runbook_and_every_entry_an_alert() -> None:
    assert set(ENTRIES) == set(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_entry_says_what_it_means_what_to_look_at_what_to_do_and_whom_to_wake(alert: str) -> None:
    parts = re.findall(r"^\*\*(.+?)\.\*\* (.+)$", ENTRIES[alert], re.M)
    assert tuple(name for name, _ in parts) == PARTS
    assert all(len(text) >= len("Nobody.") for _, text in parts)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_leads_to_its_entry_and_says_how_urgent_it_is(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["annotations"]["runbook_url"] == f"deploy/monitoring/RUNBOOK.md#{alert.lower()}"
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]


def test_what_wakes_nobody_says_so() -> None:
    woken = {alert for alert, body in ENTRIES.items() if "**Wake.** Nobody" not in body}
    assert woken == {alert for alert, rule in ALERTS.items() if rule["labels"]["severity"] == "page"}


def test_the_memory_alert_knows_the_limit_of_the_manifest() -> None:
    container = yaml.safe_load((DEPLOY / "k8s/base/statefulset.yaml").read_text())["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert container["resources"]["limits"]["memory"] == "2Gi"
    assert f"* {2 * 1024**3}" in ALERTS["StreamAuditMemoryNearLimit"]["expr"]


def test_the_runbook_names_only_commands_files_and_boards_that_exist() -> None:
    from worker.cli import COMMANDS

    commands = set(re.findall(r"stream-audit (\w+)", " ".join(re.findall(r"`([^`]+)`", RUNBOOK))))
    assert commands <= set(COMMANDS)
    for path in re.findall(r"`((?:deploy|worker|schemas)/[\w./-]+)`", RUNBOOK):
        assert (REPOSITORY / path).exists(), path


def run(promtool: Path, *arguments: str) -> None:
    done = subprocess.run([str(promtool), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_reads_every_rule(promtool: Path) -> None:
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *map(str, RULE_FILES))


def test_promtool_reads_the_configuration_of_compose(promtool: Path) -> None:
    run(promtool, "check", "config", str(MONITORING / "prometheus.yaml"))


@pytest.mark.parametrize("interval", sorted({case.interval for case in CASES}))
def test_alerts_fire_and_stay_silent_as_the_cases_say(promtool: Path, tmp_path: Path, interval: str) -> None:
    cases = promtool_tests([str(path) for path in RULE_FILES], interval)
    written = tmp_path / "cases.yaml"
    written.write_text(yaml.safe_dump(cases), encoding="utf-8")
    run(promtool, "test", "rules", str(written))
