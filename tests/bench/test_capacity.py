"""The plan follows its formulas, and the document is what they give."""

import pytest

from tests.bench.capacity import DOCS, Limits, Measured, document, plan, read_limits, read_measured, snapshot_bytes

MEASURED = Measured(rate=50_000, room_kb=20, event_bytes=300, snapshot_bytes=2_000)
LIMITS = Limits(rooms_per_worker=40_000, partitions=64, replicas=3, retention_s=86_400)


def test_few_rooms_take_two_workers_for_the_sake_of_one_that_fails() -> None:
    assert (plan(100, MEASURED, LIMITS).workers, plan(100, MEASURED, LIMITS).partitions) == (2, 64)


def test_many_rooms_take_what_rate_or_rooms_ask_for() -> None:
    found = plan(1_000_000, MEASURED, LIMITS)
    assert (found.by_rate, found.by_rooms, found.workers, found.partitions) == (80, 25, 80, 512)
    assert found.memory_gb == pytest.approx(20.0)
    assert found.log_mb_s == pytest.approx(600.0)
    assert found.changelog_mb_s == pytest.approx((2_000.0, 200.0))
    assert found.log_tb == pytest.approx(600e6 * 86_400 * 3 / 1e12)


def test_the_figures_are_found_where_they_stand() -> None:
    table = "| full audit | 5 | 50,506 [37,862–55,411] | 19.79 |"
    text = f"events, 315 bytes on average\n{table}\nspeaking for half an hour 22.4 (bar"
    assert read_measured(text) == {"rate": 50_506, "room_kb": 22.4, "event_bytes": 315}
    assert read_measured("nothing") == {}
    assert 500 < snapshot_bytes() < 20_000
    assert read_limits().rooms_per_worker > 0


def test_the_document_names_its_command_and_its_rows() -> None:
    text = document(MEASURED, LIMITS)
    assert "python -m tests.bench.capacity" in text
    assert all(f"| {rooms:,} |" in text for rooms in (10_000, 100_000, 1_000_000))


def test_the_document_is_what_the_benchmarks_give() -> None:
    """`python -m tests.bench.capacity` writes it anew."""
    figures = read_measured((DOCS / "BENCHMARKS.md").read_text())
    made = document(Measured(**figures, snapshot_bytes=snapshot_bytes()), read_limits())
    assert (DOCS / "CAPACITY.md").read_text() == made
