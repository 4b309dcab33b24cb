"""A snapshot may be ahead of the committed offset: what is read again changes nothing and is not judged twice."""

from itertools import pairwise

import pytest

from tests.state.conftest import Changelog
from tests.support.engine import Sent, room_log
from tests.support.oracle import judge
from worker.partition.rooms import Counts, PartitionProcessor, Rooms
from worker.state.rooms import RoomStore
from worker.topics import VIOLATIONS_TOPIC

RECORDS = [
    Sent(0, offset, timestamp, key, value, ())
    for offset, (key, value, timestamp) in enumerate(room_log(11, rooms=3, steps=3_000))
]


def processor(rooms: Rooms) -> PartitionProcessor:
    return PartitionProcessor(topic="events", partition=0, rooms=rooms, judge=judge(), counts=Counts())


@pytest.mark.parametrize("behind", [0, 1, 300, 700])
def test_crashes_with_snapshots_ahead_of_the_offset_leave_the_verdicts_as_they_are(
    changelog: Changelog, behind: int
) -> None:
    wanted = processor(RoomStore("changelog", 0)).process(RECORDS).of(VIOLATIONS_TOPIC)
    assert len(wanted) > 20
    found = []
    for start, end in pairwise([0, 800, 1_600, 2_400, len(RECORDS)]):
        store = changelog.recover(changelog.compacted())
        again = processor(store)
        found += again.process(RECORDS[max(0, start - behind) : end]).of(VIOLATIONS_TOPIC)
        assert again.counts.balanced()
        assert (again.counts.replay_skipped > 0) == (behind > 0 and start > 0)
        changelog.append(store.capture(end, 0, max(0, end - behind), -1))
    assert found == wanted
