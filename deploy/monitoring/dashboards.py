"""Write the Grafana boards: `python -m deploy.monitoring.dashboards [FOLDER]` (default: dashboards/ beside this file).

The JSON is committed, and a test compares it with what this makes. Queries name metrics of `worker.metrics.METRICS`
and recording rules of `recording.yaml` alone.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, VariableRefresh

from deploy.monitoring.panels import (
    DATASOURCE,
    EVENTS_PER_SECOND,
    HERE,
    PARTITIONS,
    PER_HOUR,
    RECORDS,
    RECORDS_PER_HOUR,
    RECORDS_PER_SECOND,
    ROOMS,
    TIME,
    TIME_PER_SECOND,
    WORKERS,
    Axis,
    Panel,
    Query,
    gauge,
    lines,
    note,
    number,
    quantile,
    rate,
)

FOLDER = Path(__file__).with_name("dashboards")


class Board(NamedTuple):
    """A dashboard: rows of panels, each row with a title."""

    uid: str
    title: str
    about: str
    rows: Sequence[tuple[str, Sequence[Panel]]]


def overview() -> Board:
    """Say what is found, where, and what is held back: the board for enforcement."""
    live, shadow = 'mode="live"', 'mode="shadow"'
    day = "sum (increase(stream_audit_violations_total{{{}, {}}}[1d])) or vector(0)"
    about = "What the rules find, on which platforms, and which actions are held back."
    return Board("stream-audit-overview", "stream-audit · Overview for enforcement", about, (
        ("Now", (
            number("Rooms kept", "Rooms whose state the workers hold, quiet ones too.", "short",
                   Query(gauge("rooms_live"), "rooms")),
            number("Violations, 24 h", "Violation records of live rules in the last 24 hours.", "short",
                   Query(day.format(HERE, live), "live")),
            number("On trial, 24 h", "Violation records of rules in shadow mode in the last 24 hours. They ask for "
                   "nothing.", "short", Query(day.format(HERE, shadow), "shadow")),
            number("Rules parked", "Rules that failed ten times in a row in a room and skip that room.", "short",
                   Query(f"{gauge('rule_parked')} or vector(0)", "rules")),
            number("Workers ready", "Workers that judge rooms now.", "short", Query(gauge("ready"), "workers")),
            number("Largest delay", "How far the slowest partition with unread events is behind its log.", "s",
                   Query(f"max (stream_audit_append_time_delay_seconds{{{HERE}}}"
                         f" and stream_audit_lag_records{{{HERE}}} > 0)"
                         " or vector(0)", "delay")),
        )),
        ("Violations", (
            lines("Violations by platform", "Records of live rules, by the platform of the room.", RECORDS_PER_HOUR,
                  Query(rate("violations_total", "platform", match=live, scale=PER_HOUR), "{{platform}}"), width=12),
            lines("Violations by rule", "Records of live rules: a case that opens and each later step.",
                  RECORDS_PER_HOUR,
                  Query(rate("violations_total", "rule", match=live, scale=PER_HOUR), "{{rule}}"), width=12),
            lines("Live rules and rules on trial", "Records by mode. A rule in shadow mode that finds far more than "
                  "its live neighbours is not ready.", RECORDS_PER_HOUR,
                  Query(rate("violations_total", "mode", scale=PER_HOUR), "{{mode}}")),
            lines("Violations by step", "Records by step of the rule's ladder. Step 0 opens a case, each later step "
                  "recommends more.", RECORDS_PER_HOUR,
                  Query(rate("violations_total", "step", scale=PER_HOUR), "step {{step}}")),
            lines("Rooms by level", "Rooms in session whose evidence reached a level, by family. AI: detectors see an "
                  "AI presenter. UNLABELLED: they see one without a label. NONINT: no viewer is answered. PLAY: speech "
                  "repeats. CHALLENGE: challenges fail.", ROOMS,
                  Query(gauge("rooms_by_level", "sum", "family", "level"), "{{family}}, {{level}}")),
            lines("Actions held back", "Actions that a rule asks for and the worker withholds, by reason.",
                  Axis("short", "actions per hour"),
                  Query(rate("actions_withheld_total", "because", scale=PER_HOUR), "{{because}}"), width=12),
            lines("Requests to platforms", "Challenges and closer looks that the worker asks for. A platform that "
                  "answers none is asked less and less.", Axis("short", "requests per hour"),
                  Query(rate("requests_total", "action", "reason", scale=PER_HOUR), "{{action}}, {{reason}}"),
                  width=12),
        )),
        ("Hosts and rooms", (
            note("Which hosts and rooms", "Hosts, shops and rooms are never labels of metrics. The topic "
                 "`live.audit.violations` names them. `stream-audit explain ID` shows why a violation was emitted.",
                 width=24, height=4),
        )),
    ))  # fmt: skip


def _identities() -> tuple[str, Sequence[Panel]]:
    """Show who shares what: the identity agent."""
    identities = Axis("short", "identities")
    return ("Identities", (
        lines("Rooms in fleets", "Live rooms that share an identity with another, by kind. Permitted ones count too.",
              ROOMS, Query(gauge("fleet_rooms", "sum", "kind"), "{{kind}}")),
        lines("Fleets", "Identities that two live rooms or more share, by kind.", identities,
              Query(gauge("fleets_live", "sum", "kind"), "{{kind}}")),
        lines("Answers to rooms", "Events that the identity agent writes into the room log, by type.",
              EVENTS_PER_SECOND, Query(rate("identities_answers_total", "type"), "{{type}}")),
        lines("Identity records", "Records read, and what became of them.", RECORDS_PER_SECOND,
              Query(rate("identities_read_total"), "read"), Query(rate("identities_applied_total"), "applied"),
              Query(rate("identities_replay_skipped_total"), "read again"),
              Query(rate("identities_rejected_total"), "rejected")),
        lines("Identity records waiting", "Records of identities and of the registry still to read.", RECORDS,
              Query(gauge("identities_lag_records"), "records")),
        lines("Time spent on identities", "Work of the identity agent, over all workers.", TIME_PER_SECOND,
              Query(rate("identities_seconds_total"), "identity agent")),
        lines("Identities kept", "Identities, hosts and platforms that the agent holds.", identities,
              Query(gauge("identities_live"), "kept"), width=12),
        lines("Identities evicted", "Identities that no room has shown for half an hour.",
              Axis("short", "identities per hour"),
              Query(rate("identities_expired_total", scale=PER_HOUR), "evicted"), width=12),
    ))  # fmt: skip


def _clocks() -> tuple[str, Sequence[Panel]]:
    """Show what producers' clocks and delays do, and what that costs."""
    least = "source_delay_min_seconds"
    return ("Clocks and delays of sources", (
        lines("Least delay by source", "Append time minus the time that an event tells of, for a source's fastest "
              "events of a minute. Below 0 a clock is ahead.", TIME,
              Query(gauge(least, "min", "source"), "{{source}}"),
              Query(gauge(least, "max", "source"), "{{source}}, slowest worker")),
        lines("Clocks ahead by source", "Events whose clock was over 2 s ahead of append time.", EVENTS_PER_SECOND,
              Query(rate("clock_ahead_total", "source"), "{{source}}")),
        lines("Late events by source", "Events behind their room's watermark. They do not count.", EVENTS_PER_SECOND,
              Query(rate("late_events_total", "source"), "{{source}}")),
        lines("Blocks that abstain", "Blocks in which signals that join speech and gateway made no bet, by reason.",
              Axis("short", "blocks per hour"),
              Query(rate("blocks_unclear_total", "why", scale=PER_HOUR), "{{why}}")),
        lines("Blocks closed", "Blocks of five minutes, with something against them or nothing.",
              Axis("short", "blocks per hour"),
              Query(rate("blocks_closed_total", "clear", scale=PER_HOUR), "clear: {{clear}}")),
        lines("Watermark's hold", "Longest wait of a room for a slow source or a silent gateway, beyond the usual "
              "minute. At most 4 minutes.", TIME, Query(gauge("watermark_hold_seconds", "max", "pod"), "{{pod}}")),
    ))  # fmt: skip


def _state_and_kafka() -> tuple[str, Sequence[Panel]]:
    """Show commits, the changelog and what rebalances cost."""
    quarter = f"max (increase(stream_audit_{{}}{{{{{HERE}}}}}[15m]))"
    return ("State and Kafka", (
        lines("Age of the last commit", "Time since a worker last committed offsets.", TIME,
              Query(gauge("commit_age_seconds", "max", "pod"), "{{pod}}")),
        lines("Commits and failures", "Commits of offsets, and those that the broker refused or did not answer.",
              Axis("short", "commits per second"), Query(rate("commits_total"), "commits"),
              Query(rate("commit_failures_total"), "failures")),
        lines("Records lost to retention", "Records that were deleted before a worker read them. It must be 0.",
              RECORDS_PER_SECOND, Query(rate("lost_records_total"), "lost")),
        lines("Waiting for the broker", "Records sent or queued that the broker has not acknowledged.", RECORDS,
              Query(gauge("outputs_pending", "sum", "pod"), "{{pod}}")),
        lines("Changelog records", "Records written, read in recoveries, and older than what was held.",
              RECORDS_PER_SECOND, Query(rate("snapshot_records_total"), "written"),
              Query(rate("changelog_records_total"), "read in recovery"),
              Query(rate("changelog_stale_total"), "stale")),
        lines("Changelog bytes", "Keys and values written.", Axis("Bps", "bytes per second"),
              Query(rate("snapshot_bytes_total"), "written")),
        lines("Recovery", "Changelog records that a worker must still read before it judges.", RECORDS,
              Query(gauge("recovery_remaining_records", "sum", "pod"), "{{pod}}")),
        lines("Rebalances", "Assignments of partitions in the last 15 minutes, of the worker with most.",
              Axis("short", "rebalances in 15 minutes"), Query(quarter.format("rebalances_total"), "rebalances")),
        lines("Time lost to rebalances", "From revocation to judging again, in the last 15 minutes.",
              Axis("s", "time in 15 minutes"), Query(quarter.format("rebalance_seconds_total"), "time")),
        lines("Partitions owned", "Partitions of the room log, by worker.", PARTITIONS,
              Query(gauge("partitions_assigned", "sum", "pod"), "{{pod}}"), width=12),
        lines("Workers live and ready", "Workers whose /livez and /readyz answer 200.", WORKERS,
              Query(gauge("live"), "live"), Query(gauge("ready"), "ready"), width=12),
    ))  # fmt: skip


def hot_path() -> Board:
    """Show throughput, delay, stages and the process."""
    fates = (("read", "read"), ("applied", "applied"), ("duplicate", "duplicate"), ("late", "late"),
             ("foreign", "foreign"), ("replay_skipped", "read again"), ("rejected", "rejected"))  # fmt: skip
    about = "Throughput, delay, stages of work, Kafka and the process."
    return Board("stream-audit-hot-path", "stream-audit · Hot path", about, (
        ("Throughput and delay", (
            lines("Events by type", "Events applied to rooms.", EVENTS_PER_SECOND,
                  Query(rate("events_total", "type"), "{{type}}")),
            lines("Read and what became of it", "read = applied + duplicate + late + foreign + read again + rejected.",
                  EVENTS_PER_SECOND, *(Query(rate(f"{name}_total"), legend) for name, legend in fates)),
            lines("Dead letters by reason", "Records that break the contract. Above 20 % the worker stops the "
                  "partition.", RECORDS_PER_SECOND, Query(rate("rejected_total", "reason"), "{{reason}}")),
            lines("Append-time delay", "Now minus the append time of the newest record. It grows in a quiet one too.",
                  TIME, Query(gauge("append_time_delay_seconds", "max", "partition"), "partition {{partition}}"),
                  width=12),
            lines("Lag", "Records of the room log not yet read.", RECORDS,
                  Query(gauge("lag_records", "sum", "partition"), "partition {{partition}}"), width=12),
        )),
        _clocks(),
        ("Stages", (
            lines("Time spent judging and sending", "Both share one event loop: at 1 s per second it is full.",
                  TIME_PER_SECOND, Query(rate("process_seconds_total", "pod"), "judging, {{pod}}"),
                  Query(rate("publish_seconds_total", "pod"), "sending, {{pod}}")),
            lines("Batch size", "Records in one fetch: median and 99th percentile.", RECORDS,
                  Query(quantile(0.5, "batch_events"), "median"),
                  Query(quantile(0.99, "batch_events"), "99th percentile")),
            lines("Time of a batch and of a flush", "99th percentile.", TIME,
                  Query(quantile(0.99, "batch_seconds"), "batch"), Query(quantile(0.99, "flush_seconds"), "flush")),
        )),
        _state_and_kafka(),
        _identities(),
        ("Process", (
            lines("Rooms", "Rooms kept, and how many of them are decoded.", ROOMS, Query(gauge("rooms_live"), "kept"),
                  Query(gauge("rooms_decoded"), "decoded")),
            lines("Rooms evicted", "After hours without an event, or early because the worker is at its cap.",
                  Axis("short", "rooms per second"), Query(rate("rooms_expired_total"), "after silence"),
                  Query(rate("rooms_shed_total"), "early, at the cap")),
            lines("Memory", "Memory of the process in RAM, by worker.", Axis("bytes", "bytes"),
                  Query(gauge("resident_memory_bytes", "max", "pod"), "{{pod}}")),
            lines("CPU", "CPU time used, by worker.", Axis("short", "cores"),
                  Query(rate("cpu_seconds_total", "pod"), "{{pod}}")),
            lines("Pauses of the event loop", "How late timers run, and how long the garbage collector pauses: 99th "
                  "percentile.", TIME, Query(quantile(0.99, "loop_lag_seconds"), "late timers"),
                  Query(quantile(0.99, "gc_pause_seconds"), "garbage collector")),
            lines("Garbage collections", "Runs of the collector, by generation.",
                  Axis("short", "collections per second"),
                  Query(rate("gc_collections_total", "generation"), "generation {{generation}}")),
        )),
    ))  # fmt: skip


def rules() -> Board:
    """Show how each rule behaves."""
    about = "What rules find and cost, where they fail, which versions hold."
    return Board("stream-audit-rules", "stream-audit · Rules", about, (
        ("Rules", (
            lines("Violations by rule and mode", "A case that opens and each later step.", RECORDS_PER_HOUR,
                  Query(rate("violations_total", "rule", "mode", scale=PER_HOUR), "{{rule}}, {{mode}}"), width=12),
            lines("Errors", "Evaluations of a rule that failed.", Axis("short", "errors per second"),
                  Query(rate("rule_errors_total", "rule"), "{{rule}}"), width=12),
            lines("Rules parked", "1 once a rule failed ten times in a row in a room. It skips that room.",
                  Axis("short", "1 = parked"), Query(gauge("rule_parked", "max", "rule"), "{{rule}}")),
            lines("Cost of rules", "Time spent on each rule, estimated from one look in sixteen.", TIME_PER_SECOND,
                  Query(rate("rule_seconds_total", "rule"), "{{rule}}")),
            lines("At the cap, or paused", "Partitions in which a rule's decisions wait for a person.", PARTITIONS,
                  Query(gauge("cap_reached", "sum", "rule"), "{{rule}} at its cap"),
                  Query(gauge("rule_paused", "sum", "rule"), "{{rule}} paused")),
            lines("Reviews", "People's decisions about violations, by what they say and what became of it. Unmatched: "
                  "the room keeps no such violation any more.", Axis("short", "reviews per hour"),
                  Query(rate("reviews_total", "outcome", "result", scale=PER_HOUR), "{{outcome}}, {{result}}")),
            lines("Policies refused", "Policies that were published and refused since the worker started.",
                  Axis("short", "policies"), Query(gauge("policy_rejected_total", "max"), "refused")),
            lines("Policy versions", "Oldest and newest version in use. Where they differ, workers disagree.",
                  Axis("short", "version"),
                  Query(gauge("policy_version", "max", "policy"), "{{policy}}, newest"),
                  Query(gauge("policy_version", "min", "policy"), "{{policy}}, oldest")),
            lines("Workers by version", "Two versions are normal during a rollout.", WORKERS,
                  Query(f"count by (version) (stream_audit_info{{{HERE}}})", "{{version}}")),
        )),
        ("Repeats and blind spots", (
            lines("Violations not sent again", "A worker that took over found them already sent.", RECORDS_PER_HOUR,
                  Query(rate("violations_suppressed_total", scale=PER_HOUR), "not sent again")),
            lines("Takeovers that may repeat", "Takeovers that could not read what was already sent, in the last "
                  "hour.", Axis("short", "takeovers in 1 hour"),
                  Query(f"sum (increase(stream_audit_output_tails_failed_total{{{HERE}}}[1h]))", "takeovers")),
            lines("Series left out", "Series beyond the cap of a scrape. It must be 0.", Axis("short", "series"),
                  Query(gauge("metrics_dropped_series", "max", "pod"), "{{pod}}")),
        )),
    ))  # fmt: skip


def slo() -> Board:
    """Show objectives, what is left of their budgets, how fast they burn."""
    windows = {"5m": "5 minutes", "30m": "30 minutes", "1h": "1 hour", "6h": "6 hours", "3d": "3 days"}
    pace = "1 uses up the budget in exactly a month. A page goes out at 14.4 over 1 hour and at 6 over 6 hours."
    speed = Axis("short", "times the allowed pace")

    def burns(record: str, budget: str) -> list[Query]:
        return [Query(f"namespace:stream_audit_{record}{w}{{{HERE}}} / {budget}", f"{{{{namespace}}}}, {words}")
                for w, words in windows.items()]  # fmt: skip

    slow, lost, read = (f"namespace:stream_audit_{n}{{{HERE}}}" for n in ("delay_slow:ratio", "unaccounted:rate1m",
                                                                         "read:rate1m"))  # fmt: skip
    unaccounted = f"(abs(sum_over_time({lost}[30d])) / sum_over_time({read}[30d]))"
    left = "Share of the month's error budget that is left. Below 0 the objective is missed."
    return Board("stream-audit-slo", "stream-audit · SLO", "Objectives, their error budgets and burn rates.", (
        ("Violations: 99 % within 2 s of their event", (
            lines("From event to violation", "99th percentile, up to the broker's acknowledgement.", TIME,
                  Query(f"namespace:stream_audit_violation_delay:p99_5m{{{HERE}}}", "{{namespace}}"), width=14),
            lines("Burn rate of violations", pace, speed, *burns("violation_slow:ratio_rate", "0.01"), width=10),
        )),
        ("Append-time delay: 99 % of readings within 2 s", (
            number("Delay budget left, 30 d", left, "percentunit",
                   Query(f"1 - avg_over_time({slow}[30d]) / 0.01", "{{namespace}}"), width=6, height=8),
            lines("Slow partitions", "Partitions with unread events that are more than 2 s behind.",
                  Axis("percentunit", "share of partitions"), Query(slow, "{{namespace}}"), width=8),
            lines("Burn rate of delay", pace, speed, *burns("delay_slow:ratio_avg", "0.01"), width=10),
        )),
        ("Accounted-for events: 99.99 %", (
            number("Accounting budget left, 30 d", left, "percentunit",
                   Query(f"1 - {unaccounted} / 0.0001", "{{namespace}}"), width=6, height=8),
            lines("Read and not accounted for", "It swings around 0 while batches are under way.", EVENTS_PER_SECOND,
                  Query(lost, "{{namespace}}"), width=8),
            lines("Burn rate of accounting", pace, speed, *burns("unaccounted:ratio_rate", "0.0001"), width=10),
        )),
        ("Workers", (
            lines("Workers that answer", "Workers that Prometheus can scrape, by namespace.", WORKERS,
                  Query(f"namespace:stream_audit_workers:count{{{HERE}}}", "{{namespace}}"), width=24),
        )),
    ))  # fmt: skip


def build(board: Board) -> str:
    """Return the dashboard's JSON."""
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
    return str(JSONEncoder(sort_keys=True, indent=2).encode(built.build())) + "\n"


def boards() -> dict[str, str]:
    """Return file name → content of every board."""
    return {f"{made.uid}.json": build(made) for made in (overview(), hot_path(), rules(), slo())}


def main(folder: Path) -> None:
    """Write every board into `folder` and remove others."""
    folder.mkdir(parents=True, exist_ok=True)
    made = boards()
    for old in folder.glob("*.json"):
        if old.name not in made:
            old.unlink()
    for name, content in made.items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
