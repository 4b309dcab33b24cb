"""Every metric: name, help, labels, unit. One collector reads plain numbers when somebody scrapes.

Nothing on the hot path touches a metrics library: parts count in plain integers, `app` knows where they are, and
`Collector` turns what it reads into families. A name outside the closed list, or another set of labels, is an error.
No label is a room, a user, or anything else without a bound.
"""

import gc
import resource
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector as RegistryCollector

PREFIX = "stream_audit_"
SERIES_MAX = 1_500


class Spec(NamedTuple):
    """A metric without its prefix. `kind` is counter, gauge or histogram; a counter's name ends in `_total`."""

    name: str
    kind: str
    about: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Spec, ...] = (
    Spec("info", "gauge", "1; the version is in the label.", ("version",)),
    # what comes in: read = applied + duplicate + late + foreign + replay_skipped + rejected
    Spec("read_total", "counter", "Records taken from the room log."),
    Spec("events_total", "counter", "Events decoded, by type.", ("type",)),
    Spec("applied_total", "counter", "Events applied to a room."),
    Spec("duplicate_total", "counter", "Events already seen under the same id."),
    Spec("late_total", "counter", "Events older than their room's watermark."),
    Spec("foreign_total", "counter", "Events of another session than the one that their room is leased to."),
    Spec("late_events_total", "counter", "The same, by source.", ("source",)),
    Spec("clock_ahead_total", "counter", "Events whose clock was over 2 s ahead of append time.", ("source",)),
    Spec("source_delay_min_seconds", "gauge", "Least delay of a source's events, over a minute.", ("source",)),
    Spec("watermark_hold_seconds", "gauge", "Largest wait of a room for a slow source, over a minute."),
    Spec(
        "blocks_closed_total",
        "counter",
        "Blocks that closed; not clear are those in which signals abstained.",
        ("clear",),
    ),
    Spec("blocks_unclear_total", "counter", "Blocks in which signals abstained for lateness or clocks.", ("why",)),
    Spec("replay_skipped_total", "counter", "Records already in a room's snapshot when they were read again."),
    Spec("rejected_total", "counter", "Records dead-lettered, by reason.", ("reason",)),
    Spec("batch_events", "histogram", "Records in one fetch."),
    Spec("batch_seconds", "histogram", "Time to process one fetch, without waiting for it."),
    Spec("process_seconds_total", "counter", "Time spent in decoding, deciding and encoding."),
    Spec("publish_seconds_total", "counter", "Time spent in handing records to the producer."),
    Spec("flush_seconds", "histogram", "Time to make one commit's outputs and state durable."),
    # what goes out
    Spec("violations_total", "counter", "Violations emitted.", ("platform", "rule", "mode", "step")),
    Spec("violation_delay_seconds", "histogram", "From the event's record to its violation's acknowledgement."),
    Spec("requests_total", "counter", "Challenges and looks asked for.", ("action", "reason")),
    Spec(
        "reviews_total", "counter", "Reviews answered, by what they say and what became of it.", ("outcome", "result")
    ),
    Spec("violations_suppressed_total", "counter", "Violations not sent again after a takeover."),
    Spec("output_tails_failed_total", "counter", "Takeovers that could not read what was already sent."),
    Spec("actions_withheld_total", "counter", "Actions held back, by reason.", ("because",)),
    Spec("outputs_pending", "gauge", "Records sent or queued that the broker has not acknowledged."),
    # where we are
    Spec("append_time_delay_seconds", "gauge", "Now minus the append time of the newest record read.", ("partition",)),
    Spec("partition_waits", "gauge", "1 while a partition waits before its next record.", ("partition", "reason")),
    Spec("partition_waits_total", "counter", "How often a partition began to wait, by reason.", ("reason",)),
    Spec("lag_records", "gauge", "Log end minus position.", ("partition",)),
    Spec("commit_age_seconds", "gauge", "Since the last commit of offsets."),
    Spec("commits_total", "counter", "Commits of offsets."),
    Spec("commit_failures_total", "counter", "Commits that the broker refused or did not answer."),
    Spec("lost_records_total", "counter", "Records that retention removed before they were read."),
    Spec("snapshot_records_total", "counter", "Changelog records written."),
    Spec("snapshot_bytes_total", "counter", "Bytes of keys and values of changelog records written."),
    Spec("changelog_records_total", "counter", "Changelog records read in recoveries."),
    Spec("changelog_stale_total", "counter", "Changelog records older than what was held: a zombie's late flush."),
    Spec("recovery_remaining_records", "gauge", "Changelog records still to read before processing starts."),
    Spec("rebalances_total", "counter", "Assignments of partitions received."),
    Spec("rebalance_seconds_total", "counter", "Time from revocation to processing again."),
    Spec("partitions_assigned", "gauge", "Partitions of the room log assigned to this worker."),
    # rooms and rules
    Spec("rooms_live", "gauge", "Rooms kept, decoded or not."),
    Spec("rooms_decoded", "gauge", "Rooms kept in decoded form."),
    Spec("rooms_by_level", "gauge", "Rooms in session by family and level reached, by name.", ("family", "level")),
    Spec("rooms_expired_total", "counter", "Rooms evicted after hours without a record."),
    Spec("rooms_shed_total", "counter", "Rooms forgotten early because the cap on rooms was reached."),
    Spec("rule_errors_total", "counter", "Evaluations of a rule that failed.", ("rule",)),
    Spec("rule_parked", "gauge", "1 once a rule was parked in a room after ten errors in a row.", ("rule",)),
    Spec("rule_seconds_total", "counter", "Time spent on a rule, estimated from one look in sixteen.", ("rule",)),
    Spec(
        "rule_paused", "gauge", "Partitions in which a rule floods: it is paused, its decisions are parked.", ("rule",)
    ),
    Spec("cap_reached", "gauge", "Partitions in which a rule is at its cap and its decisions are parked.", ("rule",)),
    Spec("policy_rejected_total", "counter", "Published policies that were refused since the worker began."),
    Spec("policy_unsigned_total", "counter", "Links of the policies' chain that were taken without a keyring."),
    Spec("policy_version", "gauge", "Version loaded.", ("policy",)),
    # identities: read = applied + replay_skipped + rejected
    Spec("identities_read_total", "counter", "Records taken from the identities' topic and the registry."),
    Spec("identities_applied_total", "counter", "Records applied to a fleet, host or platform."),
    Spec("identities_replay_skipped_total", "counter", "Records already in the state when they were read again."),
    Spec("identities_rejected_total", "counter", "Records of identities or the registry that were dead-lettered."),
    Spec("identities_answers_total", "counter", "Events written into rooms' logs, by type.", ("type",)),
    Spec("identities_seconds_total", "counter", "Time spent in matching identities."),
    Spec("identities_lag_records", "gauge", "Log end minus position, of identities and registry together."),
    Spec("identities_live", "gauge", "Identities, hosts and platforms kept."),
    Spec("identities_expired_total", "counter", "Identities forgotten because no room showed them any more."),
    Spec("fleets_live", "gauge", "Identities that two live rooms or more share, by kind.", ("kind",)),
    Spec("fleet_rooms", "gauge", "Live rooms in these, by kind.", ("kind",)),
    # the process
    Spec("live", "gauge", "1 while /livez answers 200."),
    Spec("ready", "gauge", "1 while /readyz answers 200."),
    Spec("loop_lag_seconds", "histogram", "How late the event loop ran a timer."),
    Spec("gc_pause_seconds", "histogram", "Pauses of the garbage collector."),
    Spec("gc_collections_total", "counter", "Runs of the garbage collector.", ("generation",)),
    Spec("resident_memory_bytes", "gauge", "Memory of the process that is in RAM."),
    Spec("cpu_seconds_total", "counter", "CPU time of the process."),
    Spec("metrics_dropped_series", "gauge", "Series left out of this scrape because of the cap."),
)

_BY_NAME = {spec.name: spec for spec in METRICS}

SECONDS_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
DELAY_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
EVENTS_BOUNDS = (1, 10, 100, 500, 1_000, 2_000, 4_000, 8_000, 16_000)


class Histogram:
    """Counts of observations by upper bound (inclusive), and their sum. Written by one thread, read by any."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS_BOUNDS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, observations up to it), the last being +Inf."""
        rows: list[tuple[str, float]] = []
        seen = 0
        for bound, count in zip((*map(str, map(float, self.bounds)), "+Inf"), list(self.counts), strict=True):
            seen += count
            rows.append((bound, float(seen)))
        return rows


Value = float | Histogram | Mapping[tuple[str, ...], float]
Readings = Mapping[str, Value]
"""Metric (no prefix) → its value; for one with labels, label values → value. Absent metrics are not exposed."""


class UnknownMetricError(LookupError):
    """A reading is not in the closed list, or its labels are not those declared."""


class Collector(RegistryCollector):
    """Turns readings into families at scrape, in the order of `METRICS`, at most `SERIES_MAX` series.

    `read` runs on the scraping thread while others write, so it must only read. Series beyond the cap are left out,
    the latest in the list first, and counted in `metrics_dropped_series`.
    """

    def __init__(self, read: Callable[[], Readings]) -> None:
        self._read = read

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        readings = {**self._read(), **process_readings()}
        for name in readings:
            if name not in _BY_NAME:
                raise UnknownMetricError(f"{name} is not in worker.metrics.METRICS")
        left, dropped = SERIES_MAX - 1, 0
        for spec in METRICS:
            if spec.name not in readings or spec.name == "metrics_dropped_series":
                continue
            family = _family(spec, readings[spec.name])
            room = max(left, 0)
            dropped += max(len(family.samples) - room, 0)
            del family.samples[room:]
            left -= len(family.samples)
            if family.samples:
                yield family
        yield _family(_BY_NAME["metrics_dropped_series"], float(dropped))


def _family(spec: Spec, value: Value) -> Metric:
    name = PREFIX + spec.name
    if isinstance(value, Histogram) != (spec.kind == "histogram"):
        raise UnknownMetricError(f"{spec.name} is a {spec.kind}, but {type(value).__name__} was read")
    if isinstance(value, Histogram):
        histogram = HistogramMetricFamily(name, spec.about)
        histogram.add_metric([], buckets=value.cumulative(), sum_value=value.total)
        return histogram
    family: CounterMetricFamily | GaugeMetricFamily
    if spec.kind == "counter":
        family = CounterMetricFamily(name, spec.about, labels=spec.labels)
    else:
        family = GaugeMetricFamily(name, spec.about, labels=spec.labels)
    rows = value.items() if isinstance(value, Mapping) else [((), value)]
    for labels, number in rows:
        if len(labels) != len(spec.labels):
            raise UnknownMetricError(f"{spec.name} has labels {spec.labels}, but {labels} was read")
        family.add_metric(list(labels), number)
    return family


_gc_pauses = Histogram()


def watch_gc(now_s: Callable[[], float]) -> None:
    """Starts to measure pauses of the garbage collector (once per process)."""

    started_s = 0.0

    def on_gc(phase: str, _: Mapping[str, int]) -> None:
        nonlocal started_s
        if phase == "start":
            started_s = now_s()
        else:
            _gc_pauses.observe(now_s() - started_s)

    gc.callbacks.append(on_gc)


def process_readings() -> Readings:
    """What the operating system and the interpreter know about this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "gc_pause_seconds": _gc_pauses,
        "gc_collections_total": {
            (str(generation),): float(stats["collections"]) for generation, stats in enumerate(gc.get_stats())
        },
        "resident_memory_bytes": float(resident_bytes()),
        "cpu_seconds_total": usage.ru_utime + usage.ru_stime,
    }


def resident_bytes() -> int:
    """Return the memory that this process holds now; where no /proc tells, the most that it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return pages * resource.getpagesize()


def registry(read: Callable[[], Readings]) -> CollectorRegistry:
    """A registry that holds only the worker's collector."""
    made = CollectorRegistry(auto_describe=False)
    made.register(Collector(read))
    return made


def exposition(made: CollectorRegistry) -> bytes:
    """The registry in Prometheus' text format."""
    return generate_latest(made)
