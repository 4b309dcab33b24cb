"""For each alert, series with which it fires and series with which it stays silent, in promtool's notation."""

from typing import NamedTuple

POD = 'namespace="n", pod="p"'


class Case(NamedTuple):
    """At `at`, `alert` fires (or not), given `series`: metric without prefix and extra labels → values."""

    alert: str
    fires: bool
    at: str
    series: dict[str, str]
    interval: str = "30s"


def pair(
    alert: str, at: str, firing: dict[str, str], silent: dict[str, str], interval: str = "30s"
) -> tuple[Case, Case]:
    return Case(alert, True, at, firing, interval), Case(alert, False, at, silent, interval)


def flow(**counters: str) -> dict[str, str]:
    """Counters of events: 100 read a second, none duplicate, late, foreign or skipped unless given."""
    steady = {"read_total": "0+3000x90", "applied_total": "0+3000x90", "duplicate_total": "0x90", "late_total": "0x90"}
    return {**steady, "foreign_total": "0x90", "replay_skipped_total": "0x90", **counters}


def windows(record: str, long: str, short: str, rates: tuple[float, float]) -> dict[str, str]:
    """A recorded ratio over a long and a short window."""
    return {f":{record}{window}": f"{rate}x150" for window, rate in zip((long, short), rates, strict=True)}


TARDY = "violation_slow:ratio_rate"
IN_TIME, ALL = 'violation_delay_seconds_bucket{le="2.0"}', "violation_delay_seconds_count"
SLOW, LOST = "delay_slow:ratio_avg", "unaccounted:ratio_rate"
REJECTED = 'rejected_total{reason="not_json"}'
LAG, DELAY = 'lag_records{partition="0"}', 'append_time_delay_seconds{partition="0"}'
WAITS = 'partition_waits{partition="0", reason="ahead"}'
FOUND = 'violations_total{platform="jd", rule="R", mode="live", step="0"}'
ONE, TWO = 'policy_version{policy="x", pod="p"}', 'policy_version{policy="x", pod="q"}'
ASKED, ISSUED = 'requests_total{action="challenge", reason="entry"}', 'events_total{type="challenge.issued"}'
LEAST, LEAST_ELSEWHERE = (f'source_delay_min_seconds{{source="speech", pod="{pod}"}}' for pod in "pq")
CLEAR, UNCLEAR = 'blocks_closed_total{clear="yes"}', 'blocks_closed_total{clear="no"}'
LOOP = [f'loop_lag_seconds_bucket{{le="{le}"}}' for le in ("0.1", "1.0", "10.0", "+Inf")]

CASES: tuple[Case, ...] = (
    *pair("DelayBurnFast", "10m", {LAG: "10x90", DELAY: "5x90"}, {LAG: "10x90", DELAY: "1x90"}),
    Case("DelayBurnFast", True, "10m", {LAG: "10x90"}),  # a partition that says nothing is no good partition
    Case("DelayBurnFast", False, "10m", {LAG: "0x90", DELAY: "0+30x90"}),  # a quiet one is not slow
    *pair("DelayBurnMedium", "20m", windows(SLOW, "6h", "30m", (0.07, 0.07)), windows(SLOW, "6h", "30m", (0.07, 0.01))),
    *pair("DelayBurnSlow", "65m", windows(SLOW, "3d", "6h", (0.02, 0.02)), windows(SLOW, "3d", "6h", (0.02, 0.005))),
    *pair("ViolationDelayBurnFast", "12m", {IN_TIME: "0+80x90", ALL: "0+100x90"},
          {IN_TIME: "0+99x90", ALL: "0+100x90"}),
    Case("ViolationDelayBurnFast", False, "12m", {IN_TIME: "5x90", ALL: "9x90"}),  # no violation is no slow one
    *pair("ViolationDelayBurnMedium", "20m", windows(TARDY, "6h", "30m", (0.07, 0.07)),
          windows(TARDY, "6h", "30m", (0.07, 0.01))),
    *pair("ViolationDelayBurnSlow", "65m", windows(TARDY, "3d", "6h", (0.02, 0.02)),
          windows(TARDY, "3d", "6h", (0.02, 0.005))),
    *pair("UnaccountedBurnFast", "12m", flow(applied_total="0+2990x90"), flow()),
    Case("UnaccountedBurnFast", False, "12m", flow(applied_total="0+2990x90", **{REJECTED: "0+10x90"})),
    *pair("UnaccountedBurnMedium", "20m", windows(LOST, "6h", "30m", (7e-4, 7e-4)),
          windows(LOST, "6h", "30m", (7e-4, 1e-4))),
    *pair("UnaccountedBurnSlow", "65m", windows(LOST, "3d", "6h", (2e-4, 2e-4)),
          windows(LOST, "3d", "6h", (2e-4, 5e-5))),
    *pair("WorkersGone", "9m", {'info{version="1"}': "1x10 stale"}, {'info{version="1"}': "1x60"}),
    *pair("PartitionStalled", "10m", {LAG: "10x40", DELAY: "0+30x40"}, {LAG: "0x40", DELAY: "0+30x40"}),
    Case("PartitionStalled", False, "10m", {LAG: "10x40", DELAY: "0+30x40", WAITS: "1x40"}),  # it says so itself
    *pair("PartitionWaits", "5m", {WAITS: "1x20"}, {WAITS: "1x2 stale"}),
    *pair("PartitionsUnowned", "12m", {"partitions_assigned": "32x10 16x20"}, {"partitions_assigned": "32x30"}),
    *pair("CommitsStopped", "8m", {"commit_age_seconds": "0+30x40", LAG: "10x40"},
          {"commit_age_seconds": "0+30x40", LAG: "0x40"}),
    *pair("CommitFailures", "15m", {"commit_failures_total": "0+1x60"}, {"commit_failures_total": "3x60"}),
    *pair("LostRecords", "7m", {"lost_records_total": "0x10 7x10"}, {"lost_records_total": "7x20"}),
    *pair("RebalanceStorm", "25m", {"rebalances_total": "0+1x60"}, {"rebalances_total": "1x10 2x50"}),
    *pair("RecoveryTooLong", "7m", {"recovery_remaining_records": "900x20"},
          {"recovery_remaining_records": "900x4 0x20"}),
    *pair("WorkerNotLive", "3m", {"live": "0x10"}, {"live": "1x10"}),
    *pair("WorkerNotReady", "15m", {"ready": "0x40"}, {"ready": "0x10 1x30"}),
    *pair("DeadLetterRatio", "20m", flow(**{REJECTED: "0+60x90"}), flow(**{REJECTED: "0+15x90"})),
    *pair("LateEvents", "35m", flow(late_total="0+300x90"), flow(late_total="0+30x90")),
    *pair("ClockSkew", "15m", {LEAST: "25x60"}, {LEAST: "15x60"}),
    *pair("ClockSkew", "15m", {LEAST: "-2x60"}, {LEAST: "-0.5x60"}),
    Case("ClockSkew", True, "15m", {LEAST: "1x60", LEAST_ELSEWHERE: "25x60"}),  # the rooms of one worker are enough
    Case("ClockSkew", False, "15m", {LEAST: "-2x10 1x50"}),
    *pair("BlocksUnclear", "50m", {CLEAR: "0+90x120", UNCLEAR: "0+10x120"}, {CLEAR: "0+97x120", UNCLEAR: "0+3x120"}),
    Case("BlocksUnclear", False, "50m", {CLEAR: "0x120", UNCLEAR: "0x120"}),  # none closed, none abstained
    *pair("ViolationsFellToZero", "26h", {FOUND: "0+2x288 576x40", "read_total": "0+1000x330"},
          {FOUND: "0+2x330", "read_total": "0+1000x330"}, "5m"),
    Case("ViolationsFellToZero", False, "26h", {FOUND: "0+2x288 576x40", "read_total": "0+1000x288 288000x40"}, "5m"),
    *pair("RuleParked", "1m", {'rule_parked{rule="R"}': "1x10"}, {'rule_parked{rule="R"}': "0x10"}),
    *pair("RuleErrors", "7m", {'rule_errors_total{rule="R"}': "0x10 3x10"}, {'rule_errors_total{rule="R"}': "0x20"}),
    Case("RuleErrors", True, "7m", {'rule_errors_total{rule="R"}': "_x10 3x10"}),  # its first error makes the series
    *pair("PolicyVersionsDiffer", "20m", {ONE: "3x50", TWO: "4x50"}, {ONE: "4x50", TWO: "4x50"}),
    *pair("RulePaused", "1m", {'rule_paused{rule="R"}': "1x10"}, {'rule_paused{rule="R"}': "0x10"}),
    *pair("CapReached", "1m", {'cap_reached{rule="R"}': "2x10"}, {'cap_reached{rule="R"}': "0x10"}),
    *pair("PolicyRejected", "7m", {"policy_rejected_total": "0x10 1x10"}, {"policy_rejected_total": "1x20"}),
    *pair("IdentitiesBehind", "15m", {'identities_lag_records{partition="0"}': "20000x60"},
          {'identities_lag_records{partition="0"}': "9000x60"}),
    *pair("ChallengesNotIssued", "100m", {ASKED: "0+1x220"}, {ASKED: "0+1x220", ISSUED: "0+1x220"}),
    Case("ChallengesNotIssued", True, "170m", {ASKED: "0+1x360", ISSUED: "0+1x60 60x300"}),  # until then they were
    Case("ChallengesNotIssued", False, "170m", {ASKED: "0x360", ISSUED: "0x360"}),  # none asked, none owed
    *pair("TakeoverRepeats", "7m", {"output_tails_failed_total": "0x10 1x10"}, {"output_tails_failed_total": "1x20"}),
    *pair("MemoryNearLimit", "7m", {"resident_memory_bytes": "2000000000x20"},
          {"resident_memory_bytes": "1000000000x20"}),
    *pair("RoomsShed", "7m", {"rooms_shed_total": "0x10 5x10"}, {"rooms_shed_total": "5x20"}),
    *pair("LoopLag", "20m", dict(zip(LOOP, ("0x60", "0x60", "0+30x60", "0+30x60"), strict=True)),
          dict.fromkeys(LOOP, "0+30x60")),
    *pair("MetricsDropped", "20m", {"metrics_dropped_series": "5x60"}, {"metrics_dropped_series": "0x60"}),
)  # fmt: skip


def _series(name: str) -> str:
    """Full name and labels of a series; one that begins with ":" is a namespace's recorded one."""
    if name.startswith(":"):
        return f'namespace:stream_audit_{name[1:]}{{namespace="n"}}'
    metric, _, labels = name.rstrip("}").partition("{")
    pod = POD if "pod=" not in labels else 'namespace="n"'
    return f"stream_audit_{metric}{{{', '.join(filter(None, (pod, labels)))}}}"


def promtool_tests(rule_files: list[str], interval: str) -> dict[str, object]:
    """The cases of one interval as the file that `promtool test rules` reads. An alert fires when one instance does."""
    tests = []
    for case in (case for case in CASES if case.interval == interval):
        name = f"StreamAudit{case.alert}"
        wanted = [{"labels": f'{{alertname="{name}"}}', "value": 1}] if case.fires else []
        query = f'count by (alertname) (ALERTS{{alertname="{name}", alertstate="firing"}})'
        tests.append({
            "name": f"{name} {'fires' if case.fires else 'stays silent'}",
            "interval": case.interval,
            "input_series": [{"series": _series(key), "values": values} for key, values in case.series.items()],
            "promql_expr_test": [{"expr": query, "eval_time": case.at, "exp_samples": wanted}],
        })  # fmt: skip
    return {"rule_files": rule_files, "evaluation_interval": interval, "tests": tests}
