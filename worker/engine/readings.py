"""What the counters say at a scrape, by metric. Called from the scraping thread: it reads, and changes nothing."""

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import product

from faust.types import TP

from worker import __version__, clock
from worker.audit.reviews import OUTCOMES, RESULTS
from worker.engine.health import Health
from worker.engine.identities import IdentityAgent
from worker.engine.rooms import RoomAgent
from worker.ingress.reject import Reason
from worker.metrics import Readings
from worker.partition.append_time import Wait
from worker.partition.rooms import PartitionProcessor
from worker.partition.sources import SourceCounts
from worker.transport import TransportCounts
from worker.transport.protocols import Recovery

RECENT_MS = 300_000
"""A partition that is further behind tells nothing of how its sources are now."""


def of_rooms(agent: RoomAgent) -> Readings:
    """Return the metrics of judging rooms and of their state."""
    counts, stores = agent.counts, agent.stores
    known = agent.judge.book if agent.feed is None else agent.feed.book
    return {
        "info": {(__version__,): 1.0},
        "read_total": counts.read,
        "events_total": {
            (str(kind.__struct_config__.tag),): n  # type: ignore[attr-defined]
            for kind, n in dict(counts.events).items()
        },
        "applied_total": counts.applied,
        "duplicate_total": counts.duplicate,
        "late_total": counts.late,
        "foreign_total": counts.foreign,
        "replay_skipped_total": counts.replay_skipped,
        **_sources(counts.sources),
        # All reasons from the start: a rate does not see the step that makes a series, and would miss records.
        "rejected_total": {(str(reason),): counts.rejected.get(reason, 0) for reason in Reason},
        "violations_total": {
            (platform, rule, mode, str(step)): n
            for (platform, rule, mode, step), n in dict(counts.violations_by).items()
        },
        "violations_suppressed_total": agent.sent.suppressed,
        "requests_total": {by: float(n) for by, n in dict(counts.requests).items() if agent.requests},
        # All from the start, as with reasons above.
        "reviews_total": {by: float(counts.reviews.get(by, 0)) for by in product(OUTCOMES, RESULTS)},
        "output_tails_failed_total": agent.tails_failed,
        "actions_withheld_total": {(because,): n for because, n in dict(counts.withheld).items()},
        "rule_errors_total": {(rule,): n for rule, n in dict(agent.judge.errors).items()},
        "rule_parked": {(rule,): 1.0 for rule in sorted(agent.judge.parked)},
        "rule_seconds_total": {(rule,): s for rule, s in dict(agent.judge.rule_seconds).items()},
        **_parking(agent),
        "policy_version": {(policy.ref.id,): policy.ref.version for policy in known.policies},
        "outputs_pending": agent.outbox.pending,
        "batch_events": agent.batch_events,
        "batch_seconds": agent.batch_seconds,
        "process_seconds_total": agent.process_seconds,
        "publish_seconds_total": agent.publish_seconds,
        "snapshot_records_total": stores.written_records,
        "snapshot_bytes_total": stores.written_bytes,
        "changelog_stale_total": stores.stale,
        "partition_waits": {(str(p), str(why)): 1.0 for p, why in dict(agent.gates.waiting).items()},
        "partition_waits_total": {(str(why),): float(agent.gates.waits[why]) for why in Wait},
        "rooms_live": stores.rooms(),
        "rooms_decoded": stores.decoded(),
        "rooms_by_level": stores.by_level(),
        "rooms_expired_total": stores.expired,
        "rooms_shed_total": stores.shed,
    }


def _sources(counts: SourceCounts) -> Readings:
    """What producers' clocks and delays did. All labels from the start, as above."""
    return {
        "late_events_total": {(source,): n for source, n in counts.late.items()},
        "clock_ahead_total": {(source,): n for source, n in counts.ahead.items()},
        "blocks_closed_total": {("yes",): counts.clear, ("no",): counts.abstained},
        "blocks_unclear_total": {(why,): n for why, n in counts.unclear.items()},
    }


def _parking(agent: RoomAgent) -> Readings:
    """Rules that are at their cap, and rules that are paused, each with the number of partitions."""
    reached: Counter[tuple[str, ...]] = Counter()
    paused: Counter[tuple[str, ...]] = Counter()
    for processor in list(agent.processors.values()):
        caps = processor.rooms.caps
        reached.update((rule,) for rule in caps.reached(processor.watermark_ms))
        paused.update((rule,) for rule in caps.paused())
    return {"cap_reached": dict(reached), "rule_paused": dict(paused)}


def of_identities(agent: IdentityAgent) -> Readings:
    """Return the metrics of matching identities."""
    counts, stores = agent.counts, list(agent.stores.values())
    fleets: dict[tuple[str, ...], float] = {}
    rooms: dict[tuple[str, ...], float] = {}
    for store in stores:
        for totals, found in ((fleets, store.fleets), (rooms, store.fleet_rooms)):
            for kind, n in dict(found).items():
                totals[(kind,)] = totals.get((kind,), 0.0) + n
    return {
        "identities_read_total": counts.read,
        "identities_applied_total": counts.applied,
        "identities_replay_skipped_total": counts.replay_skipped,
        "identities_rejected_total": counts.rejected,
        "identities_answers_total": {(kind,): float(n) for kind, n in dict(counts.answers).items()},
        "identities_seconds_total": agent.seconds,
        "identities_live": sum(len(store.kept) for store in stores),
        "fleets_live": fleets,
        "fleet_rooms": rooms,
        "identities_expired_total": agent.expired_before + sum(store.expired for store in stores),
    }


def of_positions(health: Health, processors: Mapping[int, PartitionProcessor]) -> Readings:
    """Return how far behind the log this worker is, in records and seconds, what sources show, and what probes say."""
    now_ms = clock.now_ms()
    lags = {name: max(0, end - position) for name, (position, end) in health.vitals.partitions.items()}
    delays: dict[tuple[str, ...], float] = {
        (str(partition),): max(0, now_ms - processor.watermark_ms) / 1000
        for partition, processor in dict(processors).items()
        if processor.watermark_ms
    }
    return {
        **of_sources(processors, now_ms),
        "lag_records": {(p,): float(lag) for p, lag in lags.items() if p.isdigit()},
        "identities_lag_records": float(sum(lag for p, lag in lags.items() if not p.isdigit())),
        "append_time_delay_seconds": delays,
        "live": float(health.live().ok),
        "ready": float(health.ready().ok),
    }


def of_sources(processors: Mapping[int, PartitionProcessor], now_ms: int) -> Readings:
    """Return how far sources are behind or ahead, and how long rooms wait for them, by partitions that are up to date.

    `now_ms` is the worker's own clock.
    """
    recent = [one.sources for one in dict(processors).values() if now_ms - one.watermark_ms < RECENT_MS]
    least_ms: dict[str, int] = {}
    for sources in recent:
        for source, delay_ms in sources.least_ms().items():
            least_ms[source] = min(delay_ms, least_ms.get(source, delay_ms))
    return {
        "source_delay_min_seconds": {(source,): ms / 1000 for source, ms in least_ms.items()},
        "watermark_hold_seconds": max((sources.held_ms() for sources in recent), default=0) / 1000,
    }


def of_transport(counts: TransportCounts | None, recovery: Recovery | None) -> Readings:
    """Return the driver's metrics; nothing before it has started."""
    if counts is None:
        return {}
    readings: dict[str, float] = {
        "commits_total": counts.commits,
        "commit_failures_total": counts.commit_failures,
        "lost_records_total": counts.lost_records,
        "changelog_records_total": counts.changelog_records,
        "recovery_remaining_records": float(_remaining(recovery)),
    }
    if counts.last_commit_s is not None:
        readings["commit_age_seconds"] = clock.monotonic_s() - counts.last_commit_s
    return readings


def _remaining(recovery: Recovery | None) -> int:
    if recovery is None:
        return 0
    offsets: Collection[tuple[TP, int]] = list(recovery.active_highwaters.items())
    return sum(max(0, end - recovery.active_offsets.get(tp, -1)) for tp, end in offsets)
