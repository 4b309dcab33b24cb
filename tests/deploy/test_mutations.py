"""The checks of deploy/ can fail: each of these breaks one thing, and the check that watches it must say no."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import test_manifests as manifests
from tests.deploy.alert_cases import promtool_tests
from tests.deploy.conftest import built
from tests.deploy.files import ALERTS, RULE_FILES, Query, panel_queries

queries = pytest.importorskip("tests.deploy.test_queries", exc_type=ImportError)

Object = dict[str, Any]
Check = Callable[[list[Object]], None]


def pod(objects: list[Object]) -> Object:
    spec: Object = manifests.the(objects, "StatefulSet")["spec"]["template"]["spec"]
    return spec


def container(objects: list[Object]) -> Object:
    found: Object = pod(objects)["containers"][0]
    return found


MANIFESTS: dict[str, tuple[Callable[[list[Object]], object], Check]] = {
    "a probe asks another page": (
        lambda o: container(o)["livenessProbe"]["httpGet"].update(path="/metrics"),
        manifests.test_the_worker_has_all_three_probes_and_they_ask_what_it_serves,
    ),
    "a probe is gone": (
        lambda o: container(o).pop("readinessProbe"),
        manifests.test_the_worker_has_all_three_probes_and_they_ask_what_it_serves,
    ),
    "a recovery is cut off": (
        lambda o: container(o)["startupProbe"].update(failureThreshold=3),
        manifests.test_the_worker_has_all_three_probes_and_they_ask_what_it_serves,
    ),
    "memory has no limit": (
        lambda o: container(o)["resources"]["limits"].pop("memory"),
        manifests.test_every_container_has_limits_and_memory_is_never_promised_twice,
    ),
    "memory is promised twice": (
        lambda o: container(o)["resources"]["requests"].update(memory="1Gi"),
        manifests.test_every_container_has_limits_and_memory_is_never_promised_twice,
    ),
    "rooms do not fit": (
        lambda o: container(o)["resources"]["limits"].update(memory="1Gi"),
        manifests.test_rooms_fit_into_half_of_the_memory,
    ),
    "root is allowed": (
        lambda o: pod(o)["securityContext"].update(runAsNonRoot=False),
        manifests.test_every_pod_keeps_the_restricted_standard,
    ),
    "a drain takes two": (
        lambda o: manifests.the(o, "PodDisruptionBudget")["spec"].update(maxUnavailable=2),
        manifests.test_drains_take_one_worker_at_a_time_and_never_wait_for_a_stuck_one,
    ),
    "any pod may talk to the worker": (
        lambda o: manifests.the(o, "NetworkPolicy")["spec"]["ingress"][0]["from"][0].pop("podSelector"),
        manifests.test_nothing_talks_to_the_worker_or_from_it_but_what_is_named,
    ),
    "more workers than partitions": (
        lambda o: manifests.the(o, "ScaledObject")["spec"].update(maxReplicaCount=65),
        lambda o: manifests.test_there_are_no_more_workers_than_partitions(o, "production"),
    ),
    "an image by tag": (
        lambda o: container(o).update(image="registry.example/stream-audit:1"),
        lambda o: manifests.test_images_are_named_by_digest_where_it_matters(o, "production"),
    ),
}
"""What breaks → how, and the check that notices."""


@pytest.mark.parametrize("mutation", MANIFESTS)
def test_a_broken_manifest_is_noticed(mutation: str) -> None:
    breaks, check = MANIFESTS[mutation]
    objects = deepcopy(built("production"))
    check(objects)
    breaks(objects)
    with pytest.raises((AssertionError, KeyError, ValueError)):
        check(objects)


def renamed(expr: str) -> str:
    """The expression over a metric that no worker exposes."""
    return expr.replace("stream_audit_", "stream_audit_never_", 1)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_over_a_metric_that_is_gone_is_noticed(alert: str) -> None:
    expr = ALERTS[alert]["expr"]
    assert queries.strange(Query(alert, expr)) == []
    assert queries.strange(Query(alert, renamed(expr)))


def test_a_panel_over_a_metric_that_is_gone_or_by_a_label_that_is_not_there_is_noticed() -> None:
    for query in panel_queries():
        assert queries.strange(Query(query.where, renamed(query.expr))), query.where
    assert queries.strange(Query("a panel", 'sum by (room) (stream_audit_rooms_live{room="x"})'))


@pytest.mark.parametrize("alert", ["PartitionStalled", "DelayBurnFast", "ViolationDelayBurnFast", "MemoryNearLimit"])
def test_an_alert_that_never_fires_is_noticed(alert: str, promtool: Path, tmp_path: Path) -> None:
    files: list[Path] = []
    for path in RULE_FILES:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in written["groups"]:
            for rule in group["rules"]:
                if rule.get("alert") == f"StreamAudit{alert}":
                    rule["expr"] = f"({rule['expr']}) and vector(0) == 1"
        files.append(tmp_path / path.name)
        files[-1].write_text(yaml.safe_dump(written), encoding="utf-8")
    cases = tmp_path / "cases.yaml"
    written = promtool_tests([str(path) for path in files], "30s")
    written["tests"] = [test for test in written["tests"] if test["name"] == f"StreamAudit{alert} fires"]  # type: ignore[attr-defined]
    cases.write_text(yaml.safe_dump(written), encoding="utf-8")
    done = subprocess.run([str(promtool), "test", "rules", str(cases)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f'exp: {{alertname="StreamAudit{alert}"}} 1E+00\n        got: nil' in done.stdout + done.stderr
