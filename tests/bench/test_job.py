"""The benchmark's job does the same for everybody."""

import orjson
import pytest

from tests.bench.corpus import corpus
from tests.bench.job import Job, Oracle


@pytest.mark.slow
def test_job_equals_its_oracle() -> None:
    """Flat lists and kept events emit the same records, and enough of them to matter."""
    job, oracle = Job(), Oracle()
    emitted = 0
    for offset, (_, _, value) in enumerate(corpus(30_000, rooms=40)):
        event = orjson.loads(value)
        arguments = event["room_id"], event["type"], event["at_ms"]
        record = job.update(*arguments, offset)
        assert record == oracle.update(*arguments)
        emitted += record is not None
    assert emitted > 20


def test_mean_event_is_as_large_as_claimed() -> None:
    """About 314 bytes of JSON."""
    sizes = [len(value) for _, _, value in corpus(5_000)]
    assert 300 <= sum(sizes) / len(sizes) <= 330
