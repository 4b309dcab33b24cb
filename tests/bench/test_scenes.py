"""The rates of an open load follow what was measured before."""

import json
from pathlib import Path

from tests.bench.report import _latency
from tests.bench.scenes import rates_of, sustainable


def test_shares_of_the_sustainable_rate_and_the_goals_rate(tmp_path: Path) -> None:
    assert sustainable(tmp_path) is None
    assert rates_of(None) == [5_000, 10_000, 20_000]
    systems = {"full audit": [{"events_per_s": rate} for rate in (41_000.0, 53_951.0, 60_000.0)]}
    (tmp_path / "throughput.json").write_text(json.dumps({"results": {"systems": systems}}))
    assert sustainable(tmp_path) == 53_951
    assert rates_of(53_951) == [13_500, 20_000, 27_000, 40_500, 48_600]
    (tmp_path / "throughput.json").write_text(json.dumps({"results": {"systems": {}}}))
    assert sustainable(tmp_path) is None


def test_the_report_says_the_share_and_marks_a_late_sender(tmp_path: Path) -> None:
    row = {"rate": 20_000, "p50": 1.0, "p99": 2.0, "p99.9": 3.0, "max": 4.0, "violations": 9, "missing": 0}
    rows = [{**row, "behind_ms": 100.0}, {**row, "rate": 40_500, "sustainable": 54_000.0, "behind_ms": 101.0}]
    text = "\n".join(_latency(rows, tmp_path))
    assert "| 20,000 | – |" in text
    assert "| 40,500 ² | 75% |" in text
    assert "² The sender fell behind" in text
    assert "² The sender" not in "\n".join(_latency(rows[:1], tmp_path))
