"""The table of faults: what happens, and when the worker has survived it."""

from __future__ import annotations

from tests.faults import brokers, crashes, limits, records, skew
from tests.faults.scenario import Fault

FAULTS = (
    Fault("kill -9 ×5", "violations = oracle, byte for byte, ≤ 5 repeats", crashes.kills),
    Fault("frozen past the session, then awake", "same ids and bytes, newest state wins", crashes.zombie),
    Fault("rolling restart by SIGTERM", "nothing read twice, exit 0 in < 30 s, no repeats", crashes.rolling),
    Fault("20 joins and leaves", "stays live, nothing lost, lag gone within 2× the time", crashes.churn),
    Fault("broker killed, restarted", "nothing lost, recovered in < 60 s", brokers.broker_killed, own_cluster=True),
    Fault("leader lost, 3 brokers", "nothing lost, recovered in < 60 s", brokers.leader_lost, 3, own_cluster=True),
    Fault("poisoned or old changelog record", "exit 1 that names the record, nothing committed", records.poisoned),
    Fault("an old state written late", "exit 1, then the newest state is the newest record", records.late_writer),
    Fault("duplicates, disorder, late events", "violations = oracle, no repeats", records.disorder),
    Fault("10⁵ records (9 of 10 seeds: 10⁴), hostile", "read = applied + duplicate + … + rejected", records.fuzzed),
    Fault("one room has 80 % of traffic", "other rooms' p99 ≤ 2×", skew.hot_room, alone=True),
    Fault("more rooms than may be kept", "longest idle shed and counted, all accounted for", crashes.rooms_cap),
    Fault("memory that cannot be had", "ends non-zero in < 60 s, violations = oracle", limits.memory),
    Fault("disk full: broker's, output's", "worker waits or exits 1, violations = oracle", limits.disk),
    Fault("control: commit before flush", "the worker or the oracle notices", crashes.commits_first),
    Fault("control: no replay guard", "the oracle notices", crashes.no_guard),
)  # fmt: skip
