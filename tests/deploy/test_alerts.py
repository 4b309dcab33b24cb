"""Alerts: each fires and stays silent when it should, and a tired person finds what to do."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from deploy.generate import linked
from tests.deploy.alert_cases import CASES, promtool_tests
from tests.deploy.files import ALERTS, BOARDS, DEPLOY, MONITORING, REPOSITORY, RULE_FILES, panels, wrong_words

RUNBOOK = (MONITORING / "RUNBOOK.md").read_text(encoding="utf-8")
ENTRIES: dict[str, str] = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", RUNBOOK, re.M | re.S))
PARTS = ("Means", "Look at", "Do", "Wake")
RUNBOOK_URL = next(iter(ALERTS.values()))["annotations"]["runbook_url"].partition("#")[0]


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
    assert all(len(text) >= len("No one.") for _, text in parts)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_leads_to_its_entry_and_says_how_urgent_it_is(alert: str) -> None:
    rule = ALERTS[alert]
    page, _, entry = rule["annotations"]["runbook_url"].partition("#")
    assert entry == alert.lower()
    assert page == RUNBOOK_URL
    assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_is_wrong_with_a_number_and_what_to_do_first(alert: str) -> None:
    notes = ALERTS[alert]["annotations"]
    found, _, first = notes["description"].partition(" First: ")
    assert re.search(r"\$value|\d", found), "a number"
    assert re.fullmatch(r"[a-z][^:]+(: [^:]+)?\.", first), "the first thing to do, in a sentence"
    assert not notes["summary"].endswith("."), "a headline"
    assert len(notes["summary"]) <= 100
    assert wrong_words(f"{notes['summary']}. {notes['description']}") == []


def test_links_to_the_runbook_lead_to_one_page_that_can_be_set(tmp_path: Path) -> None:
    written = (MONITORING / "alerts.yaml").read_text(encoding="utf-8")
    assert RUNBOOK_URL.startswith("https://")
    moved = linked(written, "https://wiki.example/live-audit/runbook")
    assert moved.count("runbook_url: https://wiki.example/live-audit/runbook#streamaudit") == len(ALERTS)
    assert linked(moved, RUNBOOK_URL) == written


@pytest.mark.parametrize(
    "url", ["", "deploy/monitoring/RUNBOOK.md", "https://", "https://a b", "https://wiki.example/#x"]
)
def test_what_is_no_url_of_a_page_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no URL of a page"):
        linked("", url)


def test_what_wakes_no_one_says_so() -> None:
    woken = {alert for alert, body in ENTRIES.items() if "**Wake.** No one" not in body}
    assert woken == {alert for alert, rule in ALERTS.items() if rule["labels"]["severity"] == "page"}


def test_the_memory_alert_knows_the_limit_of_the_manifest() -> None:
    container = yaml.safe_load((DEPLOY / "k8s/base/statefulset.yaml").read_text())["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert container["resources"]["limits"]["memory"] == "2Gi"
    assert f"* {2 * 1024**3}" in ALERTS["StreamAuditMemoryNearLimit"]["expr"]


def test_the_runbook_and_the_alerts_name_only_panels_and_boards_that_exist() -> None:
    titles = {
        json.loads(path.read_text(encoding="utf-8"))["title"].removeprefix("stream-audit · "): {
            panel["title"] for panel in panels(path)
        }
        for path in BOARDS
    }
    named = re.findall(rf"({'|'.join(titles)}), ((?:\"[^\"]+\"(?:, | and )?)+)", RUNBOOK)
    assert {board for board, _ in named} == set(titles)
    strange = [(board, title) for board, quoted in named for title in re.findall(r'"([^"]+)"', quoted)
               if title not in titles[board]]  # fmt: skip
    assert strange == []
    written = " ".join(rule["annotations"]["description"] for rule in ALERTS.values())
    assert written.count("on the board ") == sum(written.count(f"on the board {title}") for title in titles)


def test_the_runbook_is_written_in_plain_words() -> None:
    assert wrong_words(re.sub(r"```.*?```|`[^`]*`", "code", RUNBOOK, flags=re.S)) == []


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
