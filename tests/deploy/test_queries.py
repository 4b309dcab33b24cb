"""Alerts, recording rules and panels ask only for what a worker exposes, and everything exposed is asked for."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.deploy.files import ALERTS, RECORDS, Query, exposed, panel_queries, rule_queries

promql = pytest.importorskip(
    "promql_parser", reason="requirements/deploy.txt is not installed: `make check-deploy` does"
)

EXCUSED: dict[str, str] = {}
"""Metric → why no panel shows it."""

FROM_THE_SCRAPE = {"namespace", "pod", "instance", "job"}


class Selector(NamedTuple):
    """A series that a query selects, by name, and the labels that it matches."""

    name: str
    labels: frozenset[str]


def selectors(expr: str) -> list[Selector]:
    """Every selector of a PromQL expression. Raises ValueError when it is no PromQL."""
    found: list[Selector] = []

    def visit(node: object) -> None:
        if isinstance(node, promql.VectorSelector):
            found.append(Selector(node.name or "", frozenset(m.name for m in node.matchers.matchers)))

    promql.walk(promql.parse(expr), visit)
    return found


def strange(query: Query) -> list[str]:
    """What a query names that no worker exposes."""
    known = {**exposed(), **dict.fromkeys(RECORDS, frozenset({"namespace"}))}
    found = []
    for name, labels in selectors(query.expr):
        if name not in known:
            found.append(f"{query.where}: no metric {name}")
        elif others := labels - known[name] - FROM_THE_SCRAPE:
            found.append(f"{query.where}: {name} has no label {', '.join(sorted(others))}")
    return found


def test_selectors_are_found_wherever_they_stand() -> None:
    expr = (
        'sum by (a) (rate(x_total{rule="r"}[5m])) > 1'
        " unless max_over_time((y offset 1h)[1d:1m]) or histogram_quantile(0.9, z)"
    )
    assert selectors(expr) == [
        Selector("x_total", frozenset({"rule"})),
        Selector("y", frozenset()),
        Selector("z", frozenset()),
    ]


def test_alerts_and_recording_rules_name_only_what_is_exposed() -> None:
    assert [fault for query in rule_queries() for fault in strange(query)] == []


def test_panels_name_only_what_is_exposed() -> None:
    queries = panel_queries()
    assert len(queries) > 50
    assert [fault for query in queries for fault in strange(query)] == []


def test_every_metric_has_a_panel_or_an_excuse() -> None:
    shown = {name for query in panel_queries() for name, _ in selectors(query.expr)}
    for record in shown & set(RECORDS):
        shown |= {name for name, _ in selectors(RECORDS[record]["expr"])}
    families = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in exposed()}
    unseen = {name for name in families if not {name, f"{name}_bucket"} & shown}
    assert unseen == set(EXCUSED)


def test_every_recording_rule_is_used() -> None:
    used = {name for query in (*panel_queries(), *rule_queries()) for name, _ in selectors(query.expr)}
    assert set(RECORDS) - used == set()


def test_every_alert_keeps_environments_apart() -> None:
    """An aggregation that drops the namespace would let a healthy environment hide an ill one."""
    found: list[str] = []

    for name, rule in {**ALERTS, **RECORDS}.items():

        def visit(node: object, name: str = name) -> None:
            if isinstance(node, promql.AggregateExpr):
                kept = node.modifier.labels if node.modifier and node.modifier.type == promql.AggModifierType.By else []
                if "namespace" not in kept:
                    found.append(name)

        promql.walk(promql.parse(rule["expr"]), visit)
    assert found == []
