"""Metrics: a closed list, plain numbers, bounded series, in a format that Prometheus' own parser reads."""

import gc

import pytest
from prometheus_client.parser import text_string_to_metric_families

from worker import metrics
from worker.metrics import METRICS, PREFIX, SERIES_MAX, Collector, Histogram, Readings, UnknownMetricError


def scrape(readings: Readings) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = metrics.exposition(metrics.registry(lambda: readings)).decode()
    return {
        (sample.name.removeprefix(PREFIX), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_numbers_appear_under_their_names_and_labels() -> None:
    got = scrape({"read_total": 7, "rejected_total": {("not_json",): 2}, "lag_records": {("3",): 11}})
    assert got["read_total", ()] == 7
    assert got["rejected_total", (("reason", "not_json"),)] == 2
    assert got["lag_records", (("partition", "3"),)] == 11


def test_the_process_reports_itself() -> None:
    got = scrape({})
    assert got["resident_memory_bytes", ()] > 1_000_000
    assert got["cpu_seconds_total", ()] > 0
    assert ("gc_collections_total", (("generation", "2"),)) in got


def test_a_histogram_counts_each_value_in_the_first_bound_that_holds_it() -> None:
    histogram = Histogram((1, 10))
    for value in (0.5, 1, 1.5, 10, 11):
        histogram.observe(value)
    got = scrape({"batch_events": histogram})
    buckets = [got["batch_events_bucket", (("le", bound),)] for bound in ("1.0", "10.0", "+Inf")]
    assert buckets == [2, 4, 5]
    assert got["batch_events_count", ()] == 5
    assert got["batch_events_sum", ()] == 24


@pytest.mark.parametrize(
    "wrong",
    [
        {"rooms_total": 1},
        {"lag_records": 1},
        {"read_total": {("a",): 1}},
        {"batch_events": 3},
        {"read_total": Histogram()},
    ],
)
def test_what_is_not_declared_is_an_error(wrong: Readings) -> None:
    with pytest.raises(UnknownMetricError):
        list(Collector(lambda: wrong).collect())


def test_series_are_capped_and_the_rest_is_counted() -> None:
    many: dict[tuple[str, ...], float] = {(str(partition),): 1.0 for partition in range(4 * SERIES_MAX)}
    got = scrape({"lag_records": many, "read_total": 1})
    assert len(got) <= SERIES_MAX
    assert got["read_total", ()] == 1
    assert got["metrics_dropped_series", ()] >= 3 * SERIES_MAX


def test_the_list_names_units_and_no_room_or_user() -> None:
    for spec in METRICS:
        assert spec.kind in ("counter", "gauge", "histogram")
        assert spec.name.endswith("_total") == (spec.kind == "counter"), spec.name
        assert spec.about.endswith("."), spec.name
        assert not {"room", "room_id", "user", "viewer", "host"} & set(spec.labels), spec.name
    assert len({spec.name for spec in METRICS}) == len(METRICS)


def test_pauses_of_the_garbage_collector_are_measured() -> None:
    ticks = iter(range(0, 10_000, 2))
    before = list(gc.callbacks)
    metrics.watch_gc(lambda: float(next(ticks)))
    try:
        gc.collect()
    finally:
        gc.callbacks[:] = before
    assert scrape({})["gc_pause_seconds_sum", ()] >= 2
