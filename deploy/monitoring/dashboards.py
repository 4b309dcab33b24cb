"""Writes the Grafana boards: `python deploy/monitoring/dashboards.py [FOLDER]` (default: dashboards/ beside this file).

The JSON is committed, and a test compares it with what this makes. Queries name metrics of `worker.metrics.METRICS`
and recording rules of `recording.yaml` alone.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, text, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableRefresh,
)

FOLDER = Path(__file__).with_name("dashboards")
DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24
HERE = 'namespace=~"$namespace"'
RATE = "$__rate_interval"


class Query(NamedTuple):
    """A PromQL expression and the legend of what it returns."""

    expr: str
    legend: str


class Board(NamedTuple):
    """A dashboard: rows of panels, each row with a title."""

    uid: str
    title: str
    about: str
    rows: Sequence[tuple[str, Sequence["Panel"]]]


Panel = timeseries.Panel | stat.Panel | text.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel)


def rate(metric: str, *by: str, match: str = "", scale: str = "") -> str:
    """Sum over pods of a counter's rate per second, by the labels `by`."""
    where = f"{HERE}, {match}" if match else HERE
    group = f" by ({', '.join(by)})" if by else ""
    return f"sum{group} (rate(stream_audit_{metric}{{{where}}}[{RATE}])){scale}"


def gauge(metric: str, how: str = "sum", *by: str) -> str:
    """A gauge over pods, put together with `how`."""
    group = f" by ({', '.join(by)})" if by else ""
    return f"{how}{group} (stream_audit_{metric}{{{HERE}}})"


def quantile(q: float, metric: str, *by: str) -> str:
    """A quantile of a histogram over all pods."""
    group = ", ".join((*by, "le"))
    return f"histogram_quantile({q}, sum by ({group}) (rate(stream_audit_{metric}_bucket{{{HERE}}}[{RATE}])))"


def lines(title: str, about: str, unit: str, *queries: Query, width: int = 8) -> timeseries.Panel:
    """Lines over time."""
    panel = (
        timeseries.Panel().title(title).description(about).unit(unit).datasource(DATASOURCE).span(width).height(8)
        .fill_opacity(10).line_width(1).axis_soft_min(0)
        .legend(common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
                .show_legend(True))
    )  # fmt: skip
    return _with_targets(panel, queries)


def number(title: str, about: str, unit: str, *queries: Query, width: int = 4) -> stat.Panel:
    """The latest value, large."""
    panel = stat.Panel().title(title).description(about).unit(unit).datasource(DATASOURCE).span(width).height(4)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    return _with_targets(panel, queries)


def note(title: str, content: str, width: int = 8, height: int = 8) -> text.Panel:
    """Markdown."""
    return text.Panel().title(title).content(content).span(width).height(height)


def _with_targets(panel: P, queries: Sequence[Query]) -> P:
    for index, query in enumerate(queries):
        panel = panel.with_target(
            prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(chr(ord("A") + index))
        )
    return panel


PER_HOUR = " * 3600"
PLATFORM = 'label_replace({}, "policy", "$1", "rule", "([A-Z]+)-.*")'


def overview() -> Board:
    """For enforcement: what is found, where, and what is held back."""
    live, shadow = 'mode="live"', 'mode="shadow"'
    day = "sum (increase(stream_audit_violations_total{{{}, {}}}[1d])) or vector(0)"
    by_policy = f"sum by (policy) ({PLATFORM.format(f'rate(stream_audit_violations_total{{{HERE}, {live}}}[{RATE}])')})"
    title = "stream-audit · Overview for enforcement"
    return Board("stream-audit-overview", title, "What is found, and what is held back.", (
        ("Now", (
            number("Rooms live", "Rooms the workers keep.", "short", Query(gauge("rooms_live"), "rooms")),
            number("Violations, 24 h", "Records of live rules.", "short", Query(day.format(HERE, live), "live")),
            number("Shadow, 24 h", "Records of rules on trial.", "short", Query(day.format(HERE, shadow), "shadow")),
            number("Rules parked", "Rules that judge nothing now.", "short",
                   Query(f"{gauge('rule_parked')} or vector(0)", "rules")),
            number("Workers ready", "Workers that judge.", "short", Query(gauge("ready"), "workers")),
            number("Delay", "Farthest behind event time, among partitions with unread events.", "s",
                   Query(f"max (stream_audit_event_time_delay_seconds{{{HERE}}}"
                         f" and stream_audit_lag_records{{{HERE}}} > 0)"
                         " or vector(0)", "delay")),
        )),
        ("Violations", (
            lines("By rule, live", "Records an hour, opened and all later steps.", "short",
                  Query(rate("violations_total", "rule", match=live, scale=PER_HOUR), "{{rule}}")),
            lines("By platform, live", "Records an hour by the rule's prefix: DY is Douyin, CN all of China.",
                  "short", Query(f"{by_policy}{PER_HOUR}", "{{policy}}")),
            lines("Shadow versus live", "Records an hour. A trial rule that outruns its live neighbours is not ready.",
                  "short", Query(rate("violations_total", "mode", scale=PER_HOUR), "{{mode}}")),
            lines("By step of the ladder", "Records an hour by how far the case went.", "short",
                  Query(rate("violations_total", "step", scale=PER_HOUR), "step {{step}}")),
            lines("Rooms by level", "Rooms whose evidence has reached a level above none (0).", "short",
                  Query(f'sum by (family, level) (stream_audit_rooms_by_level{{{HERE}, level!="0"}})',
                        "{{family}} level {{level}}")),
            lines("Actions held back", "An hour, by reason.", "short",
                  Query(rate("actions_withheld_total", "because", scale=PER_HOUR), "{{because}}")),
            lines("Asked of the platform", "Challenges and looks asked for, an hour. A platform that answers none is "
                  "asked less and less.", "short",
                  Query(rate("requests_total", "action", "reason", scale=PER_HOUR), "{{action}} {{reason}}")),
        )),
        ("Operators", (
            note("Top operators", "Hosts, shops and rooms are never labels of metrics. The console and the topic "
                 "`live.audit.violations` say who; `stream-audit explain ID` says why.", width=24, height=4),
        )),
    ))  # fmt: skip


def _identities() -> tuple[str, Sequence[Panel]]:
    """Who shares what: the identity agent."""
    return ("Identities", (
        lines("Rooms in fleets", "Live rooms that share an identity, by kind; permitted ones too.", "short",
              Query(gauge("fleet_rooms", "sum", "kind"), "{{kind}}")),
        lines("Fleets", "Identities that two live rooms or more share, by kind.", "short",
              Query(gauge("fleets_live", "sum", "kind"), "{{kind}}")),
        lines("Answers", "Events written into rooms' logs, a second.", "ops",
              Query(rate("identities_answers_total", "type"), "{{type}}")),
        lines("Identity records", "A second.", "ops", Query(rate("identities_read_total"), "read"),
              Query(rate("identities_applied_total"), "applied"),
              Query(rate("identities_replay_skipped_total"), "read again"),
              Query(rate("identities_rejected_total"), "rejected")),
        lines("Kept and forgotten", "Identities, hosts and platforms.", "short",
              Query(gauge("identities_live"), "kept"),
              Query(rate("identities_expired_total", scale=PER_HOUR), "forgotten an hour")),
        lines("Behind", "Records of identities and registry still to read, and seconds of work a second.", "short",
              Query(gauge("identities_lag_records"), "records"),
              Query(rate("identities_seconds_total"), "seconds")),
    ))  # fmt: skip


def hot_path() -> Board:
    """Throughput, delay, stages and the process."""
    return Board("stream-audit-hot-path", "stream-audit · Hot path", "Throughput, delay, stages, Kafka, the process.", (
        ("Throughput and delay", (
            lines("Events by type", "Applied to rooms.", "eps", Query(rate("events_total", "type"), "{{type}}")),
            lines("Read and what became of it", "read = applied + duplicate + late + replay-skipped + rejected.", "eps",
                  *(Query(rate(f"{name}_total"), name)
                    for name in ("read", "applied", "duplicate", "late", "replay_skipped"))),
            lines("Dead-lettered by reason", "Above 20 % of a partition the worker stops.", "eps",
                  Query(rate("rejected_total", "reason"), "{{reason}}")),
            lines("Event-time delay", "Now minus the newest event applied; grows in a quiet partition too.", "s",
                  Query(gauge("event_time_delay_seconds", "max", "partition"), "{{partition}}"), width=12),
            lines("Lag", "Records not yet read.", "short",
                  Query(gauge("lag_records", "sum", "partition"), "{{partition}}"), width=12),
        )),
        ("Stages", (
            lines("Seconds of work a second, by pod", "They share one loop: near 1 it is full.", "s",
                  Query(rate("process_seconds_total", "pod"), "process {{pod}}"),
                  Query(rate("publish_seconds_total", "pod"), "publish {{pod}}")),
            lines("Batch", "Records in one fetch.", "short",
                  Query(quantile(0.5, "batch_events"), "p50"), Query(quantile(0.99, "batch_events"), "p99")),
            lines("Time of a batch and of a flush", "99th percentile.", "s",
                  Query(quantile(0.99, "batch_seconds"), "batch"), Query(quantile(0.99, "flush_seconds"), "flush")),
        )),
        ("State and Kafka", (
            lines("Commit age", "Since the last commit of offsets.", "s",
                  Query(gauge("commit_age_seconds", "max", "pod"), "{{pod}}")),
            lines("Commits and failures", "A second.", "ops",
                  Query(rate("commits_total"), "commits"), Query(rate("commit_failures_total"), "failures"),
                  Query(rate("lost_records_total"), "lost records")),
            lines("Waiting for the broker", "Records sent or queued and not acknowledged.", "short",
                  Query(gauge("outputs_pending", "sum", "pod"), "{{pod}}")),
            lines("Changelog", "Records a second.", "ops", Query(rate("snapshot_records_total"), "written"),
                  Query(rate("changelog_records_total"), "read in recovery"),
                  Query(rate("changelog_stale_total"), "stale")),
            lines("Changelog bytes", "Written.", "Bps", Query(rate("snapshot_bytes_total"), "bytes")),
            lines("Recovery", "Changelog records still to read.", "short",
                  Query(gauge("recovery_remaining_records", "sum", "pod"), "{{pod}}")),
            lines("Rebalances", "In 15 minutes, and the seconds they took.", "short",
                  Query(f"max (increase(stream_audit_rebalances_total{{{HERE}}}[15m]))", "assignments"),
                  Query(f"max (increase(stream_audit_rebalance_seconds_total{{{HERE}}}[15m]))", "seconds")),
            lines("Partitions owned", "By pod.", "short", Query(gauge("partitions_assigned", "sum", "pod"), "{{pod}}")),
            lines("Live and ready", "Workers.", "short", Query(gauge("live"), "live"), Query(gauge("ready"), "ready")),
        )),
        _identities(),
        ("Process", (
            lines("Rooms", "Kept, and of those decoded.", "short", Query(gauge("rooms_live"), "live"),
                  Query(gauge("rooms_decoded"), "decoded")),
            lines("Rooms forgotten", "After hours without an event, or early because of the cap.", "ops",
                  Query(rate("rooms_expired_total"), "expired"), Query(rate("rooms_shed_total"), "shed")),
            lines("Memory", "Resident.", "bytes", Query(gauge("resident_memory_bytes", "max", "pod"), "{{pod}}")),
            lines("CPU", "Cores.", "short", Query(rate("cpu_seconds_total", "pod"), "{{pod}}")),
            lines("Loop lag and GC pauses", "99th percentile.", "s", Query(quantile(0.99, "loop_lag_seconds"), "loop"),
                  Query(quantile(0.99, "gc_pause_seconds"), "collector")),
            lines("Collections", "A second, by generation.", "ops",
                  Query(rate("gc_collections_total", "generation"), "generation {{generation}}")),
        )),
    ))  # fmt: skip


def rules() -> Board:
    """How each rule behaves."""
    return Board("stream-audit-rules", "stream-audit · Rules", "Rate, cost, errors, caps and versions of rules.", (
        ("Rules", (
            lines("Violations by rule and mode", "Records an hour.", "short",
                  Query(rate("violations_total", "rule", "mode", scale=PER_HOUR), "{{rule}} {{mode}}"), width=12),
            lines("Errors", "Evaluations that failed, a second.", "ops",
                  Query(rate("rule_errors_total", "rule"), "{{rule}}"), width=12),
            lines("Parked", "1 while a rule judges nothing.", "short",
                  Query(gauge("rule_parked", "max", "rule"), "{{rule}}")),
            lines("Cost", "Seconds of work a second, by rule; estimated from one look in sixteen.", "s",
                  Query(rate("rule_seconds_total", "rule"), "{{rule}}")),
            lines("At their cap, or paused", "Partitions in which a rule's decisions are parked.", "short",
                  Query(gauge("cap_reached", "sum", "rule"), "{{rule}}"),
                  Query(gauge("rule_paused", "sum", "rule"), "{{rule}} paused")),
            lines("Policies refused", "Published, and refused since the worker began.", "short",
                  Query(gauge("policy_rejected_total", "max"), "refused")),
            lines("Policy versions", "Two lines of one policy: workers disagree.", "short",
                  Query(gauge("policy_version", "max", "policy"), "{{policy}} newest"),
                  Query(gauge("policy_version", "min", "policy"), "{{policy}} oldest")),
            lines("Workers by version", "Two during a rollout.", "short",
                  Query(f"count by (version) (stream_audit_info{{{HERE}}})", "{{version}}")),
        )),
        ("Repeats and blind spots", (
            lines("Not sent again", "Violations already sent by the worker before, in an hour.", "short",
                  Query(rate("violations_suppressed_total", scale=PER_HOUR), "suppressed")),
            lines("Takeovers in the dark", "Takeovers that could not read what was already sent, in an hour.", "short",
                  Query(f"sum (increase(stream_audit_output_tails_failed_total{{{HERE}}}[1h]))", "takeovers")),
            lines("Series left out", "Beyond the cap of a scrape; must be 0.", "short",
                  Query(gauge("metrics_dropped_series", "max", "pod"), "{{pod}}")),
        )),
    ))  # fmt: skip


def slo() -> Board:
    """Objectives, what is left of their budgets, how fast they burn."""
    windows = ("5m", "30m", "1h", "6h", "3d")

    def burns(record: str, budget: str) -> list[Query]:
        return [Query(f"namespace:stream_audit_{record}{w}{{{HERE}}} / {budget}", f"{{{{namespace}}}} {w}")
                for w in windows]  # fmt: skip

    slow, lost, read = (f"namespace:stream_audit_{n}{{{HERE}}}" for n in ("delay_slow:ratio", "unaccounted:rate1m",
                                                                         "read:rate1m"))  # fmt: skip
    unaccounted = f"(abs(sum_over_time({lost}[30d])) / sum_over_time({read}[30d]))"
    return Board("stream-audit-slo", "stream-audit · SLO", "Objectives, budgets, burn rates.", (
        ("Event to violation: 99 % within 2 s", (
            lines("From event to violation", "99th percentile, up to the broker's acknowledgement.", "s",
                  Query(f"namespace:stream_audit_violation_delay:p99_5m{{{HERE}}}", "{{namespace}}"), width=14),
            lines("Burn rate of violations", "1 = the budget lasts exactly a month; pages at 14.4 (1 h) and 6 (6 h).",
                  "short", *burns("violation_slow:ratio_rate", "0.01"), width=10),
        )),
        ("Event-time delay: 99 % of readings within 2 s", (
            number("Budget left, 30 d", "1 = untouched, below 0 = missed.", "percentunit",
                   Query(f"1 - avg_over_time({slow}[30d]) / 0.01", "{{namespace}}"), width=6),
            lines("Slow partitions", "Share of partitions more than 2 s behind.", "percentunit",
                  Query(slow, "{{namespace}}"), width=8),
            lines("Burn rate", "1 = the budget lasts exactly a month; pages at 14.4 (1 h) and 6 (6 h).", "short",
                  *burns("delay_slow:ratio_avg", "0.01"), width=10),
        )),
        ("Accounted-for events: 99.99 %", (
            number("Budget left, 30 d", "1 = untouched, below 0 = missed.", "percentunit",
                   Query(f"1 - {unaccounted} / 0.0001", "{{namespace}}"), width=6),
            lines("Read and not accounted for", "A second; swings around 0 with batches under way.", "eps",
                  Query(lost, "{{namespace}}"), width=8),
            lines("Burn rate", "1 = the budget lasts exactly a month; pages at 14.4 (1 h) and 6 (6 h).", "short",
                  *burns("unaccounted:ratio_rate", "0.0001"), width=10),
        )),
        ("Workers", (
            lines("Workers that answer", "By namespace.", "short",
                  Query(f"namespace:stream_audit_workers:count{{{HERE}}}", "{{namespace}}"), width=24),
        )),
    ))  # fmt: skip


def build(board: Board) -> str:
    """The dashboard's JSON."""
    built = (
        dashboard.Dashboard(board.title).uid(board.uid).description(board.about).tags(["stream-audit"])
        .refresh("30s").time("now-3h", "now").timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR).readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("namespace").label("Namespace").datasource(DATASOURCE)
            .query("label_values(stream_audit_info, namespace)").refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .include_all(True).all_value(".*").multi(True)
        )
    )  # fmt: skip
    for title, panels in board.rows:
        built = built.with_row(dashboard.Row(title))
        for panel in panels:
            built = built.with_panel(panel)
    return JSONEncoder(sort_keys=True, indent=2).encode(built.build()) + "\n"


def boards() -> dict[str, str]:
    """File name → content of every board."""
    return {f"{made.uid}.json": build(made) for made in (overview(), hot_path(), rules(), slo())}


def main(folder: Path) -> None:
    """Writes every board into `folder` and removes others."""
    folder.mkdir(parents=True, exist_ok=True)
    made = boards()
    for old in folder.glob("*.json"):
        if old.name not in made:
            old.unlink()
    for name, content in made.items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
